"""History again: replays that leave the live cursor alone, dry runs that send nothing, subscriptions that begin in the past."""

import datetime
import threading
import time

from contract import refused
from hooks import feed, hook, put, remove, told_of
from proof import everything, signed
from receiver import Program, Receiver
from scene import PATIENT, eventually, free_port, test


def filled(scene, what, count=30):
    """A bucket with so many events."""
    bucket = scene.bucket(what)
    for number in range(count):
        put(scene.native, bucket, f"{number % 7}/{number}")
    return bucket


def ended(one, replay, status="done"):
    told = eventually(lambda: (now := one.replayed(replay))["status"] != "running" and now, f"the end of the replay {one.replayed(replay)}", 60)
    assert told["status"] == status, told
    return told


@test(settings=PATIENT)
def a_replay_to_another_address_leaves_the_live_cursor(scene):
    native, bucket = scene.native, scene.bucket("elsewhere")
    with Receiver() as live, Receiver() as other:
        one = hook(native, live.url, buckets=[bucket], events=["s3:*"])
        for number in range(20):
            put(native, bucket, f"{number % 7}")
        live.wait(20)
        # What waits keeps the cursor where it is: whatever moves it now is the replay.
        live.rule = 500
        waits = put(native, bucket, "waits")
        live.wait(1, of=lambda: [each for each in live.deliveries if each.status == 500])
        before = eventually(lambda: (now := one.delivery())["position"] == waits and now, "the cursor at what waits")
        assert before["lag"] > 0, before
        replay = one.replay(**{"from": "earliest", "url": other.url})
        assert replay["status"] in ("running", "done") and replay["url"] == other.url and replay["from"] <= replay["to"] and replay["createdAt"], replay
        told = ended(one, replay)
        assert told["delivered"] == 21 and told["position"] >= told["to"] - 1, told
        after = one.delivery()
        assert after["position"] == before["position"], (before, after)
        events = told_of(feed(native), buckets=[bucket])
        came = other.accepted()
        everything(came, events)
        assert {each.replay for each in came} == {replay["id"]} and all(each.attempt == 1 for each in came), other.told()
        ids = {each.position: each.id for each in live.deliveries}
        for each in came:
            signed(each, one.secret)
            assert each.id == ids[each.position], "a replayed event has the id that it had"
        tried = [each for each in one.deliveries(limit=1000) if each.get("replayId") == replay["id"]]
        assert len(tried) == 21, len(tried)
        live.rule = 200
        live.wait(21)
        everything(live.accepted(), events)
        assert all(each.replay is None for each in live.deliveries)


@test(settings=PATIENT)
def a_replay_keeps_to_its_range_its_filter_and_its_rate(scene):
    native, bucket = scene.native, filled(scene, "range", 40)
    events = told_of(feed(native), buckets=[bucket])
    with Receiver() as live, Receiver() as other:
        one = hook(native, live.url, buckets=[bucket], events=["s3:*"])
        replay = one.replay(**{"from": f"pos:{events[10].position}", "to": f"pos:{events[20].position}", "url": other.url})
        assert ended(one, replay)["delivered"] == 10
        everything(other.accepted(), events[10:20])
        other.deliveries.clear()
        # A filter member replaces the whole filter: the bucket's limit is gone with it.
        replay = one.replay(**{"from": f"pos:{events[0].position}", "to": f"pos:{events[-1].position + 1}", "url": other.url, "prefix": "3/"})
        ended(one, replay)
        everything(other.accepted(), told_of(events, ["*"], prefix="3/"))
        other.deliveries.clear()
        replay = one.replay(**{"from": f"pos:{events[0].position}", "url": other.url, "ratePerSecond": 10})
        assert replay["ratePerSecond"] == 10, replay
        ended(one, replay)
        came = other.accepted()
        # 40 at 10 a second take four seconds; a second's worth may come at once.
        took_s = came[-1].came - came[0].came
        assert len(came) == 40 and took_s > 2.5, took_s
        assert [each["id"] for each in one.replays()][0] == replay["id"] and len(one.replays()) == 3, "newest first"
        # Without an address it goes to the subscription's own.
        replay = one.replay(**{"from": f"pos:{events[-1].position}"})
        ended(one, replay)
        assert [each.replay for each in live.wait(1)] == [replay["id"]]
        for wrong, code in (({}, "invalid_request"), ({"from": "sometime"}, "invalid_request"), ({"from": "pos:x"}, "invalid_request"), ({"from": "pos:99999999"}, "point_in_future"),
                            ({"from": "earliest", "ratePerSecond": 0}, "invalid_request"), ({"from": "earliest", "url": "no address"}, "invalid_request"), ({"from": "earliest", "start": "head"}, "invalid_request")):
            refused(one.ask("POST", "/replay", json=wrong), code)


@test(settings=PATIENT)
def a_cancelled_replay_ends(scene):
    native, bucket = scene.native, filled(scene, "cancelled", 60)
    with Receiver() as live, Receiver() as other:
        one = hook(native, live.url, buckets=[bucket], events=["s3:*"])
        replay = one.replay(**{"from": "earliest", "url": other.url, "ratePerSecond": 10})
        other.wait(5)
        assert one.ask("DELETE", f"/replays/{replay['id']}").status_code == 204
        # One may be under way.
        count = len(other.deliveries)
        time.sleep(1.5)
        assert len(other.deliveries) <= count + 1 < 60, other.told()
        assert one.replayed(replay)["status"] == "cancelled", one.replayed(replay)
        refused(one.ask("DELETE", "/replays/" + "0" * len(replay["id"])), "not_found")
        assert not live.deliveries, "the live receiver was told"


@test(settings=PATIENT, alone=True)
def a_replay_survives_a_kill(scene):
    native, bucket = scene.native, filled(scene, "survives", 80)
    program = Program(scene.folder, free_port(), name="replayed")
    with Receiver() as live:
        one = hook(native, live.url, buckets=[bucket], events=["s3:*"])
        program.secrets = [one.secret]
        program.start()
        try:
            replay = one.replay(**{"from": "earliest", "url": program.url, "ratePerSecond": 25})
            for least in (15, 40):
                eventually(lambda: len(program.read()) >= least, f"{least} deliveries")
                scene.kill()
                scene.start()
                assert len(program.read()) < 80, "too fast to be killed on its way"
            assert ended(one, replay)["delivered"] >= 80
        finally:
            program.kill()
        repeated = everything(program.read(), told_of(feed(native), buckets=[bucket]))
        assert repeated < 80, "it began anew at each start"
        put(native, bucket, "live")
        assert [each.replay for each in live.wait(1)] == [None]


@test(settings=PATIENT)
def a_dry_run_counts_what_a_replay_sends_and_sends_nothing(scene):
    native, bucket = scene.native, filled(scene, "dry", 25)
    remove(native, bucket, "0/0")
    with Receiver() as live:
        one = hook(native, live.url, buckets=[bucket], events=["s3:ObjectCreated:*"], suffix="1")
        told = one.dry_run()
        wanted = told_of(feed(native), ["s3:ObjectCreated:*"], [bucket], suffix="1")
        assert told["matched"] == len(wanted) == 3 and told["scanned"] >= 25 and "next" not in told, told
        assert [each["position"] for each in told["events"]] == [event.position for event in wanted], told
        assert not live.deliveries, "a dry run sent something"
        replay = one.replay(**{"from": "earliest"})
        assert ended(one, replay)["delivered"] == told["matched"]
        came = {each.position: each for each in live.accepted()}
        for each in told["events"]:
            assert each["webhookId"] == came[each["position"]].id and each["payload"] == came[each["position"]].document, each
        few = one.dry_run(limit=1)
        assert few["matched"] == 3 and len(few["events"]) == 1, few
        part = one.dry_run(**{"from": f"pos:{wanted[1].position}", "to": f"pos:{wanted[2].position}"})
        assert part["matched"] == 1 and [each["position"] for each in part["events"]] == [wanted[1].position], part
        # Of a webhook that is not there yet.
        answer = native.call("POST", "/webhooks/dry-run", json={"events": ["s3:ObjectRemoved:*"], "buckets": [bucket], "format": "s3", "from": "-1h"}).json()
        assert answer["matched"] == 1 and "Records" in answer["events"][0]["payload"], answer
        for wrong in ({"from": "sometime"}, {"unknown": 1}, {"events": ["s3:Nothing:*"]}):
            refused(native.ask("POST", "/webhooks/dry-run", json=wrong), "invalid_request")
        assert len(live.deliveries) == 3, live.told()


@test(settings=PATIENT)
def a_subscription_begins_where_it_is_told(scene):
    native, bucket = scene.native, scene.bucket("begins")
    for number in range(10):
        put(native, bucket, f"{number % 3}")
    time.sleep(1.1)
    middle = datetime.datetime.now(datetime.timezone.utc)
    time.sleep(1.1)
    for number in range(10):
        put(native, bucket, f"{number % 3}")
    events = told_of(feed(native), buckets=[bucket])
    with Receiver() as told:
        begins = {"earliest": events, "head": [], f"pos:{events[5].position}": events[5:], f"pos:{events[-1].position}": events[-1:],
                  middle.isoformat().replace("+00:00", "Z"): events[10:], "-1h": events}
        made = {start: hook(native, f"{told.url}{number}", buckets=[bucket], events=["s3:*"], start=start) for number, start in enumerate(begins)}
        last = told_of(feed(native, f"pos:{put(native, bucket, 'last')}"), buckets=[bucket])
        assert len(last) == 1
        told.wait(sum(len(wanted) + 1 for wanted in begins.values()), 30)
        for number, (start, wanted) in enumerate(begins.items()):
            everything([one for one in told.accepted() if one.path == f"/{number}"], wanted + last)
            assert made[start].made["startPosition"] <= (wanted + last)[0].position, made[start].made


@test(settings=PATIENT)
def from_history_to_live_without_a_seam(scene):
    native, bucket = scene.native, filled(scene, "seam", 300)
    ends, written = threading.Event(), []

    def write(number):
        client = scene.root.another_client()
        while not ends.is_set():
            written.append(put(client, bucket, f"live/{number}/{len(written) % 5}"))
    threads = [threading.Thread(target=write, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    with Receiver() as told:
        try:
            eventually(lambda: len(written) > 50, "writing")
            one = hook(native, told.url, buckets=[bucket], events=["s3:*"], start="earliest")
            at = len(written)
            eventually(lambda: len(written) > at + 300, "writing on", 60)
        finally:
            ends.set()
            for thread in threads:
                thread.join(30)
        wanted = told_of(feed(native), buckets=[bucket])
        assert len(wanted) == 300 + len(written) and len(written) > at + 300
        told.wait(len(wanted), 60)
        assert everything(told.deliveries, wanted) == 0, "something came twice"
        eventually(lambda: one.delivery()["lag"] == 0, "the cursor at the head")
