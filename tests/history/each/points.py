"""Every form of a point at both doors, what answers say of the moment, what is refused, who may ask."""

import datetime
import json
import time
import urllib.parse

import past
import wire
from past import S3At, call, echo, pos, position, refused, request_id, s3_refuses, said, stamp, test

WAYS = ("header", "query")


class Told:
    """A bucket whose key `k` was written three times, with what names each moment."""

    def __init__(self, scene, versioning="enabled"):
        self.key = scene.tenant("points")
        self.native = self.key.native
        self.bucket = scene.bucket("points", self.key, **({"versioning": versioning} if versioning else {}))
        self.writes, self.times = [], []
        for body in (b"one", b"two", b"three"):
            self.writes.append(self.native.call("PUT", self.native.of(self.bucket, "/objects", "k"), content=body))
            # Times of the log are finer than this, and never the same on both sides of it.
            time.sleep(0.02)
            self.times.append(datetime.datetime.now(datetime.timezone.utc))
            time.sleep(0.02)
        self.positions = [position(answer) for answer in self.writes]

    def check(self, point, body, at=None):
        """Both doors and both ways show this body: the position that they echo."""
        echoes = set()
        for way in WAYS:
            got = call(self.native, "GET", self.native.of(self.bucket, "/objects", "k"), point, way)
            assert got.content == body, f"{point} by {way} shows {got.content!r} instead of {body!r}"
            told = S3At(self.key, point, way).get_object(Bucket=self.bucket, Key="k")
            shown = told["Body"].read()
            assert shown == body, f"{point} by {way} of S3 shows {shown!r} instead of {body!r}"
            echoes |= {echo(got).position, echo(told).position}
        if at is not None:
            assert echoes == {at}, f"{point} is said to be {echoes} instead of {at}"
        return max(echoes)


@test
def a_position_shows_the_write_that_was_answered_with_it(scene):
    there = Told(scene)
    for at, body in zip(there.positions, (b"one", b"two", b"three")):
        there.check(pos(at), body, at)
    # Before the first write there was a bucket, and no object.
    assert past.read(there.key, there.bucket, "k", point=pos(there.positions[0] - 1)) is None


@test
def a_time_is_the_greatest_position_that_is_not_later(scene):
    there = Told(scene)
    for moment, at, body in zip(there.times, there.positions, (b"one", b"two", b"three")):
        spelled = moment.isoformat(timespec="microseconds")
        east = moment.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
        for point in (spelled.replace("+00:00", "Z"), spelled, east.isoformat(timespec="microseconds")):
            there.check(point, body, at)
    # The time of an event is not later than the event.
    told = echo(call(there.native, "GET", there.native.of(there.bucket, "/objects", "k"), pos(there.positions[1])))
    moment = past.moment(told.time) + datetime.timedelta(milliseconds=2)
    there.check(moment.isoformat(), b"two", there.positions[1])
    assert abs((moment - there.times[1]).total_seconds()) < 10, f"{told.time} was not when the write came, {there.times[1]}"


@test
def so_long_ago(scene):
    there = Told(scene)
    time.sleep(5)
    began = time.monotonic()
    there.native.put(there.bucket, "k", b"young")
    there.check("-3s", b"three")
    assert time.monotonic() - began < 3, "this machine is too slow for the test"
    there.check("-0s", b"young")
    # Before everything: the bucket was not there.
    s3_refuses("NoSuchBucket", 404, S3At(there.key, "-7d").get_object, Bucket=there.bucket, Key="k")
    refused(past.ask(there.native, "GET", there.native.of(there.bucket, "/objects", "k"), "-2h"), "not_found")


@test
def head_and_earliest(scene):
    there = Told(scene)
    at = there.check("head", b"three")
    assert at >= there.positions[-1], f"head is {at}, before the last write at {there.positions[-1]}"
    s3_refuses("NoSuchBucket", 404, S3At(there.key, "earliest").list_objects_v2, Bucket=there.bucket)
    refused(past.ask(there.native, "GET", there.native.of(there.bucket, "/objects"), "earliest"), "not_found")


@test
def before_a_request_or_a_version(scene):
    there = Told(scene)
    for number, body in ((1, b"one"), (2, b"two")):
        there.check(f"before:{request_id(there.writes[number])}", body)
        there.check(f"before:{there.writes[number].json()['versionId']}", body)
    # By S3 too, whose ids of requests are written otherwise.
    put = there.key.s3.put_object(Bucket=there.bucket, Key="k", Body=b"four")
    there.check(f"before:{request_id(put)}", b"three")
    there.check(f"before:{put['VersionId']}", b"three")
    gone = there.native.call("DELETE", there.native.of(there.bucket, "/objects", "k"))
    there.check(f"before:{request_id(gone)}", b"four")
    batch = there.native.call("POST", there.native.of(there.bucket, "/objects:batchDelete"), json={"objects": [{"key": f"k{number}"} for number in range(3)]})
    assert past.read(there.key, there.bucket, "k", point=f"before:{request_id(batch)}") is None, "the delete marker was there before the batch"
    for unknown in ("before:req_01ARZ3NDEKTSV4RRFFQ69G5FAV", f"before:{there.writes[0].json()['versionId'][:-1]}"):
        for way in WAYS:
            answer = past.ask(there.native, "GET", there.native.of(there.bucket, "/objects", "k"), unknown, way)
            assert answer.status_code in (400, 404), f"{unknown} by {way} answered {answer.status_code} {answer.text[:200]}"


@test
def before_another_tenants_request_is_no_point(scene):
    there, other = Told(scene), Told(scene)
    # A version id says a place in a log: the same place of one's own log may have made a version too.
    for point in (f"before:{request_id(other.writes[2])}",):
        answer = past.ask(there.native, "GET", there.native.of(there.bucket, "/objects", "k"), point)
        assert answer.status_code in (400, 404), f"another tenant's {point} answered {answer.status_code} {answer.content[:200]!r}"


@test
def a_snapshot_is_a_point(scene):
    there = Told(scene)
    for number, body in ((0, b"one"), (1, b"two")):
        told = past.snapshot(there.native, there.bucket, f"after-{number}", pos(there.positions[number]))
        assert told["position"] == there.positions[number], told
        there.check(f"snap:after-{number}", body, there.positions[number])
    answer = past.ask(there.native, "GET", there.native.of(there.bucket, "/objects", "k"), "snap:never-made")
    assert answer.status_code in (400, 404), f"{answer.status_code} {answer.text}"


@test
def a_point_in_the_future_is_refused_and_a_malformed_one(scene):
    there = Told(scene)
    tomorrow = stamp(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1))
    reads = (("GET", "/objects", "k"), ("HEAD", "/objects", "k"), ("GET", "/objects", None), ("GET", "/versions", None), ("GET", "/object-tags", "k"))
    s3_reads = (("get_object", "k"), ("head_object", "k"), ("list_objects", None), ("list_objects_v2", None), ("list_object_versions", None), ("get_object_tagging", "k"),
                ("get_bucket_versioning", None), ("get_bucket_policy", None), ("get_bucket_tagging", None))
    for points, code, s3_code in (((pos(there.positions[-1] + 1_000), pos(2**64 - 1), tomorrow), "point_in_future", "PointInFuture"),
                                  (("sometime", "pos:", "pos:-1", "pos:1.5", "pos:+1", "-2", "-h", "-2y", "2026-01-01", "2026-13-01T00:00:00Z", "snap:", "before:", "", "pos:1,pos:2"),
                                   "invalid_request", "InvalidArgument")):
        for point in points:
            for way in WAYS:
                for method, kind, key in reads[:1] if point != points[0] else reads:
                    refused(past.ask(there.native, method, there.native.of(there.bucket, kind, key), point, way), code)
                for name, key in s3_reads[:1] if point != points[0] else s3_reads:
                    s3_refuses(s3_code, 400, getattr(S3At(there.key, point, way), name), Bucket=there.bucket, **({"Key": key} if key else {}))


@test
def two_points_in_one_request_are_refused_unless_they_are_the_same(scene):
    there = Told(scene)
    path = there.native.of(there.bucket, "/objects", "k")
    one, other = pos(there.positions[0]), pos(there.positions[1])
    refused(there.native.ask("GET", path, headers={"X-Holdfast-As-Of": one}, params={"as-of": other}), "invalid_request")
    refused(there.native.ask("GET", path, params=[("as-of", one), ("as-of", other)]), "invalid_request")


@test
def writes_as_of_a_point_are_refused_and_change_nothing(scene):
    there = Told(scene)
    key, native, bucket, point = there.key, there.native, there.bucket, pos(there.positions[0])
    before, head = past.versions(key, bucket), there.check("head", b"three")
    for way in WAYS:
        for method, kind, name, rest in (("PUT", "/objects", "k", {"content": b"x"}), ("PUT", "/objects", "new", {"content": b"x"}), ("DELETE", "/objects", "k", {}),
                                         ("PUT", "/object-tags", "k", {"json": {"tags": {"a": "b"}}}), ("DELETE", "/object-tags", "k", {}), ("POST", "/multipart", "k", {}),
                                         ("POST", "/objects:batchDelete", None, {"json": {"keys": ["k"]}}), ("PUT", "/versioning", None, {"json": {"status": "suspended"}}),
                                         ("POST", "/object-copy", "copied", {"json": {"sourceBucket": bucket, "sourceKey": "k"}}), ("DELETE", "", None, {})):
            refused(past.ask(native, method, native.of(bucket, kind, name), point, way, **rest), "invalid_request")
        at = S3At(key, point, way)
        for ask, arguments in ((at.put_object, {"Key": "k", "Body": b"x"}), (at.delete_object, {"Key": "k"}), (at.delete_objects, {"Delete": {"Objects": [{"Key": "k"}]}}),
                               (at.copy_object, {"Key": "copied", "CopySource": {"Bucket": bucket, "Key": "k"}}), (at.create_multipart_upload, {"Key": "k"}),
                               (at.put_object_tagging, {"Key": "k", "Tagging": {"TagSet": []}}), (at.put_bucket_versioning, {"VersioningConfiguration": {"Status": "Suspended"}}),
                               (at.put_bucket_policy, {"Policy": "{}"}), (at.delete_bucket, {})):
            # Which of the two codes is ours to choose.
            s3_refuses(("InvalidArgument", "InvalidRequest"), 400, ask, Bucket=bucket, **arguments)
    assert past.versions(key, bucket) == before and native.versioning(bucket)["status"] == "enabled", "a refused write changed something"
    assert there.check("head", b"three") == head, "a refused write is in the log"


@test
def the_settings_of_a_bucket_as_they_were(scene):
    key = scene.tenant("settings")
    native, s3, bucket = key.native, key.s3, scene.bucket("settings", key)
    moments = [position(native.call("PUT", native.of(bucket, "/objects", "k"), content=b"x"))]
    policies = [json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/{name}/*"}]}) for name in "ab"]
    for number, policy in enumerate(policies):
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
        s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "number", "Value": str(number)}]})
        moments.append(position(s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": ("Enabled", "Suspended")[number]})))
    s3.delete_bucket_policy(Bucket=bucket)
    moments.append(position(s3.delete_bucket_tagging(Bucket=bucket)))
    for way in WAYS:
        for at, number, status in zip(moments, (None, 0, 1, None), (None, "Enabled", "Suspended", "Suspended")):
            then = S3At(key, pos(at), way)
            told = then.get_bucket_versioning(Bucket=bucket)
            assert told.get("Status") == status and echo(told).position == at, f"as of {at}: {told} instead of {status}"
            if number is None:
                s3_refuses("NoSuchBucketPolicy", 404, then.get_bucket_policy, Bucket=bucket)
                s3_refuses("NoSuchTagSet", 404, then.get_bucket_tagging, Bucket=bucket)
            else:
                assert json.loads(then.get_bucket_policy(Bucket=bucket)["Policy"]) == json.loads(policies[number]), f"another policy as of {at}"
                assert then.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "number", "Value": str(number)}], f"other tags as of {at}"


@test
def tags_retention_and_holds_as_they_were(scene):
    key = scene.tenant("locks")
    native, s3, bucket = key.native, key.s3, scene.bucket("locks", key, objectLockEnabled=True)
    version = native.put(bucket, "k", b"x")["versionId"]
    states, first, later = [], past.in_days(5), past.in_days(9)
    for tags, until, hold in (({"z": "0"}, None, "OFF"), ({"a": "1"}, first, "OFF"), ({"b": "2"}, later, "ON"), ({}, later, "OFF")):
        if until and (not states or states[-1][2] != until):
            native.retain(bucket, "k", "GOVERNANCE", stamp(until))
        native.set_tags(bucket, "k", tags)
        at = position(native.call("PUT", native.of(bucket, "/object-legal-hold", "k"), json={"status": hold}))
        states.append((at, tags, until, hold))
    last = position(s3.put_object_retention(Bucket=bucket, Key="k", BypassGovernanceRetention=True, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": past.in_days(1)}))
    s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    states.append((last, {}, past.in_days(1), "OFF"))
    for at, tags, until, hold in states:
        for way in WAYS:
            then = S3At(key, pos(at), way)
            for door in ("s3", "native"):
                assert past.tags(key, bucket, "k", version, pos(at), door, way) == tuple(sorted(tags.items())), f"other tags as of {at} by {door}"
            assert then.get_object_legal_hold(Bucket=bucket, Key="k", VersionId=version)["LegalHold"]["Status"] == hold, f"another hold as of {at}"
            assert call(native, "GET", native.of(bucket, "/object-legal-hold", "k"), pos(at), way).json()["status"] == hold
            looked = past.ask(native, "GET", native.of(bucket, "/object-retention", "k"), pos(at), way)
            if until is None:
                refused(looked, "not_found")
                s3_refuses("NoSuchObjectLockConfiguration", 404, then.get_object_retention, Bucket=bucket, Key="k", VersionId=version)
            else:
                told = then.get_object_retention(Bucket=bucket, Key="k", VersionId=version)["Retention"]
                # The last of them was counted from another second.
                assert told["Mode"] == "GOVERNANCE" and abs((told["RetainUntilDate"] - until).total_seconds()) < 60, f"{told} instead of {until} as of {at}"
                assert abs((past.moment(looked.json()["retainUntil"]) - until).total_seconds()) < 60, looked.text
    s3_refuses("NoSuchVersion", 404, s3.get_object_retention, Bucket=bucket, Key="k", VersionId=version)


@test
def ranges_and_conditions_are_about_the_moment(scene):
    there = Told(scene)
    path, point = there.native.of(there.bucket, "/objects", "k"), pos(there.positions[1])
    tags = [answer.json()["etag"] for answer in there.writes]
    assert call(there.native, "GET", path, point, headers={"Range": "bytes=1-"}).content == b"wo", "a range is of another moment"
    assert past.ask(there.native, "GET", path, point, headers={"If-None-Match": tags[1]}).status_code == 304, "what was there then is what the client has"
    assert past.ask(there.native, "GET", path, point, headers={"If-None-Match": tags[2]}).status_code == 200, "a condition is compared with today"
    refused(past.ask(there.native, "GET", path, point, headers={"If-Match": tags[2]}), "precondition_failed")
    assert S3At(there.key, point).get_object(Bucket=there.bucket, Key="k", Range="bytes=0-0")["Body"].read() == b"t", "S3's range is of another moment"


@test
def a_deleted_bucket_is_read_as_it_was_and_one_made_again_is_another(scene):
    key = scene.tenant("again")
    native, bucket = key.native, scene.name("again")
    native.create_bucket(bucket)
    first = position(native.call("PUT", native.of(bucket, "/objects", "k"), content=b"first"))
    native.delete(bucket, "k")
    between = position(native.call("DELETE", native.of(bucket)))
    native.create_bucket(bucket)
    native.put(bucket, "k", b"second")
    s3_refuses("NoSuchBucket", 404, S3At(key, pos(between)).list_objects_v2, Bucket=bucket)
    refused(past.ask(native, "GET", native.of(bucket, "/objects", "k"), pos(between)), "not_found")
    # The name was another bucket's then: that bucket's content is shown or nothing is, and never this one's.
    answer = past.ask(native, "GET", native.of(bucket, "/objects", "k"), pos(first))
    assert answer.status_code in (404, 410) or answer.content == b"first", f"{answer.status_code} {answer.content[:200]!r}"


# Listings over pages.

@test
def a_continuation_token_carries_the_moment(scene):
    key = scene.tenant("pages")
    native, bucket = key.native, scene.bucket("pages", key)
    names = [f"{number % 3}/k{number:02}" for number in range(30)]
    for name in names:
        at = position(native.call("PUT", native.of(bucket, "/objects", name), content=name.encode()))
    for number, name in enumerate(names):
        if number % 3:
            native.put(bucket, name, b"overwritten")
        else:
            native.delete(bucket, name)
        native.put(bucket, f"{name} new", b"x")
    expected = sorted(past.Entry(name, f'"{past.hashlib.md5(name.encode()).hexdigest()}"', len(name)) for name in names)
    for door in ("v2", "v1", "native"):
        for size in (1, 4, 7, 30):
            for way in WAYS:
                for resend in (False, True):
                    got = past.listing(key, bucket, pos(at), size=size, door=door, way=way, resend=resend)
                    assert got == (expected, []), f"{door} in pages of {size} by {way}: {got}"
            assert past.listing(key, bucket, pos(at), delimiter="/", size=size, door=door) == ([], ["0/", "1/", "2/"]), f"{door} in pages of {size}"
    # Every page says which moment it shows; a token of another moment is refused.
    page = S3At(key, pos(at)).list_objects_v2(Bucket=bucket, MaxKeys=5)
    following = S3At(key, None).list_objects_v2(Bucket=bucket, MaxKeys=5, ContinuationToken=page["NextContinuationToken"])
    assert echo(page).position == echo(following).position == at, f"pages of {at} show {echo(page)} and {echo(following)}"
    for point in (pos(at - 1), "head"):
        for way in WAYS:
            s3_refuses("InvalidArgument", 400, S3At(key, point, way).list_objects_v2, Bucket=bucket, ContinuationToken=page["NextContinuationToken"])
    page = call(native, "GET", native.of(bucket, "/objects"), pos(at), params={"maxKeys": 5})
    token = page.json()["nextContinuationToken"]
    following = call(native, "GET", native.of(bucket, "/objects"), params={"maxKeys": 5, "continuationToken": token})
    assert echo(page).position == echo(following).position == at, f"pages of {at} show {echo(page)} and {echo(following)}"
    for way in WAYS:
        refused(past.ask(native, "GET", native.of(bucket, "/objects"), pos(at - 1), way, params={"continuationToken": token}), "invalid_request")
    # A moment that is named by something which moves stays where it was.
    page = S3At(key, "head").list_objects_v2(Bucket=bucket, MaxKeys=5)
    native.put(bucket, "9 later", b"x")
    shown, token = [], page["NextContinuationToken"]
    while token:
        told = S3At(key, None).list_objects_v2(Bucket=bucket, MaxKeys=5, ContinuationToken=token)
        shown, token = shown + [one["Key"] for one in told.get("Contents", [])], told.get("NextContinuationToken")
    assert shown and "9 later" not in shown, "a listing of the head shows what came while it was read"


@test
def a_token_of_the_present_reads_no_past(scene):
    key = scene.tenant("present")
    native, bucket = key.native, scene.bucket("present", key)
    for number in range(6):
        at = position(native.call("PUT", native.of(bucket, "/objects", f"k{number}"), content=b"x"))
    page = key.s3.list_objects_v2(Bucket=bucket, MaxKeys=2)
    s3_refuses("InvalidArgument", 400, S3At(key, pos(at - 2)).list_objects_v2, Bucket=bucket, ContinuationToken=page["NextContinuationToken"])


# Who may.

@test
def the_past_needs_its_own_right_beside_reading(scene):
    there = Told(scene)
    bucket, point = there.bucket, pos(there.positions[0])
    for scopes, may in (("op=read", False), ("op=read,op=write,op=delete", False), ("op=admin", False), (f"op=read,op=admin:bucket={bucket}", True), ("op=read,op=admin", True),
                        ("op=read,op=admin:bucket=another-one", False), ("op=admin,op=read:bucket=another-one", False)):
        key = scene.key(scopes, there.key.tenant)
        for way in WAYS:
            answers = [past.ask(key.native, "GET", key.native.of(bucket, "/objects", "k"), point, way), past.ask(key.native, "HEAD", key.native.of(bucket, "/objects", "k"), point, way),
                       past.ask(key.native, "GET", key.native.of(bucket, "/objects"), point, way), past.ask(key.native, "GET", key.native.of(bucket, "/versions"), point, way),
                       past.ask(key.native, "GET", key.native.of(bucket, "/object-tags", "k"), point, way)]
            for answer in answers:
                if may:
                    assert answer.status_code == 200, f"{scopes}: {past.headers_of(answer)} {answer.text}"
                else:
                    refused(answer, "forbidden")
            at = S3At(key, point, way)
            for ask, arguments in ((at.get_object, {"Key": "k"}), (at.head_object, {"Key": "k"}), (at.list_objects, {}), (at.list_objects_v2, {}), (at.list_object_versions, {}), (at.get_object_tagging, {"Key": "k"})):
                if may:
                    ask(Bucket=bucket, **arguments)
                else:
                    s3_refuses("AccessDenied", 403, ask, Bucket=bucket, **arguments)
        # One who administers this bucket may do some of these without reading it.
        if not may and not scopes.startswith("op=admin"):
            for method, kind, rest in (("GET", "/diff", {"params": {"from": point, "to": "head"}}), ("POST", "/restore", {"json": {"point": point}}), ("POST", "/restore", {"json": {"point": point, "dryRun": True}}),
                                       ("POST", "/undo", {"json": {"positions": [there.positions[2]]}}), ("PUT", "/snapshots/mine", {"json": {}}), ("GET", "/snapshots", {}), ("PUT", "/history", {"json": {"window": "0"}})):
                refused(key.native.ask(method, key.native.of(bucket, kind), **rest), "forbidden")
    there.check("head", b"three")


@test
def a_token_hands_on_no_right(scene):
    """Whoever got a token of the past and may not read it still may not."""
    key = scene.tenant("handed")
    bucket = scene.bucket("handed", key)
    for number in range(5):
        at = position(key.native.call("PUT", key.native.of(bucket, "/objects", f"k{number}"), content=b"x"))
    token, reader = S3At(key, pos(at)).list_objects_v2(Bucket=bucket, MaxKeys=2)["NextContinuationToken"], scene.key("op=read", key.tenant)
    s3_refuses("AccessDenied", 403, reader.s3.list_objects_v2, Bucket=bucket, ContinuationToken=token)
    token = call(key.native, "GET", key.native.of(bucket, "/objects"), pos(at), params={"maxKeys": 2}).json()["nextContinuationToken"]
    refused(reader.native.ask("GET", reader.native.of(bucket, "/objects"), params={"continuationToken": token}), "forbidden")


@test
def another_tenants_past_is_not_there(scene):
    there, stranger = Told(scene), scene.tenant("stranger")
    # The stranger's own log is as long: the position is none of the future.
    bucket = scene.bucket("own", stranger)
    while position(stranger.native.call("PUT", stranger.native.of(bucket, "/objects", "k"), content=b"x")) < there.positions[2]:
        pass
    for point in (pos(there.positions[2]), "head", "-1s"):
        refused(past.ask(stranger.native, "GET", stranger.native.of(there.bucket, "/objects", "k"), point), "not_found")
        s3_refuses("NoSuchBucket", 404, S3At(stranger, point).list_objects_v2, Bucket=there.bucket)


@test
def todays_policy_is_enforced_and_not_that_of_the_moment(scene):
    there = Told(scene)
    key, s3, native, bucket = there.key, there.key.s3, there.native, there.bucket
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"arn:aws:s3:::{bucket}/*"}]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    denied = position(native.call("PUT", native.of(bucket, "/objects", "other"), content=b"x"))
    # Nothing was denied then; it is today.
    s3_refuses("AccessDenied", 403, S3At(key, pos(there.positions[0])).get_object, Bucket=bucket, Key="k")
    refused(past.ask(native, "GET", native.of(bucket, "/objects", "k"), pos(there.positions[0])), "policy_denied")
    s3.delete_bucket_policy(Bucket=bucket)
    there.check(pos(denied), b"three", denied)
    # Reading the past is an action of its own that a policy can deny.
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "holdfast:ReadHistory", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}]})
    try:
        s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    except past.botocore.exceptions.ClientError as error:
        said(f"policies do not name holdfast:ReadHistory: {error.response['Error']['Code']}")
        return
    s3_refuses("AccessDenied", 403, S3At(key, pos(there.positions[0])).get_object, Bucket=bucket, Key="k")
    assert native.get(bucket, "k").content == b"three", "the present is denied with the past"


@test
def a_presigned_address_reads_the_past_only_if_its_signer_said_so(scene):
    there = Told(scene)
    host, bucket, point = scene.server.host, there.bucket, pos(there.positions[0])
    signer = wire.Key(host, there.key.access_key, there.key.secret_key)
    presigned = there.key.s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    target = presigned.removeprefix(scene.endpoint)
    for more, headers in ((f"&as-of={urllib.parse.quote(point)}", {}), (f"&as-of={point}", {}), ("", {"x-holdfast-as-of": point}), ("", {"X-Holdfast-As-Of": "head"})):
        answer = wire.send(host, "GET", target + more, {"host": host, **headers})
        assert answer.status == 403, f"{more} {headers} on a presigned address answered {answer}"
    assert wire.send(host, "GET", target, {"host": host}).body == b"three", "the address itself does not work"
    # Signed, it is the signer's own question, and the signer's own right.
    told = wire.send(host, "GET", signer.presign("GET", f"/{bucket}/k", [("as-of", point)]), {"host": host})
    assert told.status == 200 and told.body == b"one", f"a signed as-of answered {told}"
    told = wire.send(host, "GET", signer.presign("GET", f"/{bucket}/k", headers={"x-holdfast-as-of": point}), {"host": host, "x-holdfast-as-of": point})
    assert told.status == 200 and told.body == b"one", f"a signed header answered {told}"
    changed = signer.presign("GET", f"/{bucket}/k", [("as-of", point)]).replace(urllib.parse.quote(point, safe=""), urllib.parse.quote(pos(there.positions[1]), safe=""))
    assert wire.send(host, "GET", changed, {"host": host}).status == 403, "a signed point was exchanged for another"
    weak = scene.key("op=read", there.key.tenant)
    told = wire.send(host, "GET", wire.Key(host, weak.access_key, weak.secret_key).presign("GET", f"/{bucket}/k", [("as-of", point)]), {"host": host})
    assert told.status == 403, f"a reader's signed as-of answered {told}"
    # An unsigned header beside a signed header of the request, and Version 2, which signs neither.
    told = signer.ask("GET", f"/{bucket}/k", unsigned={"x-holdfast-as-of": point})
    assert told.status == 403, f"an unsigned header answered {told}"
    assert wire.send(host, "GET", signer.presign_version_2("GET", f"/{bucket}/k") + f"&as-of={point}", {"host": host}).status == 403, "Version 2 signs no as-of"
    # Addresses of the native API.
    address = there.native.sign("GET", bucket, "k")
    for answer in (scene.http.get(address + f"&as-of={point}"), scene.http.get(address, headers={"X-Holdfast-As-Of": point})):
        assert answer.status_code in (400, 401, 403), f"a signed address answered {answer.status_code} {answer.content[:100]!r} as of a point"


@test
def points_work_after_a_restart(scene):
    there = Told(scene)
    past.snapshot(there.native, there.bucket, "kept", pos(there.positions[1]))
    scene.kill()
    scene.start()
    there.check(pos(there.positions[0]), b"one", there.positions[0])
    there.check("snap:kept", b"two", there.positions[1])
    there.check(f"before:{request_id(there.writes[2])}", b"two")
    there.check(there.times[0].isoformat(), b"one", there.positions[0])


# The history of one key.

@test
def the_history_of_a_key_tells_who_did_what_and_when(scene):
    key = scene.tenant("events")
    other = past.user(scene, key.tenant, "another")
    native, bucket, name = key.native, scene.bucket("events", key, versioning="enabled"), "a/b c/ü"
    made = [(key, native.call("PUT", native.of(bucket, "/objects", name), content=b"one")), (other, other.s3.put_object(Bucket=bucket, Key=name, Body=b"two")),
            (key, native.call("PUT", native.of(bucket, "/object-tags", name), json={"tags": {"a": "b"}})), (other, other.native.call("DELETE", native.of(bucket, "/objects", name)))]
    native.put(bucket, name + "d", b"a neighbour")
    made.append((key, key.s3.delete_object(Bucket=bucket, Key=name, VersionId=made[1][1]["VersionId"])))
    events = past.events_of_key(native, bucket, name)
    assert [one["position"] for one in events] == [position(answer) for _, answer in made], f"other events: {events}"
    assert [one["position"] for one in past.events_of_key(native, bucket, name, 2)] == [one["position"] for one in events], "pages tell another history"
    for (actor, answer), event in zip(made, events):
        assert event["requestId"].removeprefix("req_") == request_id(answer).removeprefix("req_"), f"{event} is not of request {request_id(answer)}"
        who = json.dumps(event["actor"])
        assert actor.access_key in who and (actor is key or '"another"' in who), f"{event} does not say who"
        assert event["type"] and past.moment(event["time"]) and "127.0.0.1" in json.dumps(event["sourceAddress"]), event
    assert events[0]["versionId"] == made[0][1].json()["versionId"] and events[1]["versionId"] == made[1][1]["VersionId"], events
    assert [one["time"] for one in events] == sorted(one["time"] for one in events), f"times go back: {events}"
    assert past.events_of_key(native, bucket, "never written") == [], "a key that was never written has events"
    refused(native.ask("GET", native.of("never-there", "/object-history", name)), "not_found")
    refused(native.ask("GET", native.of(bucket, "/object-history", name), params={"limit": "x"}), "invalid_request")
    refused(native.ask("GET", native.of(bucket, "/object-history", name), params={"cursor": "made up"}), "invalid_request")
    refused(scene.key("op=read", key.tenant).native.ask("GET", native.of(bucket, "/object-history", name)), "forbidden")


@test
def what_diff_restore_and_undo_refuse(scene):
    there = Told(scene)
    native, bucket, at = there.native, there.bucket, there.positions[1]
    head = there.check("head", b"three")
    for query in ({}, {"from": pos(at)}, {"to": pos(at)}, {"from": "sometime", "to": "head"}, {"from": pos(at), "to": "sometime"}):
        refused(native.ask("GET", native.of(bucket, "/diff"), params=query), "invalid_request")
    refused(native.ask("GET", native.of(bucket, "/diff"), params={"from": pos(at), "to": pos(at + 10_000)}), "point_in_future")
    for document in ({}, [], {"point": 7}, {"point": "sometime"}, {"point": pos(at), "prefix": 7}, {"point": pos(at), "dryRun": "yes"}, {"point": pos(at), "unknown": True}):
        refused(native.ask("POST", native.of(bucket, "/restore"), json=document), "invalid_request")
    refused(native.ask("POST", native.of(bucket, "/restore"), json={"point": pos(at + 10_000)}), "point_in_future")
    request = request_id(there.writes[2])
    for document in ({}, [], {"requestId": 7}, {"requestId": request, "positions": [at]}, {"actor": there.key.access_key}, {"since": pos(at)}, {"positions": []}, {"positions": "all"}, {"positions": [-1]},
                     {"requestId": request, "actor": there.key.access_key, "since": pos(at)}, {"requestId": request, "force": "yes"}, {"requestId": request, "unknown": 1}):
        refused(native.ask("POST", native.of(bucket, "/undo"), json=document), "invalid_request")
    for verb, document in (("restore", {"point": pos(at)}), ("undo", {"positions": [at]})):
        refused(native.ask("POST", native.of("never-there", f"/{verb}"), json=document), "not_found")
    for document in ({"positions": [at + 10_000]}, {"actor": there.key.access_key, "since": pos(at + 10_000)}):
        answer = native.ask("POST", native.of(bucket, "/undo"), json=document)
        assert answer.status_code in (400, 404), f"{document} answered {answer.status_code} {answer.text}"
    assert there.check("head", b"three") == head, "what was refused is in the log"
    # Whoever may not write is refused, or each of the keys is.
    reader = scene.key("op=read,op=admin", there.key.tenant)
    answer = reader.native.ask("POST", native.of(bucket, "/restore"), json={"point": pos(at)})
    if answer.status_code == 202:
        ended = past.Begun(answer).wait(native)
        assert not ended["restored"] + ended["removed"] and past.count(ended["refused"]) == 1, ended
    else:
        refused(answer, "forbidden")
    there.check("head", b"three")

