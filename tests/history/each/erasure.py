"""Erasure from outside: what is left on the disk, what others keep, what forbids it, and processes killed in the middle."""

import random
import secrets
import time

from client import Problem
from kit import Server
from stage import eventually, in_days, raises, stamp, test


def erase(client, bucket, **options):
    return client.call("POST", client.of(bucket, "/erase"), json={"reason": "asked for by the person concerned", "confirm": bucket, **options})


def ended(client, task, patience_s=240):
    """The task when it has ended, whatever became of the server in between."""
    def look():
        found = client.call("GET", f"/tasks/{task}").json()
        return found if found["status"] != "running" else None
    return eventually(look, "the end of the erasure", patience_s)


def holding(folder, marker):
    """Files below a folder that hold these bytes."""
    found = []
    for path in folder.rglob("*"):
        try:
            if path.is_file() and marker in path.read_bytes():
                found.append(str(path.relative_to(folder)))
        except FileNotFoundError:
            pass
    return found


def wrapped_keys(data):
    """What key files of buckets hold, by file."""
    return {path.name: path.read_bytes()[42:146] for path in (data / "keys").glob("t-*/bucket-*.key")}


def rebuilt(stage):
    report = stage.manage("POST", "/rebuild")
    assert report["equal"], f"rows are not what the log says: {report['mismatches']}"


def fill(stage, bucket, word, count=60):
    """Objects, versions, an open upload with parts, signed addresses; every name has the word."""
    native, chance = stage.native, random.Random(word)
    native.set_versioning(bucket, "Enabled")
    for number in range(count):
        key = f"{word}/object-{number}"
        native.put(bucket, key, chance.randbytes(chance.choice([0, 100, 3_000, 90_000])))
        if number % 3 == 0:
            native.put(bucket, key, b"newer")
        if number % 5 == 0:
            native.delete(bucket, key)
    native.put(bucket, f"{word}/long", random.Random(1).randbytes(9 << 20))
    upload = native.create_upload(bucket, f"{word}/open")
    native.upload_part(bucket, f"{word}/open", upload, 1, chance.randbytes(200_000))
    native.sign("GET", bucket, f"{word}/long")


def content_of(stage, other):
    """What another bucket has, some of it the same bytes as in the erased one."""
    return {"long": random.Random(1).randbytes(9 << 20), "own": random.Random(2).randbytes(150_000)}


@test(alone=True)
def an_erased_bucket_is_in_no_file_and_others_read_on(stage):
    bucket, other, word = stage.bucket("erased"), stage.bucket("other"), "planted" + secrets.token_hex(8)
    fill(stage, bucket, word)
    contents = content_of(stage, other)
    for key, content in contents.items():
        stage.native.put(other, key, content)
    assert holding(stage.server.data, word.encode()), "names stand in clear while the bucket is there"
    before = wrapped_keys(stage.server.data)
    answer = erase(stage.native, bucket)
    task = answer.json()
    assert answer.status_code == 202 and task["kind"] == "erase" and answer.headers["location"].endswith(task["id"])
    with raises("not_found", 404):
        stage.native.get(bucket, f"{word}/long")
    with raises("not_found", 404):
        stage.native.put(bucket, "more", b"x")
    with raises("invalid_request", 400):
        stage.native.call("DELETE", f"/tasks/{task['id']}")
    began = time.monotonic()
    assert ended(stage.native, task["id"])["status"] == "succeeded"
    print(f"    the erasure took {time.monotonic() - began:.1f} s behind its answer")
    assert holding(stage.server.data, word.encode()) == []
    gone = [wrap for name, wrap in before.items() if wrapped_keys(stage.server.data).get(name) != wrap]
    assert len(gone) == 1 and holding(stage.server.data, gone[0]) == []
    for key, content in contents.items():
        assert stage.native.get(other, key).content == content
    rebuilt(stage)

    # What is told of it: the key, then the certificate; what the bucket's own events said is erased.
    feed = stage.native.call("GET", "/events?from=earliest&limit=1000").json()["events"]
    told = [event for event in feed if event["type"].startswith("holdfast:Erasure:")]
    assert [event["type"] for event in told] == ["holdfast:Erasure:KeyDestroyed", "holdfast:Erasure:Completed"], told
    certificate = told[1]["detail"]
    assert certificate["findings"] == 0 and certificate["markers"] > 20 and certificate["wraps"] > 20, certificate
    assert certificate["rows"] > 100 and certificate["blobs"] > 20 and certificate["scannedBytes"] > 1_000_000, certificate
    # Who signed which address is the tenant's to know, and sealed under its key.
    assert {event["type"] for event in feed if word in str(event)} <= {"holdfast:SignedUrl:Created"}
    assert stage.operator.get("/audit?tenant=default&limit=1000").status_code == 200, "erased events are entries as others are"

    # The name is free, for a bucket that has nothing of the old one.
    stage.native.create_bucket(bucket)
    assert stage.native.list(bucket)["objects"] == []
    stage.native.put(bucket, "new", contents["long"])
    assert stage.native.get(bucket, "new").content == contents["long"]
    rebuilt(stage)


@test(alone=True)
def what_must_be_kept_forbids_it_and_nothing_changes(stage):
    bucket = stage.bucket("kept", objectLockEnabled=True)
    stage.native.put(bucket, "held", b"held")
    stage.native.hold(bucket, "held", "ON")
    for key, mode in (("governed", "GOVERNANCE"), ("complied", "COMPLIANCE")):
        stage.native.put(bucket, key, key.encode())
        stage.native.retain(bucket, key, mode, stamp(in_days(1)))
    for key in ("held", "governed", "complied"):
        try:
            erase(stage.native, bucket)
            raise AssertionError("it was erased")
        except Problem as problem:
            assert problem.answer.status_code == 409 and problem.answer.json()["code"] == "retained", problem.answer.text
            assert "legal hold" in problem.answer.text or "is retained until" in problem.answer.text, problem.answer.text
        assert stage.native.get(bucket, key).content == key.encode()
    refused = stage.operator.post("/tenants/default/erase", json={"reason": "no", "confirm": "default"})
    assert refused.status_code == 409 and refused.json()["code"] == "retained", refused.text
    assert "governed" not in refused.text and "held/" not in refused.text
    for wrong in ({"confirm": "other"}, {"reason": " "}):
        free = stage.bucket("free")
        with raises("invalid_request", 400):
            erase(stage.native, free, **wrong)
        stage.native.bucket(free)
    reader = stage.key("op=read")
    with raises("forbidden", 403):
        erase(reader.native, stage.bucket("not-for-all"))


@test(alone=True)
def a_process_killed_in_the_middle_goes_on(stage):
    other = stage.bucket("other")
    contents = content_of(stage, other)
    for key, content in contents.items():
        stage.native.put(other, key, content)
    chance = random.Random(stage.server.port)
    kills, rounds = 0, 6 if stage.full else 3
    for _ in range(rounds):
        bucket, word = stage.bucket("erased"), "planted" + secrets.token_hex(8)
        fill(stage, bucket, word, 150)
        task = erase(stage.native, bucket).json()["id"]
        for _ in range(4):
            time.sleep(chance.uniform(0.0, 1.5))
            stage.server.kill()
            kills += 1
            server = stage.server
            stage.server = Server(server.binary, server.data.parent, port=server.port, admin_port=server.admin_port)
            with raises("not_found", 404):
                stage.native.get(bucket, f"{word}/long")
            if stage.native.call("GET", f"/tasks/{task}").json()["status"] != "running":
                break
        assert ended(stage.native, task)["status"] == "succeeded"
        assert holding(stage.server.data, word.encode()) == []
        for key, content in contents.items():
            assert stage.native.get(other, key).content == content
        rebuilt(stage)
    print(f"    {rounds} erasures, {kills} kills")
    told = stage.native.call("GET", "/events?from=earliest&type=holdfast:Erasure:*&limit=1000").json()["events"]
    assert len(told) == 2 * rounds, "each key was destroyed once, and each erasure has one certificate"


@test(alone=True)
def an_erased_tenant_is_in_no_file(stage):
    tenant, word = stage.tenant("erased"), "planted" + secrets.token_hex(8)
    bucket = stage.bucket("of-tenant", tenant)
    for number in range(30):
        tenant.native.put(bucket, f"{word}-{number}", random.Random(number).randbytes(number * 3_000))
    stays = stage.bucket("stays")
    stage.native.put(stays, "here", b"here")
    answer = stage.operator.post(f"/tenants/{tenant.tenant}/erase", json={"reason": "the contract ended", "confirm": tenant.tenant})
    assert answer.status_code == 202, answer.text
    erasure = answer.json()["id"]
    with raises("unauthorized", 401):
        tenant.native.call("GET", "/buckets")
    done = eventually(lambda: (it := stage.manage("GET", f"/erasures/{erasure}"))["status"] != "running" and it, "the end", 240)
    assert done["status"] == "succeeded" and done["findings"] == 0 and done["rows"] > 60 and done["wraps"] > 20, done
    assert holding(stage.server.data, word.encode()) == []
    assert stage.native.get(stays, "here").content == b"here"
    rebuilt(stage)
    stage.manage("POST", "/tenants", json={"id": tenant.tenant, "name": tenant.tenant})
    rebuilt(stage)
