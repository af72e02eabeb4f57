"""Backups and restores from outside: under load, killed at any moment, read back by boto3; what subscribers are told of a restore.

Owns: a load whose outcome is known, killing the server, the backup and the restore. Does not own: damage (the store's own tests).
"""

import datetime
import hashlib
import http.server
import json
import pathlib
import random
import shutil
import subprocess
import threading
import time

from kit import Server, run
from stage import Key, eventually, stamp, test

LOOPBACK = {"notifier.allowed_networks": "127.0.0.0/8", "notifier.retry_schedule": "0s,1s,1s,1s,1s,1s,1s,1s", "notifier.timeout_s": 5}
# What a sweep may remove goes at once, and segments are short.
HASTY = {"history.window": "0s", "storage.sweep_grace_s": 0, "storage.segment_mib": 16}


def digest(body):
    return hashlib.sha256(body).hexdigest()


class Load:
    """Threads that put, overwrite and delete, each its own keys, and know what each key must be. What a kill left unanswered may
    be either."""

    def __init__(self, key, bucket, threads=3, seed=0):
        self.key, self.bucket = key, bucket
        self.stop, self.known, self.unsure, self.answered = threading.Event(), {}, {}, 0
        self.threads = [threading.Thread(target=self.write, args=(number, random.Random(f"{seed} {number}"))) for number in range(threads)]
        for thread in self.threads:
            thread.start()

    def write(self, number, chance):
        s3 = self.key.connect()
        while not self.stop.is_set():
            name = f"{number}/{chance.randrange(60):03}"
            body = None if chance.randrange(5) == 0 else chance.randbytes(chance.choice([0, 100, 3_000, 40_000, 300_000]))
            wanted = None if body is None else digest(body)
            try:
                if body is None:
                    s3.delete_object(Bucket=self.bucket, Key=name)
                else:
                    s3.put_object(Bucket=self.bucket, Key=name, Body=body)
            except Exception:
                # The server is away, or was killed before it answered.
                self.unsure.setdefault(name, []).append(wanted)
                time.sleep(0.05)
                continue
            self.known[name] = wanted
            self.unsure.pop(name, None)
            self.answered += 1

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def check(self, s3):
        """Everything that was answered is there, and nothing else but what may be."""
        found = {name: digest(s3.get_object(Bucket=self.bucket, Key=name)["Body"].read()) for name in names(s3, self.bucket)}
        for name in self.known.keys() | self.unsure.keys() | found.keys():
            allowed = [self.known.get(name), *self.unsure.get(name, [])]
            assert found.get(name) in allowed, f"{name}: {found.get(name)} is none of {allowed}"
        return len(found)


def names(s3, bucket):
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    return [one["Key"] for page in pages for one in page.get("Contents", [])]


def versions(s3, bucket):
    """Every version and marker, with the digest of what it reads as."""
    told = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for one in page.get("Versions", []):
            body = s3.get_object(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["Body"].read()
            told.append((one["Key"], one["VersionId"], one["IsLatest"], one["ETag"], one["Size"], digest(body)))
        told += [(one["Key"], one["VersionId"], one["IsLatest"]) for one in page.get("DeleteMarkers", [])]
    return sorted(told)


class House:
    """A server of one's own, its backup beside it, and servers of what is restored from it."""

    def __init__(self, stage, name, settings=None):
        self.binary, self.folder, self.settings = stage.server.binary, stage.folder / name, settings or {}
        self.folder.mkdir()
        self.server = Server(self.binary, self.folder, self.settings)
        self.backup, self.restores = self.folder / "backup", 0
        self.servers = [self.server]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for server in self.servers:
            if server.process.poll() is None:
                server.kill()

    def start(self):
        """The server once more, after it was killed or stopped."""
        self.server = Server(self.binary, self.folder, self.settings, self.server.port, self.server.admin_port)
        self.servers.append(self.server)

    def begin(self, *arguments):
        """One of the program's commands, under way."""
        environment = {**self.server.environment, **{f"HOLDFAST__{key.replace('.', '__').upper()}": str(value) for key, value in self.settings.items()}}
        # The command finds the server by the data directory, as an operator on its machine does.
        for name in ("HOLDFAST_ADMIN_URL", "HOLDFAST_ADMIN_TOKEN"):
            environment.pop(name, None)
        return subprocess.Popen([str(self.binary), *map(str, arguments)], env=environment, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def do(self, *arguments, ok=0):
        process = self.begin(*arguments)
        out, err = process.communicate(timeout=600)
        assert process.returncode == ok, f"{arguments[0]} exited {process.returncode}:\n{out[-1000:]}\n{err[-1000:]}"
        return out + err

    def back_up(self):
        return json.loads(self.do("backup", "--to", self.backup, "--data", self.server.data, "--json").split("\n{\"timestamp")[0])

    def copy_keys(self):
        told = json.loads(self.do("backup-keys", "--to", self.folder / "keys", "--data", self.server.data, "--json"))
        return pathlib.Path(told["folder"])

    def target(self):
        """An empty data directory but for the root key, which the operator keeps."""
        self.restores += 1
        folder = self.folder / f"restored-{self.restores}"
        (folder / "data" / "keys").mkdir(parents=True)
        shutil.copy(self.server.data / "keys" / "root.key", folder / "data" / "keys" / "root.key")
        return folder

    def restore(self, keys, *more, folder=None):
        folder = folder or self.target()
        told = self.do("restore", "--from", self.backup, "--keys", keys, "--data", folder / "data", *more)
        return folder, told

    def serve(self, folder):
        shutil.copy(self.server.data / "first-run.env", folder / "data" / "first-run.env")
        server = Server(self.binary, folder, self.settings)
        self.servers.append(server)
        return server


def root(server):
    """Who holds the first start's key, as a key of the stage."""
    class At:
        endpoint = server.endpoint
    return Key(At, "default", server.environment["AWS_ACCESS_KEY_ID"], server.environment["AWS_SECRET_ACCESS_KEY"])


def seed(stage):
    return getattr(getattr(stage, "options", None), "seed", 1)


@test
def a_backup_that_is_killed_with_its_server_is_made_by_the_next_run(stage):
    chance = random.Random(f"{seed(stage)} kills")
    with House(stage, "killed-backup", HASTY) as house:
        key = root(house.server)
        key.s3.create_bucket(Bucket="load")
        key.s3.put_bucket_versioning(Bucket="load", VersioningConfiguration={"Status": "Enabled"})
        load = Load(key, "load", seed=seed(stage))
        try:
            eventually(lambda: load.answered > 150, "150 writes", 120)
            began = time.monotonic()
            house.back_up()
            took, killed = time.monotonic() - began, 0
            rounds = 12 if stage.full else 5
            for round in range(4 * rounds):
                if killed and round >= rounds:
                    break
                process = house.begin("backup", "--to", house.backup, "--data", house.server.data)
                time.sleep(chance.uniform(0, took))
                killed += process.poll() is None
                house.server.kill()
                process.communicate(timeout=60)
                # What the kill left is sound: the run before it, or the one that it came too late for.
                assert house.do("backup", "--verify", house.backup).startswith("sound"), "the run before is sound"
                house.start()
                if round % 2:
                    house.back_up()
                before = load.answered
                eventually(lambda: load.answered > before + 30, "30 more writes", 120)
            assert killed, "no kill came while a backup was made"
            load.end()
        finally:
            load.end()
        house.do("admin", "sweep", "--data", house.server.data)
        house.back_up()
        keys = house.copy_keys()
        folder, told = house.restore(keys)
        assert "cannot be read" not in told, told
        there = root(house.serve(folder)).s3
        assert load.check(there) > 0
        assert versions(there, "load") == versions(key.connect(), "load")


@test
def a_restore_that_is_killed_is_done_when_it_is_run_again(stage):
    chance = random.Random(f"{seed(stage)} restores")
    with House(stage, "killed-restore", HASTY) as house:
        key = root(house.server)
        key.s3.create_bucket(Bucket="load")
        load = Load(key, "load", seed=seed(stage))
        eventually(lambda: load.answered > 150, "150 writes", 120)
        load.end()
        house.back_up()
        keys = house.copy_keys()
        # The server is stopped: the command opens the data itself.
        house.server.stop()
        idle = house.back_up()
        assert idle["writtenBytes"] < 20_000, idle
        process = house.begin("backup", "--to", house.backup, "--data", house.server.data)
        time.sleep(0.05)
        process.kill()
        process.communicate(timeout=60)
        house.back_up()
        began = time.monotonic()
        whole, _ = house.restore(keys)
        took, cut_off = time.monotonic() - began, 0
        folder = house.target()
        wanted = 8 if stage.full else 3
        for _ in range(10 * wanted):
            if cut_off == wanted:
                break
            process = house.begin("restore", "--from", house.backup, "--keys", keys, "--data", folder / "data")
            time.sleep(chance.uniform(0.1, 1) * took)
            process.kill()
            out, err = process.communicate(timeout=60)
            if process.returncode == 0 or "is not empty" in err:
                # It was quicker than the kill: another one, from the beginning.
                folder = house.target()
            elif (folder / "data" / "RESTORING").exists():
                cut_off += 1
                refused = subprocess.run([str(house.binary), "serve", "--data", str(folder / "data"), "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"],
                                         env=house.server.environment, capture_output=True, text=True, timeout=60)
                assert refused.returncode == 1 and "was not finished: run it again" in refused.stderr, refused.stderr
        assert cut_off == wanted, f"{cut_off} kills came while a restore wrote"
        # A kill may also come when all is done, and then there is nothing left to do.
        last = house.begin("restore", "--from", house.backup, "--keys", keys, "--data", folder / "data")
        _, err = last.communicate(timeout=600)
        assert last.returncode == 0 or "is not empty: it has" in err, err
        for one in (whole, folder):
            assert load.check(root(house.serve(one)).s3) > 0


class Told(http.server.ThreadingHTTPServer):
    """Keeps what it is told."""

    def __init__(self):
        self.events = []
        told = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                told.events.append((int(self.headers["x-holdfast-position"]), self.headers["x-holdfast-event"], self.headers["webhook-id"], json.loads(body)))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/told"


@test
def after_an_earlier_point_no_id_comes_twice_and_subscribers_are_told(stage):
    told = Told()
    with House(stage, "earlier", LOOPBACK | HASTY) as house:
        key = root(house.server)
        answer = key.native.call("POST", "/webhooks", json={"url": told.url, "mode": "strict", "format": "native", "events": ["s3:*"]})
        assert answer.status_code == 201, answer.text
        key.s3.create_bucket(Bucket="kept")
        key.s3.put_object(Bucket="kept", Key="early", Body=b"early" * 50_000)
        key.s3.put_object(Bucket="kept", Key="small", Body=b"small")
        house.back_up()
        time.sleep(1.1)
        point = stamp(datetime.datetime.now(datetime.timezone.utc))
        time.sleep(1.1)
        key.s3.delete_object(Bucket="kept", Key="early")
        for number in range(5):
            key.s3.put_object(Bucket="kept", Key=f"late-{number}", Body=b"late")
        house.do("admin", "sweep", "--data", house.server.data)
        eventually(lambda: len(told.events) >= 8, "all is told")
        before = list(told.events)
        # Where subscribers stand is written within 10 s where nothing fails.
        time.sleep(1)
        house.back_up()
        keys = house.copy_keys()
        house.server.stop()

        folder, said = house.restore(keys, "--at", point)
        assert "later records of the backup were left out" in said, said
        server = house.serve(folder)
        after = root(server)
        assert names(after.s3, "kept") == ["early", "small"]
        assert after.s3.get_object(Bucket="kept", Key="early")["Body"].read() == b"early" * 50_000
        reopened = eventually(lambda: next((event for event in told.events if event[1] == "holdfast:Log:Reopened"), None), "it is told that the log was reopened")
        assert "restore" in json.dumps(reopened[3]), reopened
        after.s3.put_object(Bucket="kept", Key="new", Body=b"new")
        eventually(lambda: any("new" in json.dumps(event[3]) for event in told.events[len(before):]), "what is new is told")
        since = told.events[told.events.index(reopened):]
        cut = reopened[0]
        assert any(position >= cut for position, *_ in before), "positions come again"
        ids = {event[2] for event in before}
        again = [event for event in since if event[2] in ids and event[0] >= cut]
        assert not again, f"ids came twice: {again}"
        # Where the subscriber stood was in the backup: he is told from where the log went another way, and nothing before.
        assert all(position >= cut for position, *_ in told.events[len(before):]), told.events[len(before):]
        # Content of one event, by id, is the same whenever it was told.
        for position, name, id, body in told.events[len(before):]:
            for earlier in before:
                if earlier[2] == id:
                    assert (position, name) == earlier[:2], (earlier, position, name)
        # By position, and points that there are not.
        _, said = house.restore(keys, "--at", f"pos:{cut - 1}", "--tenant", "default")
        assert "later records" in said, said
        for at, why in ((["--at", "2100-01-01T00:00:00Z"], "later than the backup"), (["--at", "pos:999999", "--tenant", "default"], "later than the backup"),
                        (["--at", "pos:1"], "say --tenant"), (["--at", "pos:1", "--tenant", "nobody"], "no tenant nobody"), (["--at", "soon"], "a point is")):
            target = house.target()
            refused = house.do("restore", "--from", house.backup, "--keys", keys, "--data", target / "data", *at, ok=1)
            assert why in refused, refused
            assert not (target / "data" / "log").exists(), "nothing was written"
    told.shutdown()


@test
def a_backup_has_no_keys_and_is_of_no_use_without_them(stage):
    with House(stage, "keys") as house:
        key = root(house.server)
        key.s3.create_bucket(Bucket="kept")
        key.s3.put_object(Bucket="kept", Key="secret", Body=b"nobody reads this" * 1_000)
        key.s3.put_object(Bucket="kept", Key="long", Body=random.Random(1).randbytes(100_000))
        early = house.copy_keys()
        key.s3.create_bucket(Bucket="later")
        house.back_up()
        keys = house.copy_keys()
        # Key files are told by their names and magic; content by what it says.
        for path in house.backup.rglob("*"):
            if path.is_file():
                assert b"HFKEYS" not in path.read_bytes() and b"HFROOT" not in path.read_bytes(), path
                assert b"nobody reads this" not in path.read_bytes(), path
        assert not list(keys.rglob("root.key")), "the root key is in no copy"
        empty = house.target()
        shutil.rmtree(empty / "data" / "keys")
        for arguments, why in ((["--keys", early], "do not fit the backup"), ([], "no copy of them is named"), (["--keys", house.folder], "do not fit the backup")):
            target = house.target()
            refused = house.do("restore", "--from", house.backup, "--data", target / "data", *arguments, ok=1)
            assert why in refused and not (target / "data" / "log").exists(), refused
        refused = house.do("restore", "--from", house.backup, "--keys", keys, "--data", empty / "data", ok=1)
        assert "there is no root key" in refused, refused
        other = house.target()
        (other / "data" / "keys" / "root.key").write_text("ab" * 32)
        refused = house.do("restore", "--from", house.backup, "--keys", keys, "--data", other / "data", ok=1)
        assert "is not the one" in refused, refused
        refused = house.do("restore", "--from", house.backup, "--keys", keys, "--data", house.server.data, ok=1)
        assert "in use" in refused, refused
        # A server that is told of another's backup, or of no folder for one.
        house.server.stop()
        strangers = house.folder / "strangers"
        strangers.mkdir()
        (strangers / "file").write_text("a user's")
        assert "neither empty nor a backup" in house.do("backup", "--to", strangers, "--data", house.server.data, ok=1)
        assert "data directory" in house.do("backup", "--to", house.server.data / "backup", "--data", house.server.data, ok=1)
        run(house.binary, "backup", "--verify", house.backup)
        some = next(path for path in (house.backup / "segments").iterdir())
        damaged = bytearray(some.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        some.write_bytes(damaged)
        assert "damaged" in house.do("backup", "--verify", house.backup, ok=1)
        refused = house.do("restore", "--from", house.backup, "--keys", keys, "--data", house.target() / "data", ok=1)
        assert "damaged" in refused and some.name in refused, refused
