"""How long content of the past is kept: windows of buckets, horizons, snapshots that pin, and what is said of content that is gone."""

import time

import past
from past import SWEPT_AT_ONCE, S3At, pos, position, read, refused, refused_as_gone, said, test

# Longer than what rides along in the log, and what does.
LARGE, SMALL = 30_000, 300


def body_of(scene, what, size):
    return scene.chance(what).randbytes(size - len(what)) + what.encode()


class Kept:
    """A bucket whose keys `large` and `small` were written a few times: by position what they held."""

    def __init__(self, scene, key, window=None, versioning=None, times=3):
        self.key, self.native = key, key.native
        self.bucket = scene.bucket("kept", key, **({"versioning": versioning} if versioning else {}))
        if window is not None:
            past.set_window(self.native, self.bucket, window)
        self.moments = []
        for number in range(times):
            self.write(scene, f"{self.bucket} {number}")

    def write(self, scene, what):
        bodies = {"large": body_of(scene, f"large {what}", LARGE), "small": body_of(scene, f"small {what}", SMALL)}
        for name, body in bodies.items():
            at = position(self.native.call("PUT", self.native.of(self.bucket, "/objects", name), content=body))
        self.moments.append((at, {name: past.digest(body) for name, body in bodies.items()}))
        return at

    def delete(self):
        for name in ("large", "small"):
            at = position(self.native.call("DELETE", self.native.of(self.bucket, "/objects", name)))
        return at

    def shown(self, number, point=None):
        """Both are read as they were at that moment, byte for byte, by both doors."""
        at, bodies = self.moments[number]
        for name, expected in bodies.items():
            for door in ("s3", "native"):
                got = read(self.key, self.bucket, name, point=point or pos(at), door=door)
                assert got and got.digest == expected, f"{name} of {self.bucket} as of {point or at} by {door}: {got}"

    def gone(self, number):
        at, told = self.moments[number][0], None
        for name in ("large", "small"):
            told = refused_as_gone(self.key, self.bucket, name, pos(at))
        return told


def listed_or_gone(key, bucket, point, expected):
    """The names of a moment whose content is gone: they are in the log still, and shown, or the moment is refused. Never others."""
    try:
        got = past.listing(key, bucket, point)
    except past.botocore.exceptions.ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 410 and error.response["Error"]["Code"] == "BeforeHorizon", error
        return "refused"
    assert [one.key for one in got[0]] == expected, f"{bucket} as of {point} lists {got}"
    return "listed"


@test
def a_bucket_has_the_window_that_it_was_given_or_the_default(scene):
    key = scene.tenant("window")
    native, bucket = key.native, scene.bucket("window", key)
    assert past.window(native, bucket)["window"] == "7d", past.window(native, bucket)
    for wanted in ("12h", "0", "forever", "30d", "7d"):
        assert past.set_window(native, bucket, wanted)["window"] == wanted
        told = past.window(native, bucket)
        assert told["window"] == wanted and "horizon" in told, told
        if told["horizon"] is not None:
            assert isinstance(told["horizon"]["position"], int) and past.moment(told["horizon"]["time"]), told
    past.set_window(native, bucket, "12h")
    for document in ({}, [], {"window": None}, {"window": 7}, {"window": ""}, {"window": "7"}, {"window": "-1d"}, {"window": "7y"}, {"window": "always"}, {"window": "1d 2h"}, {"window": "9" * 30 + "d"}, {"window": "7d", "unknown": 1}):
        refused(native.ask("PUT", native.of(bucket, "/history"), json=document), "invalid_request")
    assert past.window(native, bucket)["window"] == "12h", "a window that was refused is in force"
    answer = native.ask("DELETE", native.of(bucket, "/history"))
    assert answer.status_code in (200, 204), answer.text
    assert past.window(native, bucket)["window"] == "7d"
    for method, rest in (("GET", {}), ("PUT", {"json": {"window": "1d"}}), ("DELETE", {})):
        refused(native.ask(method, native.of("never-there", "/history"), **rest), "not_found")
    reader = scene.key("op=read,op=write,op=delete", key.tenant).native
    refused(reader.ask("PUT", reader.of(bucket, "/history"), json={"window": "0"}), "forbidden")
    refused(reader.ask("DELETE", reader.of(bucket, "/history")), "forbidden")
    scene.kill()
    scene.start()
    past.set_window(native, bucket, "30d")
    assert past.window(native, bucket)["window"] == "30d"


@test(settings=SWEPT_AT_ONCE)
def a_new_bucket_keeps_everything_for_seven_days(scene):
    kept = Kept(scene, scene.tenant("default"), times=4)
    kept.delete()
    past.sweep(scene)
    for number in range(4):
        kept.shown(number)


@test(settings=SWEPT_AT_ONCE)
def each_bucket_has_a_window_of_its_own(scene):
    key = scene.tenant("own")
    for versioning in (None, "suspended"):
        none, ever, usual = (Kept(scene, key, window, versioning) for window in ("0", "forever", None))
        for bucket in (none, ever, usual):
            bucket.delete()
        freed = past.sweep(scene)
        for number in range(3):
            none.gone(number)
            ever.shown(number)
            usual.shown(number)
        assert freed >= 3 * LARGE, f"a sweep freed {freed} bytes of three objects of {LARGE}"
    # Before the end of the past there were names, which the log still has.
    told = listed_or_gone(key, none.bucket, pos(none.moments[0][0]), ["large", "small"])
    events = past.events_of_key(key.native, none.bucket, "large")
    assert len(events) == 4, f"the history of a key lost events with its content: {events}"
    said(f"the names of a moment whose content is gone are {told}")


@test(settings=SWEPT_AT_ONCE)
def what_is_current_is_never_before_the_horizon_now(scene):
    kept = Kept(scene, scene.tenant("current"), "0")
    past.sweep(scene)
    kept.shown(2, "head")
    assert read(kept.key, kept.bucket, "large").digest == kept.moments[2][1]["large"]
    kept.gone(0)
    kept.gone(1)


@test(settings=SWEPT_AT_ONCE)
def content_that_is_gone_says_when_the_past_begins_and_what_removed_it(scene):
    kept = Kept(scene, scene.tenant("said"), "0")
    end = kept.delete()
    past.sweep(scene)
    horizon = past.window(kept.native, kept.bucket)["horizon"]
    assert horizon and kept.moments[2][0] < horizon["position"], f"the horizon {horizon} is not after what is gone at {kept.moments[2][0]}"
    for number in range(3):
        told = kept.gone(number)
        assert past.earliest_told(told) > kept.moments[number][0], f"the earliest point that {told} names is one that is gone"
        # The event that removed it: its position, among what the answer tells beside the earliest point.
        removed = told.get("removedBy", told.get("event"))
        assert removed is not None or any(word in told["message"] for word in ("removed", "sweep", "swept", "window", "freed", "horizon")), f"410 names no event: {told}"
    # The point that is named can be asked for.
    at = past.earliest_told(kept.gone(0))
    for door in ("s3", "native"):
        assert read(kept.key, kept.bucket, "large", point=pos(max(at, end)), door=door) is None
    looked = past.ask(kept.native, "HEAD", kept.native.of(kept.bucket, "/objects", "large"), pos(kept.moments[0][0]))
    assert looked.status_code in (200, 410), looked
    past.s3_refuses("BeforeHorizon", 410, S3At(kept.key, pos(kept.moments[0][0])).get_object, Bucket=kept.bucket, Key="large", Range="bytes=0-9")


@test(settings=SWEPT_AT_ONCE)
def snapshots_pin_content_until_they_are_deleted(scene):
    key = scene.tenant("pinned")
    kept = Kept(scene, key, "0", times=1)
    native, bucket = kept.native, kept.bucket
    now = past.snapshot(native, bucket, "of-now")
    kept.write(scene, f"{bucket} second")
    second = past.snapshot(native, bucket, "second", pos(kept.moments[1][0]))
    assert second["position"] == kept.moments[1][0] and now["position"] >= kept.moments[0][0], (now, second)
    for number in range(2, 5):
        kept.write(scene, f"{bucket} {number} later")
        past.sweep(scene)
    kept.delete()
    past.sweep(scene)
    kept.shown(0, "snap:of-now")
    kept.shown(1, "snap:second")
    kept.shown(1, pos(second["position"]))
    for number in range(2, 5):
        kept.gone(number)
    # Restored from, it is what it was: no content is needed but the pinned one.
    past.restore(native, bucket, "snap:second")
    assert {name: read(key, bucket, name).digest for name in ("large", "small")} == kept.moments[1][1]
    kept.delete()
    past.delete_snapshot(native, bucket, "of-now")
    past.sweep(scene)
    kept.gone(0)
    kept.shown(1, "snap:second")
    past.delete_snapshot(native, bucket, "second")
    past.sweep(scene)
    kept.gone(1)
    for answer in (past.ask(native, "GET", native.of(bucket, "/objects", "large"), "snap:second"), native.ask("GET", native.of(bucket, "/snapshots/second"))):
        assert answer.status_code in (400, 404), answer.text
    # What is gone is not pinned any more.
    answer = native.ask("PUT", native.of(bucket, "/snapshots/too-late"), json={"point": pos(kept.moments[0][0])})
    refused(answer, "before_horizon")
    assert past.snapshots(native, bucket) == [], "there are snapshots that nobody made, or that were deleted"


@test
def snapshots_are_made_shown_listed_and_deleted(scene):
    key = scene.tenant("snapshots")
    kept = Kept(scene, key)
    native, bucket, (first, second, third) = kept.native, kept.bucket, (at for at, _ in kept.moments)
    assert past.snapshots(native, bucket) == [], "there are snapshots that nobody made, or that were deleted"
    made = {name: past.snapshot(native, bucket, name, point) for name, point in (("b", pos(first)), ("a.second", pos(second)), ("c-now", None))}
    assert made["b"]["position"] == first and made["a.second"]["position"] == second and made["c-now"]["position"] >= third
    assert past.moment(made["b"]["time"]) <= past.moment(made["a.second"]["time"]) <= past.moment(made["c-now"]["createdAt"])
    listed = {one["name"]: one for one in past.snapshots(native, bucket)}
    for name, told in made.items():
        shown = native.call("GET", native.of(bucket, f"/snapshots/{name}")).json()
        assert {field: shown[field] for field in told} == told and {field: listed[name][field] for field in told} == told, (shown, listed[name], told)
    # Again: the same is the same, another is refused.
    assert past.snapshot(native, bucket, "b", pos(first), 200)["position"] == first
    answer = native.ask("PUT", native.of(bucket, "/snapshots/b"), json={"point": pos(second)})
    assert answer.status_code == 409, answer.text
    kept.shown(0, "snap:b")
    for name in ("", "a/b", "..", "x" * 300, "a%00b"):
        answer = native.ask("PUT", native.of(bucket, f"/snapshots/{past.escape(name)}"), json={})
        assert 400 <= answer.status_code < 500, f"a snapshot named {name[:9]!r} answered {answer.status_code}"
    for document, code in (({"point": pos(10**9)}, "point_in_future"), ({"point": "sometime"}, "invalid_request"), ({"point": 7}, "invalid_request"), ({"unknown": 1}, "invalid_request")):
        refused(native.ask("PUT", native.of(bucket, "/snapshots/wrong"), json=document), code)
    assert sorted(one["name"] for one in past.snapshots(native, bucket)) == sorted(made)
    for method, rest in (("GET", {}), ("DELETE", {}), ("PUT", {"json": {}})):
        refused(native.ask(method, native.of("never-there", "/snapshots/b"), **rest), "not_found")
    refused(native.ask("GET", native.of(bucket, "/snapshots/never")), "not_found")
    # Of each bucket its own.
    other = Kept(scene, key, times=1)
    past.snapshot(native, other.bucket, "b")
    past.delete_snapshot(native, bucket, "b")
    kept.shown(0)
    assert [one["name"] for one in past.snapshots(native, other.bucket)] == ["b"]
    assert native.ask("DELETE", native.of(bucket, "/snapshots/b")).status_code in (204, 404)


@test(settings=SWEPT_AT_ONCE)
def a_window_that_is_narrowed_lets_go_and_widened_brings_nothing_back(scene):
    kept = Kept(scene, scene.tenant("narrowed"), "forever")
    kept.delete()
    past.sweep(scene)
    for number in range(3):
        kept.shown(number)
    past.set_window(kept.native, kept.bucket, "0")
    past.sweep(scene)
    for number in range(3):
        kept.gone(number)
    past.set_window(kept.native, kept.bucket, "forever")
    kept.write(scene, "after")
    kept.delete()
    past.sweep(scene)
    for number in range(3):
        kept.gone(number)
    kept.shown(3)
    # And a restart changes nothing of it.
    scene.kill()
    scene.start()
    past.sweep(scene)
    kept.gone(2)
    kept.shown(3)


@test(settings=SWEPT_AT_ONCE)
def a_window_of_seconds_moves_on_by_itself(scene):
    kept = Kept(scene, scene.tenant("moves"), "8s", times=1)
    began = time.monotonic()
    kept.write(scene, "moving")
    kept.delete()
    past.sweep(scene)
    kept.shown(0)
    kept.shown(1)
    assert time.monotonic() - began < 7, "this machine is too slow for the test"
    time.sleep(9)
    past.sweep(scene)
    kept.gone(0)
    kept.gone(1)


@test(settings=SWEPT_AT_ONCE)
def equal_bytes_are_kept_for_whoever_still_shows_them(scene):
    """Content is shared within a tenant: what one bucket lets go another may show."""
    key = scene.tenant("equal")
    native, shared = key.native, body_of(scene, "shared", LARGE)
    buckets = {window: scene.bucket("equal", key) for window in ("0", "forever", "7d", "0 too")}
    moments = {}
    for window, bucket in buckets.items():
        past.set_window(native, bucket, window.split()[0])
        moments[window] = position(native.call("PUT", native.of(bucket, "/objects", "k"), content=shared))
        native.delete(bucket, "k")
    past.sweep(scene)
    for window, bucket in buckets.items():
        if window.startswith("0"):
            refused_as_gone(key, bucket, "k", pos(moments[window]))
        else:
            assert read(key, bucket, "k", point=pos(moments[window])).digest == past.digest(shared), f"{window}: another bucket's window took the bytes"
    # The last that shows them lets them go.
    for window in ("forever", "7d"):
        past.set_window(native, buckets[window], "0")
    freed = past.sweep(scene)
    assert freed >= LARGE, f"the bytes that nobody shows are kept: {freed} freed"
    for window, bucket in buckets.items():
        refused_as_gone(key, bucket, "k", pos(moments[window]))
    native.put(buckets["0"], "again", shared)
    assert read(key, buckets["0"], "again").digest == past.digest(shared)


@test(settings=SWEPT_AT_ONCE)
def locked_versions_stay_whatever_the_window(scene):
    key = scene.tenant("locked")
    native, bucket = key.native, scene.bucket("locked", key, objectLockEnabled=True)
    past.set_window(native, bucket, "0")
    bodies = {name: body_of(scene, name, LARGE) for name in ("retained", "held", "free")}
    stored = {name: native.call("PUT", native.of(bucket, "/objects", name), content=body) for name, body in bodies.items()}
    made = {name: answer.json()["versionId"] for name, answer in stored.items()}
    native.retain(bucket, "retained", "GOVERNANCE", past.stamp(past.in_days(3)))
    native.hold(bucket, "held", "ON")
    for name in bodies:
        native.delete(bucket, name)
    past.sweep(scene)
    # Versions behind a marker are no past: all are there.
    for name, body in bodies.items():
        assert read(key, bucket, name, made[name]).digest == past.digest(body), f"{name} went with the window"
    native.delete(bucket, "free", versionId=made["free"])
    past.sweep(scene)
    for name in ("retained", "held"):
        assert read(key, bucket, name, made[name]).digest == past.digest(bodies[name]), f"{name} went with the window"
    refused_as_gone(key, bucket, "free", pos(position(stored["free"])))


@test(settings=SWEPT_AT_ONCE)
def restoring_to_before_the_horizon_is_refused_and_changes_nothing(scene):
    kept = Kept(scene, scene.tenant("restored"), "0")
    native, bucket = kept.native, kept.bucket
    native.put(bucket, "other", b"stays")
    past.sweep(scene)
    before = past.listing(kept.key, bucket)
    for document in ({"point": pos(kept.moments[0][0])}, {"point": pos(kept.moments[0][0]), "dryRun": True}):
        answer = native.ask("POST", native.of(bucket, "/restore"), json=document)
        if answer.status_code == 202:
            # Or each key says why it stays.
            ended = past.eventually(lambda: (told := past.Begun(answer).look(native))["status"] != "running" and told, "the end of the task")
            assert past.count(ended["refused"]) == 2 and not ended["restored"], ended
        elif answer.status_code == 200:
            assert sorted(one["key"] for one in answer.json()["refused"]) == ["large", "small"], answer.text
        else:
            refused(answer, "before_horizon")
        after = past.listing(kept.key, bucket)
        assert {one for one in after[0] if one.key != "other"} == {one for one in before[0] if one.key != "other"}, f"{document} changed {before} into {after}"
    answer = native.ask("POST", "/buckets", json={"name": f"{bucket}-view", "viewOf": {"bucket": bucket, "point": pos(kept.moments[0][0])}})
    refused(answer, "before_horizon")
