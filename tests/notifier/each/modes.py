"""What may be under way at the same time: by key, by bucket, one at a time, or anything."""

import collections
import time

from contract import refused
from hooks import feed, hook, put, told_of
from proof import chained, everything, named, once_each
from receiver import Gate, Receiver
from scene import PATIENT, eventually, test


def overlapping(deliveries, lane):
    """Pairs of the same lane that were under way at the same time."""
    lanes = collections.defaultdict(list)
    for one in deliveries:
        lanes[lane(one)].append(one)
    return [(before.position, after.position) for each in lanes.values() for before, after in zip(each, each[1:])
            if before.answered is None or after.came < before.answered]


def holding(*names):
    """A rule that holds back the first of each of these keys; the gate that lets them go."""
    gate, held = Gate(), set()

    def rule(delivery):
        name = named(delivery)
        if name in names and name not in held:
            held.add(name)
            return gate
        return 200
    return rule, gate


def warm(told, native, bucket):
    """A first success."""
    told.wait_for(put(native, bucket, "warm"))


def flowed(told):
    return [named(one) for one in told.accepted()]


@test(settings=PATIENT)
def by_key_others_flow_past_one_that_waits(scene):
    native, bucket = scene.native, scene.bucket("keys")
    rule, gate = holding((bucket, "slow"))
    with Receiver(rule) as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        assert one.get()["mode"] == "key", "the default"
        warm(told, native, bucket)
        put(native, bucket, "slow")
        told.wait(2, of=lambda: told.deliveries)
        for number in range(20):
            put(native, bucket, f"fast/{number % 4}")
            put(native, bucket, "slow")
        told.wait(21)
        assert (bucket, "slow") not in flowed(told), "overtook its own key"
        gate.open()
        told.wait(42)
        everything(told.deliveries, told_of(feed(native), buckets=[bucket]))
        assert not overlapping(told.deliveries, named)


@test(settings=PATIENT)
def keys_are_served_at_the_same_time(scene):
    native, bucket = scene.native, scene.bucket("together")
    gate = Gate()
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        # As many at a time as succeed: twenty successes make room for six.
        for _ in range(20):
            warm(told, native, bucket)
        told.rule = gate
        for number in range(12):
            put(native, bucket, f"{number % 6}")
        told.wait(26, of=lambda: told.deliveries)
        assert len({named(each) for each in told.deliveries}) == 7, "a key twice, while another waits"
        assert one.delivery()["lag"] >= 12, one.delivery()
        gate.open()
        told.wait(32)
        everything(told.deliveries, told_of(feed(native), buckets=[bucket]))


@test(settings=PATIENT)
def what_is_under_way_and_what_waits_is_counted(scene):
    native, bucket = scene.native, scene.bucket("counted")
    gate = Gate()
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        warm(told, native, bucket)
        told.rule = gate
        put(native, bucket, "slow")
        told.wait(2, of=lambda: told.deliveries)
        eventually(lambda: one.delivery()["inFlight"] == 1, "the figure of one under way", 3)
        for _ in range(4):
            put(native, bucket, "slow")
        eventually(lambda: (now := one.delivery())["inFlight"] == 1 and now["pending"] >= 4, "figures of one under way and four that wait", 3)
        gate.open()
        told.wait(6)
        eventually(lambda: (now := one.delivery())["inFlight"] == now["pending"] == now["lag"] == 0, "figures of nothing to do")


@test(settings=PATIENT)
def a_receiver_that_has_not_answered_yet_gets_one_request(scene):
    """Other keys wait for its first answer too (decision 0013); from then on as many are under way as it has shown that it takes."""
    native, bucket = scene.native, scene.bucket("first")
    gate = Gate()
    with Receiver(gate) as told:
        hook(native, told.url, buckets=[bucket], events=["s3:*"])
        for number in range(6):
            put(native, bucket, f"{number}")
        told.wait(1, of=lambda: told.deliveries)
        time.sleep(1)
        assert len(told.deliveries) == 1, told.told()
        gate.open()
        told.wait(6)
        everything(told.deliveries, told_of(feed(native), buckets=[bucket]))


@test(settings=PATIENT)
def by_bucket_only_other_buckets_flow_past(scene):
    native, slow, fast = scene.native, scene.bucket("slow"), scene.bucket("fast")
    rule, gate = holding((slow, "first"))
    with Receiver(rule) as told:
        hook(native, told.url, buckets=[slow, fast], events=["s3:*"], mode="bucket")
        warm(told, native, fast)
        put(native, slow, "first")
        told.wait(2, of=lambda: told.deliveries)
        for number in range(10):
            put(native, slow, f"{number}")
            put(native, fast, f"{number}")
        told.wait(11)
        assert {bucket for bucket, _ in flowed(told)} == {fast}, flowed(told)
        gate.open()
        told.wait(22)
        everything(told.deliveries, told_of(feed(native), buckets=[slow, fast]), lambda event: event.bucket)
        assert not overlapping(told.deliveries, lambda one: named(one)[0])


@test(settings=PATIENT)
def strictly_never_two_are_under_way(scene):
    native, buckets = scene.native, [scene.bucket("strict"), scene.bucket("strict")]
    chance = scene.chance("strict")

    def rule(delivery):
        return Gate(500 if delivery.attempt == 1 and delivery.position % 40 == 0 else 200, chance.uniform(0, 0.01))
    with Receiver(rule) as told:
        hook(native, told.url, buckets=buckets, events=["s3:*"], mode="strict")
        for number in range(120):
            put(native, buckets[number % 2], f"{number % 11}")
        came = told.wait(120, 60)
        assert not overlapping(told.deliveries, lambda one: None)
        assert any(one.status == 500 for one in told.deliveries), "nothing failed"
        everything(came, told_of(feed(native), buckets=buckets), lambda event: None)


@test(settings=PATIENT)
def unordered_even_a_key_flows_past_itself(scene):
    native, bucket = scene.native, scene.bucket("unordered")
    rule, gate = holding((bucket, "slow"))
    with Receiver(rule) as told:
        hook(native, told.url, buckets=[bucket], events=["s3:*"], mode="unordered")
        warm(told, native, bucket)
        for _ in range(10):
            put(native, bucket, "slow")
        told.wait(10)
        assert len([one for one in told.deliveries if one.answered is None]) == 1, told.told()
        gate.open()
        told.wait(11)
        wanted = told_of(feed(native), buckets=[bucket])
        once_each(told.deliveries, wanted)
        chained(told.deliveries, wanted)


@test(settings=PATIENT)
def a_mode_may_be_changed(scene):
    native, bucket = scene.native, scene.bucket("changed")
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        for mode in ("strict", "unordered", "bucket", "key"):
            assert one.patch(mode=mode)["mode"] == mode
            for number in range(5):
                put(native, bucket, f"{number}")
        told.wait(20)
        wanted = told_of(feed(native), buckets=[bucket])
        assert len(once_each(told.deliveries, wanted)) == 20
        refused(one.ask("PATCH", json={"mode": "random"}), "invalid_request")
        refused(native.ask("POST", "/webhooks", json={"url": told.url, "mode": "KEY"}), "invalid_request")
