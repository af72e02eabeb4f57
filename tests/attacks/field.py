"""Where the attacks happen: a server, its administrator, keys that may do little, and proof that nothing changed."""

import contextlib
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
from kit import Server, known_settings  # noqa: E402
from wire import Answer, Key  # noqa: E402

ATTACKS = {}
SETTINGS = {}
# What an attack may add to the server's memory. Generous: uploads in flight have buffers of their own.
GROWTH_MIB = 300


def attack(function=None, *, settings=None):
    """Names an attack; those with the same settings share a server."""
    def register(function):
        name = function.__name__.replace("_", "-")
        ATTACKS[name], SETTINGS[name] = function, settings or {}
        return function
    return register(function) if function else register


class Field:
    def __init__(self, binary, folder, settings):
        folder.mkdir()
        self.server = Server(binary, folder, known_settings(binary, settings))
        self.host = self.server.host
        environment = self.server.environment
        self.admin = Key(self.host, environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        self.server.manage("user", "create", "--tenant", "default", "--id", "mallory")
        self.made = 0

    def key(self, scopes):
        """A key of another user of the tenant, with these scopes."""
        self.made += 1
        name, secret = f"SCOPED{self.made:014}", f"secret-of-mallory-{self.made:04}"
        self.server.manage("key", "create", "--tenant", "default", "--user", "mallory", "--access-key", name, "--secret-key", secret, "--scopes", scopes)
        return Key(self.host, name, secret)

    def bucket(self, name, headers=None):
        expect(self.admin.ask("PUT", f"/{name}", headers=headers), 200)
        return name

    def state(self, bucket):
        """Everything there is to see of a bucket: versions with tags of content, uploads with their parts."""
        versions = expect(self.admin.ask("GET", f"/{bucket}", [("versions", ""), ("encoding-type", "url")]), 200).body
        uploads = expect(self.admin.ask("GET", f"/{bucket}", [("uploads", ""), ("encoding-type", "url")]), 200).body
        assert b"<IsTruncated>false</IsTruncated>" in versions, "more than a page: the attack should use a bucket of its own"
        return versions, uploads

    @contextlib.contextmanager
    def unchanged(self, *buckets):
        before = [self.state(bucket) for bucket in buckets]
        yield
        for bucket, was in zip(buckets, before):
            assert self.state(bucket) == was, f"{bucket} changed: {was} became {self.state(bucket)}"

    @contextlib.contextmanager
    def standing(self):
        """The server stands afterwards, answers at once, and took no more memory than it may."""
        before = self.server.peak_memory_mib()
        yield
        assert self.server.process.poll() is None, f"the server ended: {self.server.log_path.read_text()[-2000:]}"
        began = time.monotonic()
        expect(self.admin.ask("GET", "/"), 200)
        assert time.monotonic() - began < 5, "the server answers slowly"
        grown = self.server.peak_memory_mib() - before
        assert grown < GROWTH_MIB, f"memory grew by {grown} MiB"


def expect(answer, status, code=None):
    """An answer with this status and error code; several codes where S3 leaves the choice."""
    assert isinstance(answer, Answer), f"no answer instead of {status} {code}"
    codes = code if isinstance(code, tuple) else (code,)
    assert answer.status == status and (code is None or answer.code in codes), f"{answer} instead of {status} {code}"
    return answer


def put(key, path, body=b"content", headers=None):
    """PutObject that works: the version's id, or None."""
    return expect(key.ask("PUT", path, headers=headers, body=body), 200).headers.get("x-amz-version-id")


def text(answer, element):
    """The text of the first element of this name."""
    body = answer.body.decode()
    return body.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
