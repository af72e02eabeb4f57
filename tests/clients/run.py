#!/usr/bin/env python3
"""Real S3 clients against a server of their own: each fills, lists and reads back a tree, compared byte for byte.

usage: run.py [--bin PATH] [--files N] [--big MIB] [--tree DIR] [--only NAME,...]

--tree takes a directory that exists instead of making one; --big is the size of the multipart file.
"""

import argparse
import filecmp
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

CLIENTS = {}


def client(function):
    CLIENTS[function.__name__.replace("_", "-")] = function
    return function


def run(*command, env=None, input=None, ok=(0,)):
    done = subprocess.run([str(part) for part in command], env=env, input=input, capture_output=True, text=True, timeout=1800)
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


class Server:
    def __init__(self, binary, folder):
        self.data = folder / "data"
        port, admin = free_port(), free_port()
        self.log = open(folder / "server.log", "ab")
        self.process = subprocess.Popen(
            [binary, "serve", "--data", self.data, "--listen", f"127.0.0.1:{port}", "--admin-listen", f"127.0.0.1:{admin}"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.endpoint = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(self.endpoint + "/readyz", timeout=2)
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit((folder / "server.log").read_text()[-3000:])
                time.sleep(0.05)
        # Nothing of the caller's own AWS set-up may reach the clients.
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        for line in (self.data / "first-run.env").read_text().splitlines():
            if "=" in line and not line.startswith("#"):
                name, value = line.removeprefix("export ").split("=", 1)
                self.environment[name] = value.strip("'\"")
        self.environment["AWS_CONFIG_FILE"] = self.environment["AWS_SHARED_CREDENTIALS_FILE"] = str(folder / "none")
        self.environment["AWS_EC2_METADATA_DISABLED"] = "true"

    def peak_memory_mib(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) // 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        assert code == 0, f"the server ended with {code}"


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


def aws_round_trip(case, aws):
    def s3(*arguments):
        return run(*aws, "--endpoint-url", case.endpoint, *arguments, env=case.env)
    s3("s3", "mb", f"s3://{case.bucket}")
    s3("s3", "sync", "--only-show-errors", case.tree, f"s3://{case.bucket}/tree")
    listed = s3("s3", "ls", "--recursive", f"s3://{case.bucket}/tree/").splitlines()
    assert len(listed) == case.files, f"{len(listed)} listed of {case.files}"
    s3("s3", "sync", "--only-show-errors", f"s3://{case.bucket}/tree", case.folder / "back")
    same_files(case.tree, case.folder / "back")
    s3("s3", "cp", "--only-show-errors", case.big, f"s3://{case.bucket}/big")
    s3("s3", "cp", "--only-show-errors", f"s3://{case.bucket}/big", f"s3://{case.bucket}/big copy")
    s3("s3", "cp", "--only-show-errors", f"s3://{case.bucket}/big copy", case.folder / "big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    assert s3("s3", "sync", case.tree, f"s3://{case.bucket}/tree").strip() == "", "a second sync had something to do"
    url = s3("s3", "presign", f"s3://{case.bucket}/big").strip()
    assert len(urllib.request.urlopen(url).read()) == case.big.stat().st_size
    s3("s3", "rb", "--force", f"s3://{case.bucket}")


def same_files(left, right):
    """S3 keeps no empty directories."""
    for path in left.rglob("*"):
        if path.is_file():
            other = right / path.relative_to(left)
            assert other.is_file() and filecmp.cmp(path, other, shallow=False), f"{path} differs"
    extra = [path for path in right.rglob("*") if path.is_file() and not (left / path.relative_to(right)).is_file()]
    assert not extra, f"came back only: {extra[:5]}"


@client
def aws_cli_v2(case):
    aws_round_trip(case, ["/usr/bin/aws"])


@client
def aws_cli_v1(case):
    # Without this, this client still presigns with Signature Version 2, which the server refuses.
    config = case.folder / "config"
    config.write_text("[default]\ns3 =\n    signature_version = s3v4\n")
    case.env = case.env | {"AWS_CONFIG_FILE": str(config)}
    aws_round_trip(case, [pathlib.Path(sys.executable).with_name("aws")])


@client
def curl(case):
    common = ["curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{case.key}:{case.secret}",
              "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    run(*common, "-X", "PUT", f"{case.endpoint}/{case.bucket}")
    run(*common, "-T", case.big, f"{case.endpoint}/{case.bucket}/big")
    run(*common, "-o", case.folder / "big", f"{case.endpoint}/{case.bucket}/big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    assert "<Key>big</Key>" in run(*common, f"{case.endpoint}/{case.bucket}?list-type=2")
    assert run(*common, "-r", "5-9", f"{case.endpoint}/{case.bucket}/big", "-o", case.folder / "part") == ""
    assert (case.folder / "part").read_bytes() == case.big.read_bytes()[5:10]


@client
def rclone(case):
    env = case.env | {
        "RCLONE_CONFIG": str(case.folder / "none"), "RCLONE_CONFIG_H_TYPE": "s3", "RCLONE_CONFIG_H_PROVIDER": "Other",
        "RCLONE_CONFIG_H_ENDPOINT": case.endpoint, "RCLONE_CONFIG_H_ACCESS_KEY_ID": case.key,
        "RCLONE_CONFIG_H_SECRET_ACCESS_KEY": case.secret}
    run("rclone", "mkdir", f"h:{case.bucket}", env=env)
    run("rclone", "sync", case.tree, f"h:{case.bucket}/tree", env=env)
    run("rclone", "copyto", case.big, f"h:{case.bucket}/big", env=env)
    run("rclone", "check", "--download", case.tree, f"h:{case.bucket}/tree", env=env)
    run("rclone", "sync", f"h:{case.bucket}/tree", case.folder / "back", env=env)
    same_files(case.tree, case.folder / "back")
    run("rclone", "copyto", f"h:{case.bucket}/big", case.folder / "big", env=env)
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    run("rclone", "purge", f"h:{case.bucket}", env=env)


@client
def s3cmd(case):
    host = case.endpoint.removeprefix("http://")
    def s3(*arguments):
        return run("s3cmd", f"--access_key={case.key}", f"--secret_key={case.secret}", f"--host={host}", f"--host-bucket={host}",
                   "--no-ssl", "--config=/dev/null", "--quiet", *arguments)
    s3("mb", f"s3://{case.bucket}")
    s3("sync", f"{case.tree}/", f"s3://{case.bucket}/tree/")
    s3("sync", f"s3://{case.bucket}/tree/", f"{case.folder}/back/")
    same_files(case.tree, case.folder / "back")
    s3("put", case.big, f"s3://{case.bucket}/big")
    s3("get", f"s3://{case.bucket}/big", case.folder / "big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    s3("rb", "--recursive", "--force", f"s3://{case.bucket}")


@client
def restic(case):
    env = case.env | {"RESTIC_PASSWORD": "correct horse", "RESTIC_CACHE_DIR": str(case.folder / "cache"),
                      "RESTIC_REPOSITORY": f"s3:{case.endpoint}/{case.bucket}"}
    run("restic", "init", env=env)
    run("restic", "backup", case.tree, case.big, env=env)
    run("restic", "check", "--read-data", env=env)
    run("restic", "restore", "latest", "--target", case.folder / "back", env=env)
    same_tree(case.tree, str(case.folder / "back") + str(case.tree))
    run("restic", "forget", "--prune", "--keep-last", "1", env=env)


@client
def boto3(case):
    import boto3 as sdk
    from botocore.exceptions import ClientError
    from botocore.config import Config
    # Without this, this SDK still presigns with Signature Version 2, which the server refuses.
    s3 = sdk.client("s3", config=Config(signature_version="s3v4"), endpoint_url=case.endpoint, aws_access_key_id=case.key, aws_secret_access_key=case.secret, region_name="us-east-1")
    s3.create_bucket(Bucket=case.bucket)
    put = s3.put_object(Bucket=case.bucket, Key="a/ü b", Body=b"hello", Metadata={"color": "blue"}, ContentType="text/x")
    got = s3.get_object(Bucket=case.bucket, Key="a/ü b", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"hello" and got["Metadata"] == {"color": "blue"} and got["ContentType"] == "text/x"
    assert got["ETag"] == put["ETag"] and got.get("ChecksumCRC32") == put.get("ChecksumCRC32") != None
    for algorithm in ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]:
        try:
            s3.put_object(Bucket=case.bucket, Key=algorithm, Body=b"hello", ChecksumAlgorithm=algorithm)
        except Exception as error:
            # botocore needs its optional CRT for these two.
            assert algorithm in ("CRC32C", "CRC64NVME") and "[crt]" in str(error), error
    try:
        s3.put_object(Bucket=case.bucket, Key="a/ü b", Body=b"other", IfNoneMatch="*")
        raise AssertionError("If-None-Match let an overwrite through")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "PreconditionFailed"
    s3.upload_file(str(case.big), case.bucket, "big")
    assert s3.head_object(Bucket=case.bucket, Key="big")["ContentLength"] == case.big.stat().st_size
    s3.download_file(case.bucket, "big", str(case.folder / "big"))
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    keys = [f"many/{index:04}" for index in range(1100)]
    for key in keys:
        s3.put_object(Bucket=case.bucket, Key=key, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=case.bucket, Prefix="many/")
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    groups = s3.list_objects_v2(Bucket=case.bucket, Delimiter="/")["CommonPrefixes"]
    assert [group["Prefix"] for group in groups] == ["a/", "many/"]
    deleted = s3.delete_objects(Bucket=case.bucket, Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert len(deleted["Deleted"]) == 1000 and not deleted.get("Errors")
    url = s3.generate_presigned_url("put_object", Params={"Bucket": case.bucket, "Key": "presigned"})
    urllib.request.urlopen(urllib.request.Request(url, data=b"by url", method="PUT"))
    assert s3.get_object(Bucket=case.bucket, Key="presigned")["Body"].read() == b"by url"


def main():
    options = argparse.ArgumentParser()
    root = pathlib.Path(__file__).resolve().parents[2]
    options.add_argument("--bin", default=root / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--files", default=150, type=int)
    options.add_argument("--big", default=24, type=int)
    options.add_argument("--tree", type=pathlib.Path)
    options.add_argument("--only", default="")
    options = options.parse_args()
    chosen = options.only.split(",") if options.only else list(CLIENTS)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        seed = int.from_bytes(os.urandom(4), "big")
        tree = options.tree or folder / "tree"
        if not options.tree:
            make_tree(tree, options.files, seed)
        big = folder / "big.bin"
        with open(big, "wb") as out:
            for part in range(options.big):
                out.write(random.Random(seed + part).randbytes(1 << 20))
        print(f"clients: seed {seed}, tree of {sum(1 for path in tree.rglob('*') if path.is_file())} files, big file of {options.big} MiB")
        server = Server(options.bin, folder)
        for name in chosen:
            began = time.monotonic()
            try:
                CLIENTS[name](Case(server, tree, big, folder, name))
                passed += 1
                print(f"  ok      {name:12} {time.monotonic() - began:6.1f} s", flush=True)
            except Exception as error:
                failed += 1
                print(f"  FAILED  {name:12} {error}", flush=True)
            shutil.rmtree(folder / name, ignore_errors=True)
        print(f"  server's peak memory {server.peak_memory_mib()} MiB")
        server.stop()
        if failed:
            print((folder / "server.log").read_text()[-3000:])
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
