"""Where overload happens: a server whose disk, files and figures are the test's, and crowds of connections driven by one thread.

Owns: disks of a chosen size and their ballast, standing still of a file system, limits of open files, what /proc says of the server, crowds.
Does not own: tenants, keys and killing (tests/notifier/scene.py), signing (tests/attacks/wire.py), what is expected.
"""

import contextlib
import ctypes
import os
import pathlib
import random
import resource
import selectors
import shutil
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(1, str(pathlib.Path(__file__).resolve().parents[1] / "notifier"))
from scene import Scene, eventually, test  # noqa: E402, F401
from stage import LeftOut  # noqa: E402
import wire  # noqa: E402

MIB = 1 << 20
NEW_MOUNTS, NEW_USERS = 0x00020000, 0x10000000


# The suite's own surroundings.

def apart():
    """A mount namespace of our own: whatever is mounted goes with this process, however it ends. Without leave for one, that of a user
    namespace, in which memory can be mounted and nothing else. Whether either works shows when a disk is made."""
    libc, user, group = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if libc.unshare(NEW_MOUNTS) != 0:
        if libc.unshare(NEW_MOUNTS | NEW_USERS) != 0:
            return
        with contextlib.suppress(OSError):
            pathlib.Path("/proc/self/setgroups").write_text("deny")
            pathlib.Path("/proc/self/uid_map").write_text(f"0 {user} 1")
            pathlib.Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True)


def more_files():
    """As many open files for this process and its servers as it may have."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(hard, 40_000), max(hard, 40_000)))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def files_max():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def said(text):
    """What a test measured, above its own line."""
    print(f"          {text}", flush=True)


# Disks.

class Disk:
    """A file system of its own, of `mib` MiB: `ext4` on a loop device, or `tmpfs`."""

    def __init__(self, folder, kind, mib):
        self.image, self.path, self.kind = folder / "disk.image", folder / "disk", kind
        self.path.mkdir()
        if kind == "tmpfs":
            self._must("mount", "-t", "tmpfs", "-o", f"size={mib}m", "none", self.path)
        else:
            with open(self.image, "wb") as image:
                image.truncate(mib * MIB)
            # Nothing is kept for root, who this server is: what is free is what it can have.
            self._must("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard", self.image)
            self._must("mount", "-o", "loop", self.image, self.path)
        self.ballast = self.path / "ballast"

    def _must(self, *command):
        try:
            done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise LeftOut(f"no {self.kind} can be mounted here: {error}") from None
        if done.returncode:
            why = (done.stderr.strip() or "failed").splitlines()[0]
            raise LeftOut(f"no {self.kind} can be mounted here: {command[0]}: {why[:200]}")

    def free(self):
        stat = os.statvfs(self.path)
        return stat.f_bavail * stat.f_frsize

    def load(self, leave_mib):
        """Another program's file takes all but so much of what is free now."""
        with open(self.ballast, "ab") as ballast:
            size = ballast.tell()
            os.posix_fallocate(ballast.fileno(), size, max(self.free() - leave_mib * MIB, 0) or 1)

    def fill(self, stop=None):
        """The same, to the last byte, and again whatever somebody gives back, until `stop` is set: `once` when there is none."""
        with open(self.ballast, "ab", buffering=0) as ballast:
            while True:
                for size in (64 * MIB, MIB, 65_536, 4_096):
                    with contextlib.suppress(OSError):
                        while True:
                            os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, size)
                if stop is None or stop.wait(0.02):
                    return

    def unload(self):
        self.ballast.unlink(missing_ok=True)

    @contextlib.contextmanager
    def standing_still(self, most_s):
        """Nothing is written or made durable. The end does not depend on this process: a file system that stays frozen can be given
        back by nobody."""
        frozen = ["sh", "-c", 'fsfreeze -f "$1" || exit 1; echo frozen; sleep "$2"; fsfreeze -u "$1"', "sh", str(self.path), str(most_s)]
        with subprocess.Popen(frozen, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True) as keeper:
            if keeper.stdout.readline() != "frozen\n":
                raise LeftOut(f"a file system cannot be made to stand still here: {keeper.stderr.read().strip()[:200]}")
            try:
                yield
            finally:
                subprocess.run(["fsfreeze", "-u", str(self.path)], capture_output=True)
                os.killpg(keeper.pid, 9)

    def close(self):
        ends = time.monotonic() + 10
        while subprocess.run(["umount", str(self.path)], capture_output=True).returncode and time.monotonic() < ends:
            time.sleep(0.1)
        self.image.unlink(missing_ok=True)


# The server.

class Ground(Scene):
    @contextlib.contextmanager
    def apart_from(self, name, kind=None, mib=0, settings=None, of=("",), files=None):
        """Another server, for one test. With a `kind` of disk these folders of its data lie on one, \"\" all of it. `files` is its hard
        limit of open files."""
        folder = self.folder.parent / name
        folder.mkdir()
        disk, house, binary = None, None, self.binary
        try:
            if kind:
                disk = Disk(folder, kind, mib)
                for part in of:
                    (disk.path / f"data-{part}").mkdir()
                    if part:
                        (folder / "data").mkdir(mode=0o700, exist_ok=True)
                    (folder / "data" / part if part else folder / "data").symlink_to(disk.path / f"data-{part}")
            if files:
                binary = folder / "limited"
                binary.write_text(f'#!/bin/sh\nulimit -n {files} || exit 9\nexec "{self.binary}" "$@"\n')
                binary.chmod(0o700)
            house = Ground(binary, folder, settings or {}, self.options)
            house.disk = disk
            yield house
            house.server.stop()
        finally:
            if house and house.server.process.poll() is None:
                house.kill()
            if disk:
                disk.close()
            # Disks are files here: what one test took, the next may need.
            shutil.rmtree(folder / "data", ignore_errors=True)

    def signer(self, key=None):
        """Signs and sends byte by byte for a key."""
        key = key or self.root
        return wire.Key(self.server.host, key.access_key, key.secret_key)

    def ended(self):
        """The code that the server ended with, or None."""
        return self.server.process.poll()

    def rss_mib(self):
        status = pathlib.Path(f"/proc/{self.server.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) // 1024

    def cpu_s(self):
        fields = pathlib.Path(f"/proc/{self.server.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def files(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.server.process.pid}/task"))


def timed(work):
    began = time.monotonic()
    return work(), time.monotonic() - began


def ask(signer, *arguments, **rest):
    """A request's answer, or None when the connection ended or was refused without one."""
    try:
        return signer.ask(*arguments, **rest)
    except OSError:
        return None


def listed(signer, bucket):
    """All keys of a bucket, by pages."""
    found, after = set(), ""
    while True:
        answer = signer.ask("GET", f"/{bucket}", [("list-type", "2"), *([("start-after", after)] if after else [])])
        assert answer and answer.status == 200, str(answer)
        page = [piece.split("</Key>")[0] for piece in answer.body.decode().split("<Key>")[1:]]
        found.update(page)
        if b"<IsTruncated>true" not in answer.body:
            return found
        after = page[-1]


# Crowds: many connections at once, without a thread for each.

class Line:
    """One connection of a crowd."""

    def __init__(self, host, request=b"", source=None):
        name, port = host.rsplit(":", 1)
        self.out, self.got, self.open, self.reached = memoryview(request), bytearray(), True, False
        self.socket = socket.socket()
        self.socket.setblocking(False)
        if source:
            self.socket.bind((source, 0))
        self.socket.connect_ex((name, int(port)))

    def say(self, request):
        self.out = memoryview(bytes(self.out) + request)

    def answer(self):
        return wire.parse(bytes(self.got))

    def answered(self):
        return wire.whole(bytes(self.got))

    def close(self):
        self.socket.close()
        self.open = False


class Crowd:
    def __init__(self, host):
        self.host, self.lines, self.selector = host, [], selectors.EpollSelector()

    def add(self, request=b""):
        # 28,000 ports lead from one address to another: more than a crowd has.
        line = Line(self.host, request)
        self.lines.append(line)
        self.selector.register(line.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, line)
        return line

    def say(self, line, request):
        line.say(request)
        if line.open:
            self.selector.modify(line.socket, selectors.EVENT_READ | selectors.EVENT_WRITE, line)

    def go(self, until, patience_s):
        """Sends and reads until `until()` or the time is over: whether it came true."""
        ends = time.monotonic() + patience_s
        while not until():
            if time.monotonic() > ends:
                return False
            for key, events in self.selector.select(0.1):
                self._move(key.data, events)
        return True

    def _move(self, line, events):
        try:
            if events & selectors.EVENT_WRITE:
                if not line.reached:
                    error = line.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if error:
                        raise OSError(error, os.strerror(error))
                    line.reached = True
                if line.out:
                    line.out = line.out[line.socket.send(line.out[:1 << 18]):]
                if not line.out:
                    self.selector.modify(line.socket, selectors.EVENT_READ, line)
            if events & selectors.EVENT_READ:
                piece = line.socket.recv(1 << 16)
                if not piece:
                    raise ConnectionError
                line.got += piece
        except BlockingIOError:
            pass
        except OSError:
            self.selector.unregister(line.socket)
            line.close()

    def reached(self):
        return sum(line.reached for line in self.lines)

    def standing(self):
        """Connections that the other side has not ended, as far as was looked."""
        return sum(line.open and line.reached for line in self.lines)

    def answered(self):
        return sum(line.answered() for line in self.lines)

    def close(self):
        for line in self.lines:
            line.close()
        self.selector.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def request(signer, method, path, query=(), headers=None, body=b"", announced=None, keep=True):
    """The bytes of a signed request; announced and not sent is what is missing of the body."""
    headers = signer.signed(method, path, query, headers, body, wire.UNSIGNED if announced is not None else None)
    lines = [f"{method} {wire.target(path, query)} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()),
             f"content-length: {len(body) if announced is None else announced}", *([] if keep else ["connection: close"])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


# Writers whose acknowledged writes are known.

class Writers:
    """Threads that write objects of their own names, one after the other, each on a connection of its own, and note what they were told."""

    SIZES = (100, 1_500, 20_000, 300_000)

    def __init__(self, ground, bucket, count, seed):
        self.ground, self.bucket, self.seed = ground, bucket, seed
        self.acknowledged, self.refused, self.unknown, self.answers, self.last = set(), set(), set(), {}, 0.0
        self.stop, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self._write, args=(number,), daemon=True) for number in range(count)]

    def body(self, name):
        number = int(name.rpartition("-")[2])
        # Nothing that compresses: it is to take its room.
        return random.Random(f"{self.seed} {name}").randbytes(self.SIZES[number % 4])

    def _write(self, writer):
        signer, number = self.ground.signer(), 0
        while not self.stop.is_set():
            name = f"w{writer:02}-{number:06}"
            answer, number = ask(signer, "PUT", f"/{self.bucket}/{name}", body=self.body(name)), number + 1
            with self.lock:
                # Of a writer that ended in the middle of a commit nobody knows what it reached.
                if answer is None or answer.code == "ServiceUnavailable":
                    self.unknown.add(name)
                elif answer.status == 200:
                    self.acknowledged.add(name)
                    self.last = time.monotonic()
                else:
                    self.refused.add(name)
                told = (None, None) if answer is None else (answer.status, answer.code)
                self.answers[told] = self.answers.get(told, 0) + 1
            if answer is None or answer.status != 200:
                time.sleep(0.05)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join(60)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def check(self, what):
        """What was acknowledged is there and as it was sent; what was refused is not; of the rest nobody knows."""
        signer = self.ground.signer()
        there = listed(signer, self.bucket)
        lost, odd = self.acknowledged - there, there - self.acknowledged - self.unknown
        assert not lost, f"{what}: {len(lost)} of {len(self.acknowledged)} acknowledged writes are lost: {sorted(lost)[:5]}"
        assert not odd, f"{what}: {len(odd)} writes that were refused are there: {sorted(odd)[:5]}"
        with_bytes = sorted(self.acknowledged)
        # The last ones of each writer, and a spread of the others.
        for name in {*with_bytes[::max(len(with_bytes) // 300, 1)], *(max((n for n in with_bytes if n.startswith(f"w{writer:02}-")), default=with_bytes[0]) for writer in range(len(self.threads)))}:
            answer = signer.ask("GET", f"/{self.bucket}/{name}")
            assert answer and answer.status == 200 and answer.body == self.body(name), f"{what}: {name} came back otherwise: {str(answer)[:200]}"

    def told(self):
        return ", ".join(f"{count} x {status} {code}" if status else f"{count} x no answer" for (status, code), count in sorted(self.answers.items(), key=str) if status != 200)
