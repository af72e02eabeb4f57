"""Where the tests of the native API happen: a server, its operator, tenants with keys, and clients of every kind for each key.

Owns: making tenants and keys through the admin API, names of buckets that no other test has.
Does not own: starting the program (tests/clients/kit.py), what is expected.
"""

import contextlib
import datetime
import pathlib
import sys
import time

import httpx

sys.path[1:1] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("clients", "attacks")]
import wire  # noqa: E402
from client import Client  # noqa: E402
from kit import ROOT, Server, known_settings  # noqa: E402, F401

TESTS, SERVERS, FULL = {}, {}, set()


def test(function=None, *, settings=None, alone=False, full=False):
    """Names a test; those with the same settings share a server unless one must be alone. `full` ones run with --full only."""
    def register(function):
        name = function.__name__.replace("_", "-")
        assert name not in TESTS, f"two tests are named {name}"
        TESTS[name], SERVERS[name] = function, (settings or {}, name if alone else None)
        if full:
            FULL.add(name)
        return function
    return register(function) if function else register


class LeftOut(Exception):
    """This machine lacks what a test needs: it is left out, and the summary says so."""


class Key:
    """An access key and who asks with it: natively, by S3, or byte by byte."""

    def __init__(self, stage, tenant, access_key, secret_key):
        self.stage, self.tenant, self.access_key, self.secret_key = stage, tenant, access_key, secret_key
        self.native = Client(stage.endpoint, access_key, secret_key)
        self._s3 = None

    @property
    def s3(self):
        """boto3, each request sent once."""
        if not self._s3:
            self._s3 = self.connect()
        return self._s3

    def connect(self, **config):
        import boto3
        import botocore.config
        config = botocore.config.Config(signature_version="s3v4", retries={"max_attempts": 0}, s3={"addressing_style": "path"}, **config)
        return boto3.client("s3", endpoint_url=self.stage.endpoint, region_name="us-east-1", aws_access_key_id=self.access_key,
                            aws_secret_access_key=self.secret_key, config=config)

    def another_client(self):
        """A client with connections of its own and this key's token."""
        one = Client(self.stage.endpoint, self.access_key, self.secret_key)
        one.held, one.until = self.native.token(), self.native.until
        return one

    def raw(self, method, path, headers=None, body=b"", announced=None):
        """One request whose path goes out as it is given, after /api/v1."""
        headers = {"host": self.stage.server.host, "authorization": f"Bearer {self.native.token()}", **(headers or {})}
        return wire.send(self.stage.server.host, method, "/api/v1" + path, headers, body, announced)


class Stage:
    def __init__(self, binary, folder, settings, full=False):
        # Some suites have put a disk there.
        folder.mkdir(exist_ok=True)
        self.folder, self.full = folder, full
        self.server = Server(binary, folder, known_settings(binary, settings))
        environment = self.server.environment
        self.endpoint, self.admin_url = self.server.endpoint, environment["HOLDFAST_ADMIN_URL"]
        self.http = httpx.Client(timeout=60, trust_env=False)
        self.operator = httpx.Client(timeout=60, trust_env=False, base_url=self.admin_url + "/admin/api/v1",
                                     headers={"Authorization": f"Bearer {environment['HOLDFAST_ADMIN_TOKEN']}"})
        self.root = Key(self, "default", environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"])
        self.native, self.s3 = self.root.native, self.root.s3
        self.made = 0

    def manage(self, method, path, **rest):
        """A request to the admin API that must work: its document."""
        answer = self.operator.request(method, path, **rest)
        assert answer.status_code < 300, f"{method} {path} answered {answer.status_code}: {answer.text[:500]}"
        return answer.json() if answer.content else None

    def name(self, what):
        self.made += 1
        return f"{what}-{self.made}"

    def tenant(self, what="tenant"):
        """A new tenant's key for everything."""
        name = self.name(what)
        self.manage("POST", "/tenants", json={"id": name, "name": name})
        return self.key(tenant=name)

    def key(self, scopes=None, tenant="default"):
        told = self.manage("POST", f"/tenants/{tenant}/keys", json={"scopes": scopes} if scopes else {})
        return Key(self, tenant, told["accessKeyId"], told["secretKey"])

    def revoke(self, key):
        self.manage("POST", f"/tenants/{key.tenant}/keys/{key.access_key}/revoke", json={"reason": "a test says so"})

    def bucket(self, what="native", key=None, **options):
        """A new bucket's name."""
        name = self.name(what)
        (key or self.root).native.create_bucket(name, **options)
        return name

    def quota(self, key, **limits):
        return self.manage("PUT", f"/tenants/{key.tenant}/quota", json=limits)


def in_days(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).replace(microsecond=0)


def stamp(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text):
    """A point in time that the server wrote."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


def eventually(wanted, what, patience_s=30):
    """Waits for what takes its time."""
    ends = time.monotonic() + patience_s
    while not (found := wanted()):
        assert time.monotonic() < ends, f"{what} did not happen within {patience_s} s"
        time.sleep(0.05)
    return found


@contextlib.contextmanager
def raises(code, status=None):
    """A problem with this code is raised."""
    from client import Problem
    from contract import refused
    try:
        yield
    except Problem as problem:
        refused(problem.answer, code, status)
        return
    raise AssertionError(f"no {code}: it worked")
