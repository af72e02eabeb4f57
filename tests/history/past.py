"""A client of history, from its contract alone: points, reading as of one, diff, restore, undo, snapshots, windows, views, forks.

Owns: one function for each operation; where an answer's form was ours to choose, it is read here and nowhere else.
Does not own: servers that are killed and started (tests/notifier/scene.py), tokens and addresses (tests/native/client.py), what is expected.
"""

import hashlib
import json
import pathlib
import sys
import threading
from typing import NamedTuple

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "notifier"))
from scene import Scene, eventually, moment, stamp, test  # noqa: E402, F401
import botocore.exceptions  # noqa: E402
from client import Problem, escape  # noqa: E402
from contract import refused  # noqa: E402
from kit import BESIDE, run  # noqa: E402
from stage import Key, in_days  # noqa: E402, F401

# A listing or a log that never ends is a mistake.
PAGES_MAX = 100_000
# Tasks of these tests are small, machines that run them may be slow.
PATIENCE_S = 300
# What nothing shows goes at the next sweep, and segments are as small as they may be.
SWEPT_AT_ONCE = {"storage.sweep_grace_s": 0, "storage.segment_mib": 16}



# Points.

def pos(position):
    return f"pos:{position}"


def headers_of(answer):
    """Of an answer of either client, in lower case."""
    return answer["ResponseMetadata"]["HTTPHeaders"] if isinstance(answer, dict) else {name.lower(): value for name, value in answer.headers.items()}


def position(answer):
    """Where a write stands in the log."""
    text = headers_of(answer).get("x-holdfast-position")
    assert text and text.isdecimal(), f"a write was answered without its position: {headers_of(answer)}"
    return int(text)


def request_id(answer):
    """What `before:` and undo take."""
    found = headers_of(answer)
    return found.get("x-request-id") or found["x-amz-request-id"]


class Echo(NamedTuple):
    position: int
    time: str


def echo(answer):
    """The moment that an answer says it shows."""
    found = headers_of(answer)
    missing = {"x-holdfast-as-of-position", "x-holdfast-as-of-time"} - found.keys()
    assert not missing, f"an answer of the past lacks {missing}: {found}"
    moment(found["x-holdfast-as-of-time"])
    return Echo(int(found["x-holdfast-as-of-position"]), found["x-holdfast-as-of-time"])


# Asking as of a point. `way` is "header" or "query".

def pointed(point, way="header"):
    """What a native request carries."""
    if point is None:
        return {}, {}
    return ({"X-Holdfast-As-Of": point}, {}) if way == "header" else ({}, {"as-of": point})


def ask(native, method, path, point=None, way="header", headers=None, params=None, **rest):
    """A native request, whatever its answer."""
    more_headers, more_params = pointed(point, way)
    return native.ask(method, path, headers={**(headers or {}), **more_headers}, params={**(params or {}), **more_params}, **rest)


def call(native, method, path, *arguments, **rest):
    """As `ask`, but a problem is raised."""
    answer = ask(native, method, path, *arguments, **rest)
    if answer.status_code >= 400:
        raise Problem(answer)
    return answer


class S3At:
    """boto3's client of a key whose requests ask as of a point. The header is signed, as is the query."""

    def __init__(self, key, point, way="header"):
        if not hasattr(key, "of_the_past"):
            client, wanted = key.connect(max_pool_connections=32), threading.local()

            def add(params, **_):
                point, way = getattr(wanted, "point", None), getattr(wanted, "way", None)
                if point is not None and way == "header":
                    params["headers"]["X-Holdfast-As-Of"] = point
                elif point is not None:
                    params["url"] += ("&" if "?" in params["url"] else "?") + "as-of=" + escape(point, ".")
            client.meta.events.register("before-call.s3", add)
            key.of_the_past = client, wanted
        (self.client, self.wanted), self.point, self.way = key.of_the_past, point, way

    def __getattr__(self, name):
        def ask(**arguments):
            self.wanted.point, self.wanted.way = self.point, self.way
            try:
                return getattr(self.client, name)(**arguments)
            finally:
                self.wanted.point = None
        return ask


def s3_refuses(code, status, ask, **arguments):
    """An S3 request that is refused so, with this code or one of these: its message and headers."""
    try:
        ask(**arguments)
    except botocore.exceptions.ClientError as error:
        told, got = error.response.get("Error", {}), error.response["ResponseMetadata"]["HTTPStatusCode"]
        codes = (code,) if isinstance(code, str) else code
        # HEAD has no body to say its code in.
        assert got == status and told.get("Code") in (*codes, str(status)), f"{got} {told} instead of {status} {code}"
        return told.get("Message", ""), error.response["ResponseMetadata"]["HTTPHeaders"]
    raise AssertionError(f"no {status} {code}: it worked")


def absent(error):
    """Whether an error says that there is no such object then, or that a delete marker is what is there."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"] in (404, 405)


# Listings, read to their end.

class Entry(NamedTuple):
    key: str
    etag: str
    size: int


def listing(key, bucket, point=None, prefix="", delimiter="", size=1000, door="v2", way="header", resend=False):
    """Entries and common prefixes over pages of this size. Only where a page is asked for by names, and not by a token, is the point
    said again with each page, unless `resend` does."""
    entries, folders, token = [], [], None
    for _ in range(PAGES_MAX):
        at = S3At(key, point if token is None or resend or door == "v1" else None, way)
        if door == "native":
            query = {"prefix": prefix, "delimiter": delimiter, "maxKeys": size} | ({"continuationToken": token} if token else {})
            told = call(key.native, "GET", key.native.of(bucket, "/objects"), at.point, way, params={name: value for name, value in query.items() if value != ""}).json()
            page, shared = [Entry(one["key"], one["etag"], one["size"]) for one in told["objects"]], told.get("commonPrefixes") or []
            more, token = told["isTruncated"], told.get("nextContinuationToken")
        else:
            arguments = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": size} | ({"Delimiter": delimiter} if delimiter else {})
            if door == "v2":
                told = at.list_objects_v2(**arguments, **({"ContinuationToken": token} if token else {}))
            else:
                told = at.list_objects(**arguments, **({"Marker": token} if token else {}))
            page, shared = [Entry(one["Key"], one["ETag"], one["Size"]) for one in told.get("Contents", [])], [one["Prefix"] for one in told.get("CommonPrefixes", [])]
            more, token = told["IsTruncated"], told.get("NextContinuationToken") if door == "v2" else told.get("NextMarker") or (page[-1].key if page else None)
        assert len(page) + len(shared) <= size, f"{len(page) + len(shared)} on a page of {size}"
        entries, folders = entries + page, folders + shared
        if not more:
            return entries, folders
        assert token, f"more follows, and nothing to ask for it with: {told}"
    raise AssertionError("the listing did not end")


class Listed(NamedTuple):
    key: str
    version: str
    latest: bool
    etag: str | None
    size: int | None


def versions(key, bucket, point=None, prefix="", size=1000, door="s3", way="header"):
    """Versions and delete markers, each in the order in which they are listed. Pages go on by names: the point is said with each."""
    found, markers, after = [], [], {}
    for _ in range(PAGES_MAX):
        if door == "native":
            told = call(key.native, "GET", key.native.of(bucket, "/versions"), point, way, params={"prefix": prefix, "maxKeys": size, **after}).json()
            found += [Listed(one["key"], one["versionId"], one["isLatest"], one["etag"], one["size"]) for one in told["versions"]]
            markers += [Listed(one["key"], one["versionId"], one["isLatest"], None, None) for one in told["deleteMarkers"]]
            more, after = told["isTruncated"], {"keyMarker": told.get("nextKeyMarker"), "versionIdMarker": told.get("nextVersionIdMarker")}
        else:
            told = S3At(key, point, way).list_object_versions(Bucket=bucket, Prefix=prefix, MaxKeys=size, **after)
            found += [Listed(one["Key"], one["VersionId"], one["IsLatest"], one["ETag"], one["Size"]) for one in told.get("Versions", [])]
            markers += [Listed(one["Key"], one["VersionId"], one["IsLatest"], None, None) for one in told.get("DeleteMarkers", [])]
            more, after = told["IsTruncated"], {"KeyMarker": told.get("NextKeyMarker"), "VersionIdMarker": told.get("NextVersionIdMarker")}
        if not more:
            return found, markers
        after = {name: value for name, value in after.items() if value is not None}
    raise AssertionError("the listing did not end")


# Objects.

class Read(NamedTuple):
    """What one request said of an object. HEAD has no digest."""
    digest: str | None
    size: int
    etag: str
    version: str
    type: str
    metadata: tuple


def digest(body):
    return hashlib.sha256(body).hexdigest()


def read(key, bucket, name, version=None, point=None, door="s3", way="header", method="GET"):
    """The object, or None when it was not there. Other refusals are raised."""
    if door == "native":
        answer = ask(key.native, method, key.native.of(bucket, "/objects", name), point, way, params={"versionId": version} if version else {})
        if answer.status_code in (404, 405):
            if method == "GET":
                assert answer.json()["code"] in ("not_found", "method_not_allowed"), answer.text
            return None
        if answer.status_code >= 400:
            raise Problem(answer)
        if point is not None:
            echo(answer)
        there = answer.headers
        meta = tuple(sorted((name.removeprefix("x-lockwell-meta-"), value) for name, value in there.items() if name.startswith("x-lockwell-meta-")))
        return Read(digest(answer.content) if method == "GET" else None, int(there["content-length"]), there["etag"], there.get("x-lockwell-version-id") or "null", there["content-type"], meta)
    at = S3At(key, point, way)
    try:
        told = (at.get_object if method == "GET" else at.head_object)(Bucket=bucket, Key=name, **({"VersionId": version} if version else {}))
    except botocore.exceptions.ClientError as error:
        if absent(error):
            return None
        raise
    if point is not None:
        echo(told)
    body = told["Body"].read() if method == "GET" else None
    return Read(None if body is None else digest(body), told["ContentLength"], told["ETag"], told.get("VersionId") or "null", told["ContentType"], tuple(sorted(told["Metadata"].items())))


def tags(key, bucket, name, version=None, point=None, door="s3", way="header"):
    """The tags in order, or None when the object was not there."""
    try:
        if door == "native":
            answer = ask(key.native, "GET", key.native.of(bucket, "/object-tags", name), point, way, params={"versionId": version} if version else {})
            if answer.status_code in (404, 405):
                return None
            if answer.status_code >= 400:
                raise Problem(answer)
            return tuple(sorted(answer.json()["tags"].items()))
        told = S3At(key, point, way).get_object_tagging(Bucket=bucket, Key=name, **({"VersionId": version} if version else {}))
        return tuple(sorted((one["Key"], one["Value"]) for one in told["TagSet"]))
    except botocore.exceptions.ClientError as error:
        if absent(error):
            return None
        raise


def refused_as_gone(key, bucket, name, point, version=None):
    """The content is gone, and both doors say so: what the native one told, which names the earliest point and the event."""
    message, _ = s3_refuses("BeforeHorizon", 410, S3At(key, point).get_object, Bucket=bucket, Key=name, **({"VersionId": version} if version else {}))
    answer = ask(key.native, "GET", key.native.of(bucket, "/objects", name), point, params={"versionId": version} if version else {})
    refused(answer, "before_horizon")
    told = answer.json()
    assert earliest_told(told) is not None, f"410 does not name the earliest point: {told}"
    assert any(character.isdecimal() for character in message), f"S3's 410 names neither point nor event: {message!r}"
    return told


def earliest_told(problem):
    """The earliest point that a 410 names, as a position."""
    for name in ("earliest", "earliestPoint", "earliestPosition", "horizon"):
        told = problem.get(name)
        if isinstance(told, dict):
            told = told.get("position")
        if told is not None:
            return int(str(told).removeprefix("pos:"))
    # Or in words.
    words = problem.get("message", "").replace(",", " ").replace("`", " ").split()
    found = [word.strip(".;()") for word in words if word.startswith(("pos:", "`pos:"))]
    return int(found[0].removeprefix("pos:")) if found else None


def events_of_key(native, bucket, name, limit=None):
    """Every event of a key, oldest first, over pages of this size."""
    found, cursor = [], None
    for _ in range(PAGES_MAX):
        query = ({"limit": limit} if limit else {}) | ({"cursor": cursor} if cursor else {})
        told = call(native, "GET", native.of(bucket, "/object-history", name), params=query).json()
        assert told["key"] == name, told
        assert limit is None or len(told["events"]) <= limit, f"{len(told['events'])} events on a page of {limit}"
        found, cursor = found + told["events"], told.get("nextCursor")
        if not cursor:
            return found
    raise AssertionError("the history of a key did not end")


# Diff.

class Side(NamedTuple):
    etag: str
    size: int
    version: str


def side(told):
    """One side of a line of a diff: None where no object was, or a delete marker."""
    if told is None or told.get("isDeleteMarker") or told.get("deleteMarker"):
        return None
    return Side(told["etag"], told["sizeBytes"], told.get("versionId") or "null")


def diff(native, bucket, since, until, prefix=None):
    """The changed keys, each with both its sides, in order."""
    answer = call(native, "GET", native.of(bucket, "/diff"), params={"from": since, "to": until} | ({"prefix": prefix} if prefix is not None else {}))
    assert answer.headers["content-type"].split(";")[0] == "application/x-ndjson", answer.headers
    lines = [json.loads(line) for line in answer.text.split("\n") if line]
    assert not answer.text or answer.text.endswith("\n"), "the last line of a diff does not end"
    keys = [line["key"] for line in lines]
    assert keys == sorted(set(keys), key=str.encode), f"the keys of a diff are not in order, or are told twice: {keys[:20]}"
    changes = {}
    for line in lines:
        before, after = side(line["before"]), side(line["after"])
        kind = "modified" if before and after else "added" if after else "removed" if before else None
        assert line["change"] in ("added", "removed", "modified"), line
        assert kind in (None, line["change"]), f"{line} is no {line['change']}"
        changes[line["key"]] = before, after
    return changes


# Restore and undo.

class Begun:
    """A task behind its request."""

    def __init__(self, answer):
        self.answer, self.task = answer, answer.json()
        self.id, self.request_id = self.task["id"], request_id(answer)

    def look(self, native):
        return native.call("GET", f"/tasks/{self.id}").json()

    def wait(self, native, patience_s=PATIENCE_S):
        """The task when it has done everything."""
        ended = eventually(lambda: (told := self.look(native))["status"] != "running" and told, f"the end of task {self.id}", patience_s)
        assert ended["status"] == "succeeded", f"the task did not succeed: {ended}"
        assert {"restored", "removed", "refused"} <= ended.keys(), f"the task does not say what it did: {ended}"
        return ended


class Plan(NamedTuple):
    """What a dry run says."""
    restored: int
    removed: int
    unchanged: int
    # Key to reason.
    refused: dict
    # Key to `restore` or `remove`.
    changes: dict
    truncated: bool


def begin(native, bucket, verb, **document):
    answer = native.call("POST", native.of(bucket, f"/{verb}"), json=document)
    assert answer.status_code == 202, f"{verb} answered {answer.status_code}: {answer.text[:300]}"
    return Begun(answer)


def plan(native, bucket, verb, **document):
    answer = native.call("POST", native.of(bucket, f"/{verb}"), json={**document, "dryRun": True})
    assert answer.status_code == 200, f"a dry run answered {answer.status_code}: {answer.text[:300]}"
    told = answer.json()
    assert told["dryRun"] is True, told
    found = Plan(told["restored"], told["removed"], told["unchanged"], {one["key"]: one["reason"] for one in told["refused"]},
                 {one["key"]: one["action"] for one in told["changes"]}, told["truncated"])
    assert set(found.changes.values()) <= {"restore", "remove"}, told
    if not found.truncated:
        counted = [list(found.changes.values()).count(kind) for kind in ("restore", "remove")]
        assert counted == [found.restored, found.removed], f"a dry run counts {found.restored} and {found.removed} and names {counted}"
    return found


def restore(native, bucket, point, prefix=None):
    """Puts keys back, to the end."""
    begun = begin(native, bucket, "restore", point=point, **({} if prefix is None else {"prefix": prefix}))
    begun.ended = begun.wait(native)
    return begun


def undo(native, bucket, **cause):
    """Reverses what a cause did, to the end."""
    begun = begin(native, bucket, "undo", **cause)
    begun.ended = begun.wait(native)
    return begun


def count(told):
    """A task counts what it refused; a list of them does for a count."""
    return len(told) if isinstance(told, list) else told


# Snapshots, windows, views, forks.

def snapshot(native, bucket, name, point=None, status=201):
    answer = native.call("PUT", native.of(bucket, f"/snapshots/{escape(name, '.')}"), json={} if point is None else {"point": point})
    assert answer.status_code == status, f"a snapshot answered {answer.status_code} instead of {status}: {answer.text[:300]}"
    told = answer.json()
    assert told["name"] == name and isinstance(told["position"], int) and moment(told["time"]) and moment(told["createdAt"]), told
    return told


def snapshots(native, bucket):
    return native.call("GET", native.of(bucket, "/snapshots")).json()["snapshots"]


def delete_snapshot(native, bucket, name):
    assert native.call("DELETE", native.of(bucket, f"/snapshots/{escape(name, '.')}")).status_code == 204


def set_window(native, bucket, window):
    return native.call("PUT", native.of(bucket, "/history"), json={"window": window}).json()


def window(native, bucket):
    return native.call("GET", native.of(bucket, "/history")).json()


def horizon(native, bucket):
    """The oldest position whose content is kept, or None."""
    told = window(native, bucket)["horizon"]
    return None if told is None else told["position"]


def view(native, name, base, point):
    return native.create_bucket(name, viewOf={"bucket": base, "point": point})


def fork(native, name, base, point):
    return native.create_bucket(name, forkOf={"bucket": base, "point": point})


# The server.

def sweep(scene):
    """Frees what nothing shows any more, until a sweep finds nothing: what was freed in all."""
    freed = 0
    for _ in range(20):
        told = scene.manage("POST", "/sweep")
        freed += told["freedBytes"]
        if not told["released"] and not told["freed"]:
            return freed
    raise AssertionError(f"twenty sweeps, and still something to free: {told}")


def blob_bytes(scene):
    """What the files of content take on the disk."""
    return sum(path.stat().st_blocks * 512 for path in (scene.folder / "data" / "blobs").rglob("*") if path.is_file())



def aws(key, *arguments):
    """AWS's own command line with a key: version 2 where it is installed, else the one of the virtual environment."""
    program = next((path for path in (pathlib.Path("/usr/bin/aws"), BESIDE / "aws") if path.exists()), None)
    assert program, "no aws-cli"
    environment = key.stage.server.environment | {"AWS_ACCESS_KEY_ID": key.access_key, "AWS_SECRET_ACCESS_KEY": key.secret_key, "AWS_DEFAULT_REGION": "us-east-1"}
    return run(program, "--endpoint-url", key.stage.endpoint, *arguments, env=environment)


def files_below(folder):
    """Path to digest of every file."""
    return {str(path.relative_to(folder)): digest(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def user(scene, tenant, name, scopes=None):
    """A key of another user of a tenant."""
    scene.manage("POST", f"/tenants/{tenant}/users", json={"id": name})
    told = scene.manage("POST", f"/tenants/{tenant}/keys", json={"user": name} | ({"scopes": scopes} if scopes else {}))
    made = Key(scene, tenant, told["accessKeyId"], told["secretKey"])
    made.user = name
    return made


def together(work, items, threads=16):
    """Each item's work by some threads at once, with what each came to, in order."""
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, items))


def said(text):
    """What a test measured, above its own line."""
    print(f"          {text}", flush=True)
