"""What suites against a running server share: a server of their own on free ports, its credentials, trees of files compared.

Owns: starting and stopping the program, making tenants, users and keys with its own command line, comparing trees.
Does not own: what is asked of the server.
"""

import filecmp
import http.client
import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Programs of the virtual environment that runs this.
BESIDE = pathlib.Path(sys.executable).parent
CLIENTS = {}


def client(function=None, *, full=False):
    """Names a round of a client; `full` ones need packages that are too large for every run."""
    def register(function):
        function.full = full
        CLIENTS[function.__name__.replace("_", "-")] = function
        return function
    return register(function) if function else register


def run(*command, env=None, input=None, ok=(0,), cwd=None):
    done = subprocess.run([str(part) for part in command], env=env, input=input, cwd=cwd, capture_output=True, text=True, timeout=1800)
    if done.returncode not in ok:
        raise AssertionError(f"{' '.join(map(str, command))} exited {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def same_tree(left, right):
    compared = filecmp.dircmp(left, right)
    pending = [compared]
    while pending:
        one = pending.pop()
        odd = one.left_only + one.right_only + one.funny_files
        assert not odd, f"only on one side: {odd[:5]} under {one.left}"
        _, differing, errors = filecmp.cmpfiles(one.left, one.right, one.common_files, shallow=False)
        assert not differing and not errors, f"differ: {differing[:5]} {errors[:5]} under {one.left}"
        pending.extend(one.subdirs.values())


def same_files(left, right):
    """S3 keeps no empty directories."""
    for path in left.rglob("*"):
        if path.is_file():
            other = right / path.relative_to(left)
            assert other.is_file() and filecmp.cmp(path, other, shallow=False), f"{path} differs"
    extra = [path for path in right.rglob("*") if path.is_file() and not (left / path.relative_to(right)).is_file()]
    assert not extra, f"came back only: {extra[:5]}"


def same_bytes(got, expected, what="content"):
    """Says how two contents differ and never prints them."""
    if got != expected:
        first = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        raise AssertionError(f"{what}: {len(got)} bytes came back of {len(expected)}, different from byte {first} on")


def status(url, expected, method="GET", data=None):
    """Asks an address with nothing but what stands in it and expects this status; the body of the answer."""
    where = urllib.parse.urlsplit(url)
    # urllib would add a Content-Type, which Signature Version 2 signs.
    connection = http.client.HTTPConnection(where.netloc, timeout=60)
    connection.request(method, f"{where.path}?{where.query}", data)
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == expected, f"{method} answered {answer.status}, not {expected}: {body[:500]}"
    return body


def make_tree(folder, files, seed):
    chance = random.Random(seed)
    names = ["plain.txt", "with space.txt", "plus+sign.txt", "ünïcode-ß.txt", "per%cent.txt", "ampers&nd.txt", "quote'd.txt", "tilde~.txt", "(paren).txt", "comma,semi;.txt"]
    for index in range(files):
        depth = chance.randrange(4)
        parent = folder.joinpath(*(f"dir {chance.randrange(5)}" if chance.randrange(9) == 0 else f"d{chance.randrange(8)}" for _ in range(depth)))
        parent.mkdir(parents=True, exist_ok=True)
        size = chance.choice([0, 1, 100, 2_000, 2_100, 5_000, 70_000, 200_000])
        body = chance.randbytes(size) if index % 2 else (b'{"name": "value", "index": %d}\n' % index) * (size // 30)
        (parent / f"{index}-{names[index % len(names)]}").write_bytes(body)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def known_settings(binary, settings):
    """Those of the settings that this server has: an older one has fewer, and refuses to start with one that it does not know."""
    listed = {line.split()[0] for line in run(binary, "--check-config").splitlines() if line}
    for name in sorted(settings.keys() - listed):
        print(f"this server has no setting {name}: what needs it fails")
    return {name: value for name, value in settings.items() if name in listed}


class Server:
    """The program on a data directory of its own, with settings as HOLDFAST__SECTION__KEY takes them."""

    def __init__(self, binary, folder, settings=None, port=None, admin_port=None):
        self.binary, self.data = binary, folder / "data"
        self.port, self.admin_port = port or free_port(), admin_port or free_port()
        self.host = f"127.0.0.1:{self.port}"
        self.endpoint = f"http://{self.host}"
        self.log_path = folder / "server.log"
        # Nothing of the caller's own AWS set-up may reach the clients, and no setting of theirs the server.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "HOLDFAST_"))}
        own = {f"HOLDFAST__{key.replace('.', '__').upper()}": str(value) for key, value in (settings or {}).items()}
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [binary, "serve", "--data", self.data, "--listen", self.host, "--admin-listen", f"127.0.0.1:{self.admin_port}"],
                env=self.environment | own, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise SystemExit(f"the server did not start: {self.log_path.read_text()[-3000:]}")
            time.sleep(0.05)
        for line in (self.data / "first-run.env").read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                name, value = line.removeprefix("export ").split("=", 1)
                self.environment[name] = value.strip("'\"")
        self.environment["AWS_CONFIG_FILE"] = self.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(folder / "none")
        self.environment["AWS_EC2_METADATA_DISABLED"] = "true"

    def ready(self):
        try:
            return urllib.request.urlopen(self.endpoint + "/readyz", timeout=2).status == 200
        except OSError:
            return False

    def manage(self, *arguments):
        """The program's own commands: tenant, user and key."""
        return run(self.binary, *arguments, "--data", self.data, env=self.environment)

    def peak_memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, f"the server ended with {code}"

    def kill(self):
        self.process.kill()
        self.process.wait(60)


class Case:
    """What a client test gets: the server, its environment, a tree, a big file and a folder to write in."""

    def __init__(self, server, tree, big, folder, name):
        self.server, self.tree, self.big, self.name = server, tree, big, name
        self.env, self.endpoint = server.environment, server.endpoint
        self.folder = folder / name
        self.folder.mkdir()
        self.bucket = f"clients-{name}"
        self.key, self.secret = self.env["AWS_ACCESS_KEY_ID"], self.env["AWS_SECRET_ACCESS_KEY"]
        self.files = sum(1 for path in tree.rglob("*") if path.is_file())

    def make_bucket(self):
        """For clients that make no buckets themselves."""
        import boto3
        boto3.client("s3", endpoint_url=self.endpoint, aws_access_key_id=self.key, aws_secret_access_key=self.secret,
                     region_name="us-east-1").create_bucket(Bucket=self.bucket)
        return self.bucket
