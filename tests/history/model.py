"""What history must show, kept by the simplest means: after each write a copy of the whole state.

Owns: what versions, markers and tags each position shows; random writes that are sent to the server and noted here.
Does not own: asking the server about the past (past.py), what is compared (each/properties.py).
"""

import bisect
import datetime
import hashlib
import urllib.parse
from typing import NamedTuple

import botocore.exceptions
from past import Entry, Listed, Side, digest, position, request_id, stamp

# Part sizes of S3: the last may be small.
PART_MIN = 5 << 20
FOLDERS = ("", "a/", "a/b/", "dir with space/", "ü/", "z+&/")
TYPES = ("text/plain", "application/json", "binary/octet-stream")


class Version(NamedTuple):
    id: str
    marker: bool = False
    digest: str = ""
    size: int = 0
    etag: str = ""
    type: str = ""
    metadata: tuple = ()
    tags: tuple = ()
    # Of a retention: mode and end.
    retention: tuple | None = None

    def same_object(self, other):
        """Whether both show a reader the same: where a version stands is not asked."""
        return self._replace(id="", retention=None) == other._replace(id="", retention=None)


class Write(NamedTuple):
    """A write that changed something."""
    position: int
    request: str
    actor: str
    keys: tuple
    kind: str


def current(state):
    """Key to its version, of the objects that are there."""
    return {key: stack[0] for key, stack in state.items() if not stack[0].marker}


def entries(state, prefix="", delimiter=""):
    """What a listing shows: entries and common prefixes."""
    found, folders = [], []
    for key, version in sorted(current(state).items(), key=lambda one: one[0].encode()):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        if at < 0:
            found.append(Entry(key, version.etag, version.size))
        elif key[:at + len(delimiter)] not in folders:
            folders.append(key[:at + len(delimiter)])
    return found, folders


def listed(state, prefix=""):
    """What a listing of versions shows: versions and markers."""
    every = [(key, number == 0, version) for key in sorted(state, key=str.encode) if key.startswith(prefix) for number, version in enumerate(state[key])]
    return ([Listed(key, one.id, latest, one.etag, one.size) for key, latest, one in every if not one.marker],
            [Listed(key, one.id, latest, None, None) for key, latest, one in every if one.marker])


def side(state, key):
    """One side of a line of a diff."""
    stack = state.get(key)
    return Side(stack[0].etag, stack[0].size, stack[0].id) if stack and not stack[0].marker else None


class Model:
    """A bucket's states by position. States are never changed, only replaced."""

    def __init__(self, bucket, versioning="suspended"):
        self.bucket, self.versioning = bucket, versioning
        self.state, self.positions, self.states, self.writes = {}, [], [], []
        # Between these positions a state is not known: a batch was being carried out.
        self.unknown = []

    def note(self, at, state, write=None, whole=True):
        """A write made this state. One that is many events leaves the positions between unknown, and so does one without an event."""
        assert not self.positions or at > self.positions[-1], f"position {at} after {self.positions[-1]}"
        if not whole and self.positions:
            self.unknown.append((self.positions[-1], at))
        self.state = state
        self.positions.append(at)
        self.states.append(state)
        if write:
            self.writes.append(write)

    def knows(self, at):
        return bool(self.positions) and at >= self.positions[0] and not any(since < at < until for since, until in self.unknown)

    def at(self, at):
        return self.states[bisect.bisect_right(self.positions, at) - 1]

    def changed(self, since, until):
        """Keys that writes touched after one position, up to another."""
        return {key for write in self.writes if since < write.position <= until for key in write.keys}

    # What a write makes of a key's versions.

    def with_version(self, key, version):
        stack = self.state.get(key, ())
        if version.id == "null":
            stack = tuple(one for one in stack if one.id != "null")
        return self.state | {key: (version, *stack)}

    def without_version(self, key, version_id):
        stack = tuple(one for one in self.state.get(key, ()) if one.id != version_id)
        state = {name: versions for name, versions in self.state.items() if name != key}
        return state | {key: stack} if stack else state

    def with_changed(self, key, version_id, **what):
        stack = tuple(one._replace(**what) if one.id == version_id else one for one in self.state[key])
        return self.state | {key: stack}


class Writer:
    """Random writes into a bucket by a key, one after the other, each noted in the model."""

    def __init__(self, model, chance, keys=60, locked=False, versions=True, max_body=70_000):
        self.model, self.chance, self.locked, self.versions, self.max_body = model, chance, locked, versions, max_body
        self.names = [f"{chance.choice(FOLDERS)}k{number}" for number in range(keys)]
        self.counted = {}

    def body(self):
        size = min(self.chance.choice((0, 1, 30, 30, 200, 1_900, 2_100, 5_000, 70_000)), self.max_body)
        # Most begin so, that equal contents are never made by chance.
        head = b"%x " % self.chance.getrandbits(64)
        return (head + self.chance.randbytes(max(0, size - len(head))))[:size] if size else b""

    def some_tags(self):
        return tuple(sorted({self.chance.choice("abc"): self.chance.choice(("1", "two words", "ü", "")) for _ in range(self.chance.randrange(4))}.items()))

    def step(self, key):
        """One write. It is chosen anew while there is nothing for it to change."""
        while True:
            kinds = {"put": 40, "delete": 14, "tag": 10, "untag": 3, "copy": 9, "multipart": 2, "batch": 2}
            if self.versions:
                kinds["delete_version"] = 8
            if self.locked:
                kinds |= {"retain": 5, "refused": 2}
            kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
            if getattr(self, kind)(key):
                self.counted[kind] = self.counted.get(kind, 0) + 1
                return kind

    def known(self, among=None):
        """A key that is there."""
        there = sorted(current(self.model.state))
        return self.chance.choice(there) if there else None

    def note(self, key, answer, state, keys, kind, whole=True):
        at = position(answer)
        self.model.note(at, state, Write(at, request_id(answer), key.access_key, tuple(keys), kind), whole)
        return True

    # The writes.

    def put(self, key, name=None, body=None):
        model, bucket = self.model, self.model.bucket
        name, body = name or self.chance.choice(self.names), self.body() if body is None else body
        type, tags = self.chance.choice(TYPES), self.some_tags()
        metadata = (("author", f"a{self.chance.randrange(9)}"),) if self.chance.random() < 0.5 else ()
        if self.chance.random() < 0.3:
            answer = key.s3.put_object(Bucket=bucket, Key=name, Body=body, ContentType=type, Metadata=dict(metadata), Tagging=urllib.parse.urlencode(tags))
            version = answer.get("VersionId")
        else:
            headers = {"Content-Type": type, "X-Lockwell-Tagging": urllib.parse.urlencode(tags)} | {f"X-Lockwell-Meta-{one}": value for one, value in metadata}
            answer = key.native.call("PUT", key.native.of(bucket, "/objects", name), content=body, headers=headers)
            version = answer.json().get("versionId")
        made = Version(version or "null", False, digest(body), len(body), f'"{hashlib.md5(body).hexdigest()}"', type, metadata, tags)
        return self.note(key, answer, model.with_version(name, made), [name], "put")

    def multipart(self, key):
        bucket, name = self.model.bucket, self.chance.choice(self.names)
        # Long first parts are slow and seldom.
        pieces = [self.chance.randbytes(PART_MIN)] * (self.chance.random() < 0.05) + [self.body() or b"x"]
        upload = key.native.create_upload(bucket, name, contentType="text/x-parts")
        parts = [key.native.upload_part(bucket, name, upload, number, piece) for number, piece in enumerate(pieces, 1)]
        document = {"parts": [{"partNumber": part["partNumber"], "etag": part["etag"]} for part in parts]}
        answer = key.native.call("POST", key.native.of(bucket, f"/multipart/{upload}/complete", name), json=document)
        whole, told = b"".join(pieces), answer.json()
        etag = hashlib.md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()
        made = Version(told.get("versionId") or "null", False, digest(whole), len(whole), f'"{etag}-{len(pieces)}"', "text/x-parts")
        return self.note(key, answer, self.model.with_version(name, made), [name], "multipart")

    def copy(self, key):
        source, name = self.known(), self.chance.choice(self.names)
        if source in (None, name):
            return False
        answer = key.s3.copy_object(Bucket=self.model.bucket, Key=name, CopySource={"Bucket": self.model.bucket, "Key": source})
        of = self.model.state[source][0]
        made = of._replace(id=answer.get("VersionId") or "null", etag=answer["CopyObjectResult"]["ETag"], retention=None)
        return self.note(key, answer, self.model.with_version(name, made), [name], "copy")

    def deleted(self, name, marker):
        """The state when a delete without a version was answered with this marker, or none."""
        model = self.model
        if marker:
            return model.with_version(name, Version(marker, marker=True))
        return model.without_version(name, "null")

    def delete(self, key, name=None):
        model = self.model
        name = name or (self.known() if self.chance.random() < 0.9 or not model.state else self.chance.choice(sorted(model.state)))
        if name is None:
            return False
        if self.chance.random() < 0.3:
            answer = key.s3.delete_object(Bucket=model.bucket, Key=name)
            marker = answer.get("VersionId", "null") if answer.get("DeleteMarker") else None
        else:
            answer = key.native.call("DELETE", key.native.of(model.bucket, "/objects", name))
            told = answer.json() if answer.content else {}
            marker = told.get("versionId") or "null" if told.get("deleteMarker") else None
        assert bool(marker) == (model.versioning != "off"), f"a delete made the marker {marker} in a bucket with versioning {model.versioning}"
        return self.note(key, answer, self.deleted(name, marker), [name], "delete")

    def batch(self, key):
        model = self.model
        there = sorted(current(model.state))
        if len(there) < 5:
            return False
        names = self.chance.sample(there, self.chance.randrange(2, 5))
        answer = key.native.call("POST", key.native.of(model.bucket, "/objects:batchDelete"), json={"objects": [{"key": name} for name in names]})
        told = {one["key"]: one.get("deleteMarkerVersionId") or one.get("versionId") or "null" for one in answer.json()["deleted"]}
        assert sorted(told) == sorted(names), f"a batch deleted {sorted(told)}, not {sorted(names)}"
        state, before = model.state, model.state
        for name in names:
            state = self.deleted(name, told[name] if model.versioning != "off" else None)
            model.state = state
        model.state = before
        return self.note(key, answer, state, names, "batch", whole=False)

    def a_version(self):
        stacks = sorted(name for name, stack in self.model.state.items() if len(stack) > 1 or self.chance.random() < 0.1)
        if not stacks:
            return None, None
        name = self.chance.choice(stacks)
        return name, self.chance.choice(self.model.state[name])

    def delete_version(self, key):
        name, version = self.a_version()
        if name is None or self.model.versioning == "off":
            return False
        answer = key.s3.delete_object(Bucket=self.model.bucket, Key=name, VersionId=version.id, **({"BypassGovernanceRetention": True} if version.retention else {}))
        return self.note(key, answer, self.model.without_version(name, version.id), [name], "delete_version")

    def tag(self, key, tags=None):
        tags = self.some_tags() if tags is None else tags
        if self.chance.random() < 0.7 or not self.versions:
            name = self.known()
            version = name and self.model.state[name][0]
        else:
            name, version = self.a_version()
        if not name or version.marker or version.tags == tags:
            return False
        of = {} if version is self.model.state[name][0] else {"versionId": version.id}
        path = key.native.of(self.model.bucket, "/object-tags", name)
        answer = key.native.call("PUT", path, json={"tags": dict(tags)}, params=of) if tags else key.native.call("DELETE", path, params=of)
        return self.note(key, answer, self.model.with_changed(name, version.id, tags=tags), [name], "tag")

    def untag(self, key):
        return self.tag(key, ())

    def retain(self, key):
        """Retention by governance is prolonged, and shortened by whoever bypasses it."""
        name, version = self.a_version()
        if name is None or version.marker:
            return False
        until = datetime.datetime(2040 + self.chance.randrange(50), 1, 1, tzinfo=datetime.timezone.utc)
        if version.retention == ("GOVERNANCE", stamp(until)):
            return False
        answer = key.s3.put_object_retention(Bucket=self.model.bucket, Key=name, VersionId=version.id, BypassGovernanceRetention=True,
                                             Retention={"Mode": "GOVERNANCE", "RetainUntilDate": until})
        return self.note(key, answer, self.model.with_changed(name, version.id, retention=("GOVERNANCE", stamp(until))), [name], "retain")

    def refused(self, key):
        """What a lock refuses changes nothing, now or in the past."""
        for name, stack in sorted(self.model.state.items()):
            for version in stack:
                if version.retention:
                    try:
                        key.s3.delete_object(Bucket=self.model.bucket, Key=name, VersionId=version.id)
                    except botocore.exceptions.ClientError as error:
                        assert error.response["Error"]["Code"] == "AccessDenied", error
                        return True
                    raise AssertionError(f"a retained version of {name} was deleted")
        return False

    def suspend(self, key):
        """From now on new versions are `null`."""
        answer = key.native.call("PUT", key.native.of(self.model.bucket, "/versioning"), json={"status": "suspended"})
        self.model.versioning = "suspended"
        self.model.note(position(answer), self.model.state)


KINDS = ("unversioned", "versioned", "suspended", "locked")


def bucket_of(scene, key, kind):
    """A new bucket of this kind, and the model of it, whose first state is the empty one."""
    options = {"unversioned": {}, "versioned": {"versioning": "enabled"}, "suspended": {"versioning": "enabled"}, "locked": {"objectLockEnabled": True}}[kind]
    name = scene.name(kind)
    answer = key.native.call("POST", "/buckets", json={"name": name, **options})
    model = Model(name, "off" if kind == "unversioned" else "enabled")
    model.note(position(answer), {})
    return model


def write(scene, key, kind, count, what, keys=60, **rest):
    """A bucket of this kind after so many random writes: its model and the writer, who may go on."""
    model = bucket_of(scene, key, kind)
    writer = Writer(model, scene.chance(f"{what} {kind}"), keys, locked=kind == "locked", versions=rest.pop("versions", kind != "unversioned"), **rest)
    for number in range(count):
        if kind == "suspended" and number == count // 2:
            writer.suspend(key)
        writer.step(key)
    return model, writer
