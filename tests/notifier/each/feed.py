"""The change feed: every position, filters, following it over restarts, and who may read it."""

import re
import threading

import httpx

import proof
from contract import refused
from hooks import Following, feed, page, put, remove, tag, told_of
from scene import PATIENT, test

FRAME = re.compile(r"(\d+)-(\d+)")


@test(settings=PATIENT)
def pages_are_without_gaps_whatever_their_size(scene):
    key = scene.tenant("pages")
    native, bucket = key.native, scene.bucket("pages", key)
    positions = [put(native, bucket, f"{number}") for number in range(30)]
    everything = feed(native)
    proof.dense(everything)
    assert {event.position for event in everything} >= set(positions)
    for limit in (1, 7, 1000):
        assert feed(native, limit=limit) == everything
    told = page(native)
    # The head is where the next event will be.
    head = everything[-1].position + 1
    assert told["head"] == head and told["next"] == f"pos:{head}" and feed(native, f"pos:{head}") == [], told
    assert len(page(native, limit=3)["events"]) == 3
    assert feed(native, f"pos:{positions[10]}") == [event for event in everything if event.position >= positions[10]]
    assert feed(native, "-1h") == everything and feed(native, "head") == []
    for wrong, code in (({"from": "sometime"}, "invalid_request"), ({"limit": 0}, "invalid_request"), ({"limit": "x"}, "invalid_request"),
                        ({"from": f"pos:{head + 1}"}, "point_in_future"), ({"type": "s3:Nothing:*"}, "invalid_request")):
        refused(native.ask("GET", "/events", params=wrong), code)
    assert len(page(native, limit=1001)["events"]) == len(everything), "a page of a thousand, not a refusal"
    later = put(native, bucket, "later")
    assert [event.position for event in feed(native, told["next"])] == [later], "reading on finds what came since"


@test(settings=PATIENT)
def filters_of_the_feed(scene):
    native, first, second = scene.native, scene.bucket("feed"), scene.bucket("feed")
    for bucket in (first, second):
        for key in ("in/a", "in/b", "out/a"):
            put(native, bucket, key)
        tag(native, bucket, "in/a", colour="blue")
        remove(native, bucket, "in/b")
    everything = feed(native)
    assert feed(native, bucket=first) == [event for event in everything if event.bucket == first] != []
    assert feed(native, bucket=[first, second]) == [event for event in everything if event.bucket in (first, second)]
    assert feed(native, bucket=first, type="s3:ObjectCreated:*") == told_of(everything, ["s3:ObjectCreated:*"], [first]) and len(feed(native, bucket=first, type="s3:ObjectCreated:*")) == 3
    assert len(feed(native, bucket=first, type=["s3:ObjectTagging:Put", "s3:ObjectRemoved:*"])) == 2
    assert feed(native, prefix="in/", bucket=second) == told_of(everything, ["*"], [second], prefix="in/")
    # With a filter too, small pages come to the end.
    assert feed(native, bucket=first, limit=1) == [event for event in everything if event.bucket == first]
    assert feed(native, bucket="never-there", limit=1) == []


@test(settings=PATIENT, alone=True)
def following_goes_on_behind_the_last_event_after_a_restart(scene):
    native, bucket = scene.native, scene.bucket("followed")
    positions = [put(native, bucket, f"{number}") for number in range(5)]
    with Following(native, bucket=bucket, type="s3:*", **{"from": "earliest"}) as following:
        assert following.answer.status_code == 200 and following.answer.headers["content-type"].startswith("text/event-stream"), following.answer.headers
        seen = following.take(5)
        positions += [put(native, bucket, "live")]
        seen += following.take(1)
        scene.kill()
        try:
            following.take(1, 10)
        except (httpx.TransportError, StopIteration):
            pass
        else:
            raise AssertionError("an event of nobody")
    scene.start()
    positions += [put(native, bucket, f"{number}") for number in range(5)]
    with Following(native, last=seen[-1][0], bucket=bucket, type="s3:*") as following:
        seen += following.take(5)
    for name, kind, event in seen:
        assert FRAME.fullmatch(name) and int(FRAME.fullmatch(name).group(2)) == event.position and kind == event.type, (name, kind, event)
    assert [event.position for _, _, event in seen] == positions and len({FRAME.fullmatch(name).group(1) for name, _, _ in seen}) == 1
    assert [event for _, _, event in seen] == told_of(feed(native), buckets=[bucket])


@test(settings=PATIENT)
def following_begins_at_the_head_and_tells_at_once(scene):
    native, bucket = scene.native, scene.bucket("head")
    put(native, bucket, "before")
    with Following(native, follow="true") as following:
        writer = threading.Timer(0.5, lambda: [put(scene.root.another_client(), bucket, f"{number}") for number in range(3)])
        writer.start()
        seen = [event for _, _, event in following.take(3)]
        writer.join()
    assert [event.key for event in seen] == ["0", "1", "2"] and seen == feed(native, f"pos:{seen[0].position}")[:3], seen


@test(settings=PATIENT)
def who_may_not_administer_may_not_read_it(scene):
    bucket = scene.bucket("guarded")
    put(scene.native, bucket, "key")
    weak = scene.key("op=read,op=write,op=delete").native
    refused(weak.ask("GET", "/events"), "forbidden")
    refused(weak.ask("GET", "/events", headers={"Accept": "text/event-stream"}), "forbidden")
    # Whoever administers one bucket names it.
    scoped = scene.key(f"op=admin:bucket={bucket}").native
    refused(scoped.ask("GET", "/events"), "forbidden")
    assert feed(scoped, bucket=bucket) == feed(scene.native, bucket=bucket) != []
    refused(scoped.ask("GET", "/events", params={"bucket": [bucket, "demo"]}), "forbidden")
    other = scene.tenant("stranger").native
    seen = feed(other)
    assert seen, "a tenant's own feed begins with its keys"
    proof.dense(seen)
    assert not [event for event in seen if event.bucket], seen
    assert feed(other, bucket=bucket) == []
    assert scene.http.get(scene.endpoint + "/api/v1/events").status_code == 401
