"""Views and forks: a bucket as it was for any S3 client, and a writable copy that touches nobody."""

import time

import model
import past
from kit import make_tree, same_files
from past import S3At, pos, position, read, refused, said, test, together


def named(key, bucket, point=None):
    """Name to digest of everything that is there."""
    def one(entry):
        got = read(key, bucket, entry.key, point=point, door="native")
        assert got is not None and got.size == entry.size, f"{entry} of {bucket} is read as {got}"
        return entry.key, got.digest
    return dict(together(one, past.listing(key, bucket, point)[0]))


def digests(contents):
    return {name: past.digest(body) for name, body in contents.items()}


def holds(key, bucket, contents, point=None):
    """It holds exactly these contents."""
    got, expected = named(key, bucket, point), digests(contents)
    differ = sorted(name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name))
    assert not differ, f"{bucket} as of {point or 'now'}: {len(differ)} of {len(expected)} objects differ, first {differ[0]}: {got.get(differ[0])} instead of {expected.get(differ[0])}"


def filled(scene, key, what, count=12, versioning=None):
    """A bucket with some objects: its name and contents."""
    bucket = scene.bucket(what, key, **({"versioning": versioning} if versioning else {}))
    contents = {f"{'abc'[number % 3]}/k{number:02}": f"{what} {number} ".encode() * (1 + number * 50) for number in range(count)}
    for name, body in contents.items():
        key.native.put(bucket, name, body)
    return bucket, contents


def refuses_writes(key, bucket, name, version=None):
    """Every client is told that nothing is written here, and that the bucket is there."""
    native, s3 = key.native, key.s3
    documents = (("PUT", "/objects", name, {"content": b"x"}), ("PUT", "/objects", "new", {"content": b"x"}), ("DELETE", "/objects", name, {}), ("PUT", "/object-tags", name, {"json": {"tags": {"a": "b"}}}),
                 ("DELETE", "/object-tags", name, {}), ("POST", "/multipart", "new", {}), ("POST", "/object-copy", "new", {"json": {"sourceBucket": bucket, "sourceKey": name}}),
                 ("POST", "/objects:deletePrefix", None, {"json": {"prefix": ""}}))
    for method, kind, at, rest in documents:
        answer = native.ask(method, native.of(bucket, kind, at), **rest)
        assert 400 <= answer.status_code < 500 and answer.status_code not in (401, 404), f"{method} {kind} in a view answered {answer.status_code} {answer.text[:200]}"
    told = native.ask("POST", native.of(bucket, "/objects:batchDelete"), json={"objects": [{"key": name}]})
    assert 400 <= told.status_code < 500 or [one["key"] for one in told.json()["errors"]] == [name] and not told.json()["deleted"], f"a batch in a view answered {told.status_code} {told.text[:200]}"
    source = {"Bucket": bucket, "Key": name}
    for ask, arguments in ((s3.put_object, {"Key": name, "Body": b"x"}), (s3.put_object, {"Key": "new", "Body": b"x"}), (s3.delete_object, {"Key": name}), (s3.copy_object, {"Key": "new", "CopySource": source}),
                           (s3.create_multipart_upload, {"Key": "new"}), (s3.put_object_tagging, {"Key": name, "Tagging": {"TagSet": []}}), (s3.delete_object_tagging, {"Key": name}),
                           *([(s3.delete_object, {"Key": name, "VersionId": version})] if version else [])):
        past.s3_refuses("AccessDenied", 403, ask, Bucket=bucket, **arguments)
    try:
        told = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": name}]})
        assert [one["Code"] for one in told["Errors"]] == ["AccessDenied"] and not told.get("Deleted"), told
    except past.botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied", error


# Views.

@test
def aws_sync_from_a_view_brings_the_tree_of_that_moment(scene):
    key, chance = scene.tenant("view"), scene.chance("view tree")
    native, bucket = key.native, scene.bucket("tree", key)
    source, back, there_too = scene.folder / "tree", scene.folder / "back", scene.folder / "nested"
    source.mkdir(exist_ok=True)
    make_tree(source, 1_000 if scene.full else 400, scene.options.seed)
    began = time.monotonic()
    past.aws(key, "s3", "sync", "--only-show-errors", source, f"s3://{bucket}")
    up_s, expected = time.monotonic() - began, past.files_below(source)
    moment = position(native.call("PUT", native.of(scene.bucket("aside", key), "/objects", "k"), content=b"x"))
    # A thousand overwrites and deletes, and names that were not there.
    names = sorted(expected)

    def change(number):
        name = names[number % len(names)]
        if chance.random() < 0.6:
            native.put(bucket, name, b"overwritten %d" % number)
        elif chance.random() < 0.7:
            native.delete(bucket, name)
        else:
            native.put(bucket, f"{name}.new", b"new")
    for number in range(1_000):
        change(number)
    began = time.monotonic()
    past.view(native, f"{bucket}-then", bucket, pos(moment))
    made_s = time.monotonic() - began
    began = time.monotonic()
    past.aws(key, "s3", "sync", "--only-show-errors", f"s3://{bucket}-then", back)
    down_s, got = time.monotonic() - began, past.files_below(back)
    differ = sorted(name for name in expected.keys() | got.keys() if got.get(name) != expected.get(name))
    assert not differ, f"{len(differ)} of {len(expected)} files differ, first {differ[0]}: {got.get(differ[0])} instead of {expected.get(differ[0])}"
    same_files(source, back)
    assert past.aws(key, "s3", "sync", f"s3://{bucket}-then", back).strip() == "", "a second sync had something to do"
    # A view of one folder's prefix, by the same client.
    folder = next(name.split("/")[0] for name in names if "/" in name)
    past.aws(key, "s3", "sync", "--only-show-errors", f"s3://{bucket}-then/{folder}", there_too)
    same_files(source / folder, there_too)
    said(f"{len(expected)} files up in {up_s:.1f} s, a view in {1_000 * made_s:.0f} ms, down in {down_s:.1f} s")


@test
def a_view_shows_its_moment_to_every_request_and_refuses_writes(scene):
    key = scene.tenant("view")
    for kind in model.KINDS:
        made, writer = model.write(scene, key, kind, 150, "views", keys=25)
        moment, state = made.positions[-1], made.state
        view = f"{made.bucket}-view"
        past.view(key.native, view, made.bucket, pos(moment))
        for _ in range(100):
            writer.step(key)
        for door in ("v1", "v2", "native"):
            for prefix, delimiter, size in (("", "", 1000), ("", "", 7), ("a/", "/", 3), ("", "/", 2)):
                got = past.listing(key, view, None, prefix, delimiter, size, door)
                assert got == model.entries(state, prefix, delimiter), f"{view}: {door} with {prefix!r}, {delimiter!r}, {size}: {got}"
        for door in ("s3", "native"):
            got = past.versions(key, view, size=9, door=door)
            assert got == model.listed(state), f"{view}: versions by {door}: {got} instead of {model.listed(state)}"
        for name in writer.names:
            one = state[name][0] if name in state and not state[name][0].marker else None
            for door in ("s3", "native"):
                for method in ("GET", "HEAD"):
                    expected = one and past.Read(one.digest if method == "GET" else None, one.size, one.etag, one.id, one.type, one.metadata)
                    assert read(key, view, name, door=door, method=method) == expected, f"{view}: {method} of {name} by {door}"
                assert past.tags(key, view, name, door=door) == (one and one.tags), f"{view}: tags of {name} by {door}"
        name = sorted(model.current(state))[0]
        refuses_writes(key, view, name, state[name][0].id if made.versioning != "off" else None)
        assert past.listing(key, view) == model.entries(state), f"{view} changed when it refused writes"
        assert past.listing(key, made.bucket) == model.entries(made.state), f"{made.bucket} changed when its view refused writes"


@test
def a_view_is_a_bucket_among_the_others(scene):
    key = scene.tenant("among")
    native, s3 = key.native, key.s3
    bucket, contents = filled(scene, key, "base")
    past.view(native, "a-view", bucket, "head")
    assert "a-view" in [one["name"] for one in native.buckets()] and "a-view" in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    s3.head_bucket(Bucket="a-view")
    assert native.bucket("a-view")["viewOf"]["bucket"] == bucket, native.bucket("a-view")
    refused(native.ask("POST", "/buckets", json={"name": "a-view", "viewOf": {"bucket": bucket, "point": "head"}}), "bucket_already_exists")
    # It is no more than a row: it goes although it shows objects.
    native.delete_bucket("a-view")
    refused(native.ask("GET", native.of("a-view")), "not_found")
    holds(key, bucket, contents)
    native.create_bucket("a-view")
    assert past.listing(key, "a-view") == ([], [])


@test
def a_view_of_a_snapshot_stays_when_the_snapshot_goes(scene):
    key = scene.tenant("snapped")
    native = key.native
    bucket, contents = filled(scene, key, "base")
    told = past.snapshot(native, bucket, "monday")
    for name in contents:
        native.put(bucket, name, b"tuesday")
    past.view(native, "monday-view", bucket, "snap:monday")
    past.fork(native, "monday-fork", bucket, "snap:monday")
    past.delete_snapshot(native, bucket, "monday")
    for one in ("monday-view", "monday-fork"):
        holds(key, one, contents)


@test
def what_no_view_or_fork_can_be_made_of(scene):
    key, stranger = scene.tenant("wrong"), scene.tenant("stranger")
    native = key.native
    bucket, _ = filled(scene, key, "base", 3)
    theirs, _ = filled(scene, stranger, "theirs", 3)
    for kind in ("viewOf", "forkOf"):
        for of, statuses in (({"bucket": "never-there", "point": "head"}, (404,)), ({"bucket": theirs, "point": "head"}, (404,)), ({"bucket": bucket, "point": pos(10**9)}, (400,)),
                             ({"bucket": bucket, "point": "sometime"}, (400,)), ({"bucket": bucket, "point": "earliest"}, (404,)), ({"bucket": bucket, "point": "snap:never"}, (400, 404)), ({"bucket": bucket}, (400,)),
                             ({"point": "head"}, (400,)), ({}, (400,)), ("head", (400,)), ({"bucket": bucket, "point": "head", "unknown": 1}, (400,))):
            answer = native.ask("POST", "/buckets", json={"name": "wrong", kind: of})
            assert answer.status_code in statuses, f"{kind} {of} answered {answer.status_code} {answer.text[:200]}, not {statuses}"
    refused(native.ask("POST", "/buckets", json={"name": "wrong", "viewOf": {"bucket": bucket, "point": "head"}, "forkOf": {"bucket": bucket, "point": "head"}}), "invalid_request")
    refused(native.ask("GET", native.of("wrong")), "not_found")
    # Whoever may not read the base may not read it by another name.
    weak = scene.key("op=read:bucket=copied,op=write:bucket=copied,op=admin:bucket=copied", key.tenant)
    for kind in ("viewOf", "forkOf"):
        answer = weak.native.ask("POST", "/buckets", json={"name": "copied", kind: {"bucket": bucket, "point": "head"}})
        assert answer.status_code in (403, 404), f"who may not read {bucket} made a {kind}: {answer.status_code} {answer.text}"


# Forks.

@test
def forks_and_their_base_never_touch_each_other(scene):
    key, chance = scene.tenant("diverge"), scene.chance("diverge")
    native = key.native
    for versioning in (None, "enabled"):
        base, contents = filled(scene, key, "base", 20, versioning)
        moment = position(native.call("PUT", native.of(base, "/objects", "last"), content=b"last"))
        contents["last"] = b"last"
        native.put(base, "after the fork's moment", b"x")
        one, other = f"{base}-one", f"{base}-other"
        past.fork(native, one, base, pos(moment))
        past.fork(native, other, base, pos(moment))
        held = {one: dict(contents), other: dict(contents), base: contents | {"after the fork's moment": b"x"}}
        for bucket in (one, other):
            holds(key, bucket, contents)
        for number in range(200):
            bucket, name = chance.choice(list(held)), chance.choice([*contents, *(f"new{number}" for number in range(5))])
            if chance.random() < 0.6:
                body = b"%d of %s " % (number, bucket.encode()) * chance.choice((1, 300))
                (native.put if chance.random() < 0.5 else lambda bucket, name, body: key.s3.put_object(Bucket=bucket, Key=name, Body=body))(bucket, name, body)
                held[bucket][name] = body
            else:
                native.delete(bucket, name)
                held[bucket].pop(name, None)
            if number % 40 == 39:
                for bucket, there in held.items():
                    holds(key, bucket, there)
        for bucket, there in held.items():
            holds(key, bucket, there)
            for size in (1, 3, 1000):
                for door in ("v1", "v2", "native"):
                    names = [entry.key for entry in past.listing(key, bucket, size=size, door=door)[0]]
                    assert names == sorted(there), f"{bucket} by {door} in pages of {size}: {names} instead of {sorted(there)}"
        holds(key, base, contents, pos(moment))


@test
def a_fork_of_a_fork_and_a_view_of_one(scene):
    key = scene.tenant("nested")
    native = key.native
    base, contents = filled(scene, key, "base", 10)
    names, held, last = sorted(contents), dict(contents), base
    kept = []
    for depth in range(4):
        fork = f"{base}-{depth}"
        past.fork(native, fork, last, "head")
        held = dict(held)
        native.put(fork, names[depth], b"of depth %d" % depth)
        native.delete(fork, names[5 + depth])
        at = position(native.call("PUT", native.of(fork, "/objects", f"only {depth}"), content=b"x"))
        held |= {names[depth]: b"of depth %d" % depth, f"only {depth}": b"x"}
        held.pop(names[5 + depth], None)
        kept.append((fork, at, dict(held)))
        last = fork
    for fork, at, there in kept:
        holds(key, fork, there)
        past.view(native, f"{fork}-view", fork, pos(at))
        native.put(fork, names[0], b"later")
        holds(key, f"{fork}-view", there)
        holds(key, fork, there, pos(at))
    holds(key, base, contents)


@test
def versions_deletes_and_markers_in_a_fork(scene):
    key = scene.tenant("whiteouts")
    native = key.native
    base, contents = filled(scene, key, "base", 6, "enabled")
    names = sorted(contents)
    for name in names[:3]:
        native.put(base, name, b"second")
    native.delete(base, names[3])
    fork = f"{base}-fork"
    past.fork(native, fork, base, "head")
    assert native.versioning(fork)["status"] == "enabled", "a fork is not versioned as its base is"
    held = {name: body for name, body in (contents | {name: b"second" for name in names[:3]}).items() if name != names[3]}
    holds(key, fork, held)
    holds(key, base, held)
    before = past.versions(key, base)
    # A delete makes a marker in the fork alone, and removing the marker shows the base's object again.
    marker = native.delete(fork, names[0])
    assert marker["deleteMarker"] and read(key, fork, names[0]) is None and read(key, base, names[0]).digest == past.digest(b"second")
    native.delete(fork, names[0], versionId=marker["versionId"])
    assert read(key, fork, names[0]).digest == past.digest(b"second"), "the base's object did not come back behind the marker"
    # A version of the fork goes for good, and what it hid is there again.
    made = native.put(fork, names[1], b"of the fork")
    listed = [one for one in past.versions(key, fork, prefix=names[1])[0] if one.key == names[1]]
    assert (listed[0].version, listed[0].latest) == (made["versionId"], True) and sum(one.latest for one in listed) == 1, listed
    native.delete(fork, names[1], versionId=made["versionId"])
    assert read(key, fork, names[1]).digest == past.digest(b"second")
    # The base's own version, deleted in the fork, is gone there and nowhere else.
    version = read(key, fork, names[2], door="native").version
    native.delete(fork, names[2], versionId=version)
    got = read(key, fork, names[2])
    assert got is None or got.digest == past.digest(contents[names[2]]), f"{names[2]} shows {got} although its version was deleted"
    assert read(key, fork, names[2], version) is None, "a deleted version is still read in the fork"
    assert read(key, base, names[2]).digest == past.digest(b"second")
    assert past.versions(key, base) == before, "the base's versions changed with its fork"
    for name in names:
        for one in past.versions(key, fork, prefix=name)[0]:
            assert read(key, fork, name, one.version) is not None, f"{one} of {fork} is listed and cannot be read"


@test
def multipart_copies_tags_and_ranges_in_a_fork(scene):
    key = scene.tenant("parts")
    native, s3 = key.native, key.s3
    base, contents = filled(scene, key, "base", 6)
    fork, names = f"{base}-fork", sorted(contents)
    native.set_tags(base, names[0], {"of": "base"})
    past.fork(native, fork, base, "head")
    # Copies from the base's rows, into the fork, out of it and onto a name that it inherits.
    other = scene.bucket("other", key)
    s3.copy_object(Bucket=fork, Key="copied", CopySource={"Bucket": fork, "Key": names[0]})
    native.copy(fork, names[1], other, "out")
    s3.copy_object(Bucket=fork, Key=names[2], CopySource={"Bucket": fork, "Key": names[3]})
    s3.copy_object(Bucket=fork, Key=names[4], CopySource={"Bucket": other, "Key": "out"})
    held = contents | {"copied": contents[names[0]], names[2]: contents[names[3]], names[4]: contents[names[1]]}
    assert named(key, fork) == digests(held) and named(key, other) == {"out": past.digest(contents[names[1]])}
    assert past.tags(key, fork, "copied") == past.tags(key, fork, names[0]) == (("of", "base"),)
    # Tags of an inherited object, set in the fork.
    native.set_tags(fork, names[0], {"of": "fork"})
    native.set_tags(fork, names[5], {"new": "one"})
    assert past.tags(key, fork, names[0], door="native") == (("of", "fork"),) and past.tags(key, base, names[0]) == (("of", "base"),) and past.tags(key, base, names[5]) == ()
    holds(key, fork, held)
    # An upload in parts over an inherited name, one of the parts copied from it.
    piece = scene.chance("part").randbytes(model.PART_MIN)
    upload = s3.create_multipart_upload(Bucket=fork, Key=names[5])["UploadId"]
    tags = [s3.upload_part(Bucket=fork, Key=names[5], UploadId=upload, PartNumber=1, Body=piece)["ETag"],
            s3.upload_part_copy(Bucket=fork, Key=names[5], UploadId=upload, PartNumber=2, CopySource={"Bucket": fork, "Key": names[5]})["CopyPartResult"]["ETag"]]
    assert read(key, fork, names[5]).digest == past.digest(contents[names[5]]), "an upload is seen before it is complete"
    s3.complete_multipart_upload(Bucket=fork, Key=names[5], UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]})
    held[names[5]] = piece + contents[names[5]]
    holds(key, fork, held)
    holds(key, base, contents)
    assert s3.get_object(Bucket=fork, Key=names[1], Range="bytes=5-9")["Body"].read() == contents[names[1]][5:10]
    # An upload of the base is no upload of the fork.
    native.create_upload(base, "begun")
    assert [one["key"] for one in native.uploads(fork)] == []
    # Conditions ask what the fork shows.
    tag = read(key, fork, names[1]).etag
    refused(native.ask("PUT", native.of(fork, "/objects", names[1]), content=b"x", headers={"If-None-Match": "*"}), "precondition_failed")
    native.put(fork, names[1], b"matched", {"If-Match": tag})
    native.delete(fork, names[1])
    native.put(fork, names[1], b"first", {"If-None-Match": "*"})
    assert read(key, base, names[1]).digest == past.digest(contents[names[1]]), "a conditional write in the fork reached the base"


@test
def a_fork_has_a_history_of_its_own(scene):
    key = scene.tenant("own")
    native = key.native
    base, contents = filled(scene, key, "base", 8)
    fork, names = f"{base}-fork", sorted(contents)
    made = position(native.call("POST", "/buckets", json={"name": fork, "forkOf": {"bucket": base, "point": "head"}}))
    native.put(fork, names[0], b"changed")
    native.delete(fork, names[1])
    at = position(native.call("PUT", native.of(fork, "/objects", "new"), content=b"x"))
    changes = past.diff(native, fork, pos(made), pos(at))
    assert {name: (bool(before), bool(after)) for name, (before, after) in changes.items()} == {names[0]: (True, True), names[1]: (True, False), "new": (False, True)}, changes
    assert past.diff(native, base, pos(made), pos(at)) == {}, "a fork's writes are in its base's diff"
    holds(key, fork, contents, pos(made))
    past.restore(native, fork, pos(made))
    holds(key, fork, contents)
    holds(key, base, contents)
    past.s3_refuses("NoSuchBucket", 404, S3At(key, pos(made - 1)).list_objects_v2, Bucket=fork)


@test
def a_base_is_not_deleted_while_forks_or_views_show_it(scene):
    key = scene.tenant("pinned")
    native, s3 = key.native, key.s3
    base, contents = filled(scene, key, "base", 5)
    past.fork(native, "a-fork", base, "head")
    past.view(native, "a-view", base, "head")
    for name in contents:
        native.delete(base, name)
    for left in (["a-fork", "a-view"], ["a-view"]):
        answer = native.ask("DELETE", native.of(base))
        assert answer.status_code == 409, f"deleting a base answered {answer.status_code} {answer.text}"
        missing = [name for name in left if name not in answer.text]
        assert not missing, f"the refusal does not name {missing}: {answer.text}"
        try:
            s3.delete_bucket(Bucket=base)
        except past.botocore.exceptions.ClientError as error:
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 409, error
        else:
            raise AssertionError("S3 deleted a base")
        for name in left:
            holds(key, name, contents)
        if left[0] == "a-fork":
            for name in contents:
                native.delete("a-fork", name)
            native.delete_bucket("a-fork")
    native.delete_bucket("a-view")
    native.delete_bucket(base)
    refused(native.ask("GET", native.of(base)), "not_found")


@test
def making_a_fork_costs_the_same_however_much_it_shows(scene):
    key = scene.tenant("costs")
    native, sizes, took = key.native, (10, 20_000 if scene.full else 2_000), {}
    for size in sizes:
        bucket = scene.bucket("size", key)
        together(lambda number, bucket=bucket: native.put(bucket, f"k{number:06}", b"x"), range(size))
        head = position(native.call("PUT", native.of(bucket, "/objects", "last"), content=b"y"))
        times = []
        for number in range(5):
            began = time.monotonic()
            answer = native.call("POST", "/buckets", json={"name": f"{bucket}-{number}", "forkOf": {"bucket": bucket, "point": "head"}})
            times.append(time.monotonic() - began)
        took[size] = sorted(times)[2]
        # As many events as any other bucket takes, and no copies of rows.
        events = position(answer) - head
        assert events <= 5 * 8, f"five forks of {size} objects are {events} events"
        assert len(past.listing(key, f"{bucket}-4")[0]) == size + 1
    assert took[sizes[1]] < 20 * took[sizes[0]] + 0.2, f"forks of {sizes} objects took {took} s"
    said("; ".join(f"a fork of {size} objects in {1_000 * took[size]:.1f} ms" for size in sizes))


@test
def views_and_forks_are_there_after_a_kill(scene):
    key = scene.tenant("after")
    native = key.native
    base, contents = filled(scene, key, "base", 10)
    names = sorted(contents)
    past.view(native, f"{base}-view", base, "head")
    past.fork(native, f"{base}-fork", base, "head")
    native.put(f"{base}-fork", names[0], b"of the fork")
    native.delete(f"{base}-fork", names[1])
    native.put(base, names[2], b"of the base")
    scene.kill()
    scene.start()
    held = {name: body for name, body in (contents | {names[0]: b"of the fork"}).items() if name != names[1]}
    holds(key, f"{base}-view", contents)
    holds(key, f"{base}-fork", held)
    holds(key, base, contents | {names[2]: b"of the base"})
    refuses_writes(key, f"{base}-view", names[0])
