"""What happens when a receiver fails: retries, parking, pausing, a breaker, and nobody else waits for it."""

import email.utils
import time

from contract import refused
from hooks import feed, hook, put, remove, told_of
from proof import everything
from receiver import Gate, Receiver, Trap
from scene import LOOPBACK, eventually, test

# Each interval tells itself from the others; parked after four attempts.
STEPS = LOOPBACK | {"notifier.retry_schedule": "0s,1s,2s,1s,1s,1s,1s,10m", "notifier.probe_interval_max_s": 2, "notifier.timeout_s": 2,
                    "notifier.park_after_attempts": 4}
# Given up after three seconds.
SHORT = LOOPBACK | {"notifier.retry_schedule": "0s,1s,1s,1s", "notifier.probe_interval_max_s": 1, "notifier.timeout_s": 1}
# Jitter may shorten a wait, not halve it.
JITTER = 0.5


def key_of(delivery):
    return delivery.document["subject"]


@test(settings=STEPS)
def a_failed_delivery_comes_again_as_the_schedule_says(scene):
    native, bucket = scene.native, scene.bucket("schedule")
    with Receiver(lambda delivery: 500 if delivery.attempt < 3 else 200) as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        put(native, bucket, "key")
        told.wait(1)
        came = told.deliveries
        assert [each.attempt for each in came] == [1, 2, 3] and len({each.id for each in came}) == 1 and len({each.body for each in came}) == 1, told.told()
        waits = [after.came - before.came for before, after in zip(came, came[1:])]
        assert waits[0] >= 1 * JITTER and waits[1] >= 2 * JITTER, waits
        everything(came, told_of(feed(native), buckets=[bucket]))
        tried = one.deliveries()
        # Newest first.
        assert [(each["attempt"], each["statusCode"], each["outcome"]) for each in tried] == [(3, 200, "delivered"), (2, 500, "failed"), (1, 500, "failed")], tried
        assert {each["webhookId"] for each in tried} == {came[0].id} and {each["position"] for each in tried} == {came[0].position}, tried
        assert all(each["latencyMs"] >= 0 and each["at"] and each["type"] == "s3:ObjectCreated:Put" for each in tried), tried
        assert [each["attempt"] for each in one.deliveries(status="failed")] == [2, 1]
        assert [each["attempt"] for each in one.deliveries(limit=1)] == [3]


@test(settings=STEPS)
def only_2xx_in_time_is_success(scene):
    """Redirects, errors of the caller and answers that come too late are failures; 2xx without a body is none."""
    native, bucket = scene.native, scene.bucket("success")
    gate = Gate()
    first = {"/302": (302, {"location": "/elsewhere"}), "/404": 404, "/late": gate, "/201": 201, "/204": 204, "/202": 202}
    with Receiver(lambda delivery: first[delivery.path] if delivery.attempt == 1 else 200) as told:
        made = {path: hook(native, told.url.rstrip("/") + path, buckets=[bucket], events=["s3:*"]) for path in first}
        put(native, bucket, "key")
        eventually(lambda: all(one.delivery()["position"] >= one.delivery()["headPosition"] for one in made.values()), "all deliveries")
        gate.open()
        attempts = {path: max(each.attempt for each in told.deliveries if each.path == path) for path in first}
        assert attempts == {"/302": 2, "/404": 2, "/late": 2, "/201": 1, "/204": 1, "/202": 1}, attempts
        assert not [each for each in told.deliveries if each.path == "/elsewhere"], "a redirect was followed"
        errors = {path: one.deliveries(status="failed") for path, one in made.items()}
        assert {path: len(each) for path, each in errors.items()} == {"/302": 1, "/404": 1, "/late": 1, "/201": 0, "/204": 0, "/202": 0}, errors
        assert errors["/302"][0]["statusCode"] == 302 and errors["/late"][0].get("statusCode") is None and errors["/late"][0]["error"], errors


@test(settings=STEPS)
def gone_disables_and_activation_goes_on_there(scene):
    native, bucket = scene.native, scene.bucket("gone")
    with Receiver(410) as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        put(native, bucket, "a")
        eventually(lambda: one.get()["status"] == "disabled", "disabling")
        assert one.get()["statusReason"], one.get()
        put(native, bucket, "b")
        time.sleep(1.5)
        assert len(told.deliveries) == 1, told.told()
        assert any(event.type == "holdfast:Webhook:Stopped" for event in feed(native, type="holdfast:Webhook:Stopped"))
        told.rule = 200
        assert one.patch(status="active")["status"] == "active"
        told.wait(2)
        everything(told.accepted(), told_of(feed(native), buckets=[bucket]))
        assert "statusReason" not in one.get(), one.get()


@test(settings=STEPS)
def retry_after_is_respected(scene):
    native, bucket = scene.native, scene.bucket("later")
    wait_s = 3

    def later(delivery):
        date = email.utils.formatdate(time.time() + wait_s + 1, usegmt=True)
        asked = {"/429": (429, {"retry-after": str(wait_s)}), "/503": (503, {"retry-after": str(wait_s)}), "/date": (503, {"retry-after": date})}
        return asked[delivery.path] if delivery.attempt == 1 else 200

    with Receiver(later) as told:
        for path in ("429", "503", "date"):
            hook(native, told.url + path, buckets=[bucket], events=["s3:*"])
        put(native, bucket, "key")
        told.wait(3)
        for path in ("/429", "/503", "/date"):
            first, second = [each for each in told.deliveries if each.path == path]
            assert first.id == second.id and second.attempt == 2, told.told()
            assert second.came - first.answered >= wait_s - 0.1, f"{path}: again after {second.came - first.answered:.2f} s"


@test(settings=STEPS)
def a_poisonous_event_is_parked_while_others_flow(scene):
    native, bucket = scene.native, scene.bucket("parked")
    with Receiver(lambda delivery: 500 if key_of(delivery).startswith("poison") else 200) as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        bad = [put(native, bucket, "poison/1"), put(native, bucket, "poison/2")]
        good = []
        # Others succeed all the while, so it is the event that fails and not the endpoint.
        ends = time.monotonic() + 40
        while len(one.parked()) < 2:
            assert time.monotonic() < ends, f"not parked: {one.delivery()}, {told.told()}"
            good.append(put(native, bucket, f"good/{len(good)}"))
            told.wait_for(good[-1], 5)
            time.sleep(0.1)
        parked = sorted(one.parked(), key=lambda each: each["position"])
        assert [each["position"] for each in parked] == bad and all(each["attempts"] == 4 and each["error"] and each["parkedAt"] for each in parked), parked
        assert {each["type"] for each in parked} == {"s3:ObjectCreated:Put"} and one.delivery()["parked"] == 2, parked
        assert [each["webhookId"] for each in parked] == [next(came.id for came in told.deliveries if came.position == position) for position in bad]
        for position in bad:
            attempts = [each.attempt for each in told.deliveries if each.position == position]
            assert attempts == [1, 2, 3, 4], attempts
        assert one.get()["status"] == "active"
        # A key goes on behind what was parked.
        told.rule = 200
        told.wait_for(put(native, bucket, "poison/1"))
        assert one.ask("POST", f"/parked/{bad[0]}/replay").status_code == 202
        again = told.wait_for(bad[0])
        assert again.id == parked[0]["webhookId"], again.headers
        eventually(lambda: [each["position"] for each in one.parked()] == bad[1:], "leaving the list")
        assert one.ask("DELETE", f"/parked/{bad[1]}").status_code == 204
        assert one.parked() == [] and one.delivery()["parked"] == 0
        for method, rest in (("POST", f"/parked/{bad[0]}/replay"), ("DELETE", f"/parked/{bad[1]}"), ("DELETE", "/parked/1"), ("POST", f"/parked/{good[0]}/replay")):
            refused(one.ask(method, rest), "not_found")
        last = told.wait_for(put(native, bucket, "last"))
        came = {each.position for each in told.accepted()}
        assert came == {event.position for event in told_of(feed(native), buckets=[bucket])} - {bad[1]} and last.position in came


@test(settings=SHORT)
def when_retries_run_out_it_pauses_and_resumes_without_loss(scene):
    native, bucket = scene.native, scene.bucket("pause")
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        for number in range(5):
            put(native, bucket, f"before/{number}")
        told.wait(5)
        port, before = told.port, told.accepted()
    for number in range(10):
        put(native, bucket, f"down/{number % 3}")
    paused = eventually(lambda: (now := one.get())["status"] == "paused" and now, "pausing", 30)
    assert paused["statusReason"] and paused["delivery"]["failingSince"] and paused["delivery"]["lag"] > 0, paused
    stopped = [event for event in feed(native) if event.type == "holdfast:Webhook:Stopped"]
    assert stopped, "no event says that it was paused"
    for number in range(10):
        put(native, bucket, f"down/{number % 3}")
    remove(native, bucket, "down/0")
    with Receiver(port=port) as told:
        time.sleep(1.5)
        assert not told.deliveries, f"it is paused: {told.told()}"
        assert one.patch(status="active")["status"] == "active"
        told.wait(21)
        put(native, bucket, "after")
        told.wait(22)
        everything(before + told.accepted(), told_of(feed(native), buckets=[bucket]))


@test(settings=SHORT)
def pausing_by_hand_keeps_the_place(scene):
    native, bucket = scene.native, scene.bucket("by-hand")
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"], status="paused")
        assert one.get()["status"] == "paused"
        for number in range(5):
            put(native, bucket, f"{number}")
        time.sleep(1)
        assert not told.deliveries
        one.patch(status="active")
        told.wait(5)
        one.patch(status="paused")
        last = put(native, bucket, "last")
        time.sleep(1)
        assert len(told.deliveries) == 5, told.told()
        one.patch(status="active")
        told.wait_for(last)
        everything(told.accepted(), told_of(feed(native), buckets=[bucket]))


@test(settings=STEPS)
def a_dead_endpoint_delays_nobody(scene):
    """One that never answers, one that refuses connections: another subscription of the tenant is served before the first timeout of a later event."""
    native, bucket = scene.native, scene.bucket("beside")
    never = Gate()
    with Receiver(never) as hole, Receiver() as told:
        hook(native, hole.url, buckets=[bucket], events=["s3:*"])
        hook(native, f"http://127.0.0.1:{closed_port()}/", buckets=[bucket], events=["s3:*"])
        hook(native, told.url, buckets=[bucket], events=["s3:*"], mode="strict")
        positions = [put(native, bucket, f"{number % 7}") for number in range(60)]
        # One after the other: were each to wait for a timeout of 2 s, it would take minutes.
        came = told.wait(60, 15)
        assert [each.position for each in came] == positions, told.told()
        assert hole.deliveries, "the black hole was never asked"
        never.open()


def closed_port():
    with Receiver() as gone:
        return gone.port


@test(settings=STEPS)
def a_dead_endpoint_is_probed_and_not_stormed(scene):
    native, bucket = scene.native, scene.bucket("probed")
    with Receiver() as told:
        port = told.port
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
    with Trap("127.0.0.1", port) as trap:
        put(native, bucket, "first")
        eventually(lambda: trap.touched, "the first attempt")
        for number in range(50):
            put(native, bucket, f"{number}")
        watched_s = 6
        time.sleep(watched_s)
        # A probe per interval: 1 s, then 2 s. Some slack, because an interval may be jittered; 50 keys would make a storm.
        assert 2 <= len(trap.touched) <= 2 + watched_s / (1 * JITTER), trap.touched
    with Receiver(port=port) as told:
        told.wait(51)
        everything(told.accepted(), told_of(feed(native), buckets=[bucket]))
        eventually(lambda: one.delivery()["lag"] == 0, "the cursor at the head")
        assert one.get()["status"] == "active" and "failingSince" not in one.delivery(), one.get()


@test(settings=STEPS)
def a_changed_address_is_used_for_what_waits(scene):
    native, bucket = scene.native, scene.bucket("moved")
    with Receiver(500) as first, Receiver() as second:
        one = hook(native, first.url, buckets=[bucket], events=["s3:*"])
        put(native, bucket, "a")
        first.wait(1, of=lambda: first.deliveries)
        put(native, bucket, "b")
        one.patch(url=second.url)
        second.wait(2)
        everything(second.accepted(), told_of(feed(native), buckets=[bucket]))
