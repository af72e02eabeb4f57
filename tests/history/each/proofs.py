"""Proofs, verified by what RFC 9162 and the C2SP texts say alone: signed checkpoints, inclusion, consistency, receipts, the event."""

import base64
import concurrent.futures
import hashlib
import json
import random
import threading
import time

import httpx
from contract import ok, refused
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from stage import eventually, test

OFTEN = {"history.checkpoint_event_s": 1}
RECEIPT = {"X-Holdfast-Receipt": "wait"}


# A verifier, which knows nothing of the server.

class Wrong(Exception):
    """What was shown proves nothing."""


def must(holds, what):
    if not holds:
        raise Wrong(what)


def unbase64(text):
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raise Wrong("not base64") from None
    must(base64.b64encode(raw).decode() == text, "another spelling of base64")
    return raw


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def node(left, right):
    return digest(b"\x01", left, right)


class Verifier:
    """A verifier key: `<name>+<8 hex digits>+<base64 of 0x01 and the public key>` (c2sp.org/signed-note)."""

    def __init__(self, text):
        self.name, key_id, key = text.split("+", 2)
        kind, self.public = unbase64(key)[:1], unbase64(key)[1:]
        must(kind == b"\x01" and len(self.public) == 32, "not an Ed25519 key")
        self.id = digest(self.name.encode(), b"\n\x01", self.public)[:4]
        must(self.id.hex() == key_id, "the key id is another key's")

    def open(self, note):
        """The text of a signed note, if this key signed it."""
        must(note.endswith("\n") and not any(ord(c) < 32 and c != "\n" for c in note), "no note")
        text, blank, signatures = note.rpartition("\n\n")
        must(blank, "no signature")
        text, found = text + "\n", False
        for line in signatures.removesuffix("\n").split("\n"):
            dash, space, rest = line.partition(" ")
            name, between, signature = rest.partition(" ")
            must(dash == "—" and space and between and name, "no signature line")
            raw = unbase64(signature)
            if (name, raw[:4]) == (self.name, self.id):
                try:
                    Ed25519PublicKey.from_public_bytes(self.public).verify(raw[4:], text.encode())
                except (InvalidSignature, ValueError):
                    raise Wrong("the signature is not over this text") from None
                found = True
        must(found, "not signed by this key")
        return text

    def checkpoint(self, note):
        """Size and root (c2sp.org/tlog-checkpoint)."""
        lines = self.open(note).split("\n")
        must(len(lines) == 4 and lines[3] == "", "not origin, size and root")
        must(lines[0] == self.name, "another log's")
        must(lines[1].isascii() and lines[1].isdecimal() and str(int(lines[1])) == lines[1], "no size")
        root = unbase64(lines[2])
        must(len(root) == 32, "no root")
        return int(lines[1]), root


def verify_inclusion(leaf, index, size, proof, root):
    """RFC 9162, section 2.1.3.2."""
    must(0 <= index < size, "outside the tree")
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        must(sn != 0, "too long")
        if fn & 1 or fn == sn:
            r = node(p, r)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = node(r, p)
        fn, sn = fn >> 1, sn >> 1
    must(sn == 0, "too short")
    must(r == root, "another root")


def verify_consistency(first, first_root, second, second_root, proof):
    """RFC 9162, section 2.1.4.2."""
    must(0 < first <= second, "not two trees")
    if first == second:
        must(not proof and first_root == second_root, "the same size, another tree")
        return
    path = ([first_root] if first & (first - 1) == 0 else []) + proof
    must(path, "empty")
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        must(sn != 0, "too long")
        if fn & 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while not fn & 1 and fn != 0:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    must((sn, fr, sr) == (0, first_root, second_root), "another root")


def fails(verify, *arguments):
    try:
        verify(*arguments)
    except Wrong:
        return
    raise AssertionError(f"{verify.__name__} took what proves nothing")


# What the server says.

def verifier(key):
    told = key.native.call("GET", "/log/key").json()
    found = Verifier(told["key"])
    assert (found.name, base64.b64encode(found.public).decode()) == (told["origin"], told["publicKey"]), told
    return found


def checkpoint(key):
    answer = ok(key.native.ask("GET", "/log/checkpoint"), 200)
    assert answer.headers["content-type"].startswith("text/plain"), answer.headers
    return answer.text, int(answer.headers["x-holdfast-position"])


def hashes(told, name="proof"):
    found = [unbase64(text) for text in told[name]]
    assert all(len(one) == 32 for one in found), told
    return found


def inclusion(key, **query):
    told = key.native.call("GET", "/log/proof", params=query).json()
    return told, (unbase64(told["leafHash"]), told["position"], told["size"], hashes(told))


def receipt_of(value):
    must(value and value != "pending", f"no receipt: {value}")
    return json.loads(base64.urlsafe_b64decode(value + "=" * (-len(value) % 4)))


def verify_receipt(by, receipt, position):
    assert list(receipt) == ["origin", "position", "leafHash", "size", "proof", "checkpoint"], receipt
    size, root = by.checkpoint(receipt["checkpoint"])
    assert (receipt["origin"], receipt["position"], receipt["size"]) == (by.name, position, size), receipt
    verify_inclusion(unbase64(receipt["leafHash"]), position, size, hashes(receipt), root)


def fill(key, bucket, count):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: key.s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=b"content"), range(count)))


def flipped(proof, chance):
    """The same proof with one thing changed, in every way there is."""
    for at in range(len(proof)):
        raw = bytearray(proof[at])
        raw[chance.randrange(32)] ^= 1 << chance.randrange(8)
        yield [*proof[:at], bytes(raw), *proof[at + 1:]]
        yield proof[:at] + proof[at + 1:]
        if at and proof[at] != proof[at - 1]:
            yield [*proof[:at - 1], proof[at], proof[at - 1], *proof[at + 1:]]
    yield [*proof, bytes(32)]


@test
def every_position_of_a_log_is_proved_and_nothing_else(stage):
    key, chance = stage.tenant("proved"), random.Random(7)
    bucket = stage.bucket("proved", key)
    fill(key, bucket, 300)
    by = verifier(key)
    note, last = checkpoint(key)
    size, root = by.checkpoint(note)
    assert size == last + 1 and size > 300, size
    leaves = set()
    for position in range(size):
        told, (leaf, at, of, proof) = inclusion(key, position=position)
        assert (at, of, unbase64(told["rootHash"]), told["origin"]) == (position, size, root, by.name), told
        assert by.checkpoint(told["checkpoint"]) == (size, root)
        verify_inclusion(leaf, position, size, proof, root)
        leaves.add(leaf)
        if position % 17 == 0:
            for bad in flipped(proof, chance):
                fails(verify_inclusion, leaf, position, size, bad, root)
            fails(verify_inclusion, digest(leaf), position, size, proof, root)
            fails(verify_inclusion, leaf, position + 1, size, proof, root)
            fails(verify_inclusion, leaf, position, size, proof, digest(root))
    assert len(leaves) == size, "two records have one hash"
    # In a smaller tree, whose root another proof shows to be the beginning of the signed one.
    told, (leaf, at, of, proof) = inclusion(key, position=5, size=100)
    verify_inclusion(leaf, 5, 100, proof, unbase64(told["rootHash"]))


@test
def a_log_only_grows_and_its_checkpoints_say_so(stage):
    key, chance = stage.tenant("grows"), random.Random(8)
    bucket = stage.bucket("grows", key)
    by, seen = verifier(key), []
    for count in (1, 6, 57, 64, 100):
        fill(key, bucket, count)
        seen.append(by.checkpoint(checkpoint(key)[0]))
    assert [size for size, _ in seen] == sorted({size for size, _ in seen}), seen
    for first, first_root in seen:
        for second, second_root in (one for one in seen if one[0] >= first):
            told = key.native.call("GET", "/log/consistency", params={"from": first, "to": second}).json()
            proof = hashes(told)
            assert (unbase64(told["fromRootHash"]), unbase64(told["toRootHash"])) == (first_root, second_root), told
            verify_consistency(first, first_root, second, second_root, proof)
            assert by.checkpoint(told["checkpoint"])[0] >= second
            if first != second:
                for bad in flipped(proof, chance):
                    fails(verify_consistency, first, first_root, second, second_root, bad)
                fails(verify_consistency, first, digest(first_root), second, second_root, proof)
                fails(verify_consistency, first, first_root, second, digest(second_root), proof)
    # Of no records, every tree is a growth: nothing is left to prove.
    told = key.native.call("GET", "/log/consistency", params={"from": 0, "to": seen[0][0]}).json()
    assert (told["proof"], unbase64(told["fromRootHash"])) == ([], hashlib.sha256().digest())


@test
def a_changed_checkpoint_is_no_checkpoint(stage):
    key, other = stage.tenant("signed"), stage.tenant("signed")
    by, (note, _) = verifier(key), checkpoint(key)
    by.checkpoint(note)
    for at in range(len(note)):
        changed = chr(ord(note[at]) ^ 1)
        fails(by.checkpoint, note[:at] + changed + note[at + 1:])
    # The secret is the installation's: another tenant's note, renamed, still names its own log in what is signed.
    foreign = checkpoint(other)[0]
    fails(by.checkpoint, foreign)
    signed, _, line = foreign.rpartition("\n\n")
    raw = unbase64(line.split(" ")[2].strip())
    renamed = f"{signed}\n\n— {by.name} {base64.b64encode(by.id + raw[4:]).decode()}\n"
    assert by.open(renamed), "one key signs for all"
    fails(by.checkpoint, renamed)


@test
def there_is_one_checkpoint_a_second_and_none_of_a_log_that_rests(stage):
    key = stage.tenant("paced")
    bucket, stop, seen = stage.bucket("paced", key), threading.Event(), {}

    def write():
        number = 0
        while not stop.is_set():
            number += 1
            key.s3.put_object(Bucket=bucket, Key=f"key-{number}", Body=b"content")
    writer, by = threading.Thread(target=write), verifier(key)
    writer.start()
    began = time.monotonic()
    try:
        while time.monotonic() < began + 4:
            size, root = by.checkpoint(checkpoint(key)[0])
            assert seen.setdefault(size, root) == root, "two trees of one size"
    finally:
        stop.set()
        writer.join()
    took = time.monotonic() - began
    assert 2 <= len(seen) <= took + 2, f"{len(seen)} checkpoints in {took:.1f} s"
    final = checkpoint(key)
    time.sleep(1.5)
    assert checkpoint(key) == final


@test
def what_is_asked_wrongly_is_refused(stage):
    key = stage.tenant("refused")
    by = verifier(key)
    size, _ = by.checkpoint(checkpoint(key)[0])
    ask = key.native.ask
    for path, query, code in [
        ("/log/proof", {}, "invalid_request"),
        ("/log/proof", {"position": "x"}, "invalid_request"),
        ("/log/proof", {"position": "-1"}, "invalid_request"),
        ("/log/proof", {"position": "+1"}, "invalid_request"),
        ("/log/proof", {"position": str(1 << 64)}, "invalid_request"),
        ("/log/proof", {"position": 1, "size": 1}, "invalid_request"),
        ("/log/proof", {"position": size}, "point_in_future"),
        ("/log/proof", {"position": (1 << 64) - 1}, "point_in_future"),
        ("/log/proof", {"position": 0, "size": size + 1}, "point_in_future"),
        ("/log/consistency", {}, "invalid_request"),
        ("/log/consistency", {"from": 1}, "invalid_request"),
        ("/log/consistency", {"to": 1}, "invalid_request"),
        ("/log/consistency", {"from": 2, "to": 1}, "invalid_request"),
        ("/log/consistency", {"from": 1, "to": size + 1}, "point_in_future"),
    ]:
        refused(ask("GET", path, params=query), code, 400)
    reader = stage.key("op=read,op=write", key.tenant)
    for path in ("/log/checkpoint", "/log/proof?position=0", "/log/consistency?from=1&to=1"):
        refused(reader.native.ask("GET", path), "forbidden", 403)
        assert stage.http.get(stage.endpoint + "/api/v1" + path).status_code == 401
    assert verifier(reader).public == by.public, "whoever writes may verify"
    assert stage.http.get(stage.endpoint + "/api/v1/log/key").status_code == 401


@test
def receipts_of_native_writes_verify(stage):
    key = stage.tenant("receipts")
    bucket, by = stage.bucket("receipts", key), verifier(key)
    # Who may only write gets receipts too.
    native = stage.key("op=write,op=delete", key.tenant).native
    path = native.of(bucket, "/objects", "a/key")
    for answer in (native.ask("PUT", path, content=b"content", headers=RECEIPT), native.ask("DELETE", path, headers=RECEIPT)):
        assert answer.status_code in (200, 204), answer.text
        receipt = receipt_of(answer.headers.get("x-holdfast-receipt"))
        verify_receipt(by, receipt, int(answer.headers["x-holdfast-position"]))
        fails(verify_inclusion, digest(unbase64(receipt["leafHash"])), receipt["position"], receipt["size"], hashes(receipt), by.checkpoint(receipt["checkpoint"])[1])
    plain = native.ask("PUT", path, content=b"content")
    assert "x-holdfast-receipt" not in plain.headers
    head = checkpoint(key)[1]
    for value in ("", "now", "Wait", "pending", "wait, wait"):
        refused(native.ask("PUT", path, content=b"other", headers={"X-Holdfast-Receipt": value}), "invalid_request", 400)
    refused(key.native.ask("GET", path, headers=RECEIPT), "invalid_request", 400)
    refused(key.native.ask("POST", "/buckets", json={"name": "no-receipt"}, headers=RECEIPT), "invalid_request", 400)
    assert checkpoint(key)[1] == head, "what was refused changed something"
    # Nothing was there: nothing changed, and there is nothing to prove.
    gone = native.ask("DELETE", native.of(bucket, "/objects", "never"), headers=RECEIPT)
    assert gone.status_code == 204 and ("x-holdfast-position" in gone.headers) == ("x-holdfast-receipt" in gone.headers), gone.headers


@test
def receipts_of_s3_writes_verify(stage):
    key = stage.tenant("receipts")
    bucket, by, s3 = stage.bucket("receipts", key), verifier(key), key.connect()

    def add(params, **_):
        params["headers"]["X-Holdfast-Receipt"] = "wait"
    for operation in ("PutObject", "CopyObject", "CompleteMultipartUpload", "DeleteObject", "GetObject"):
        s3.meta.events.register(f"before-call.s3.{operation}", add)
    upload = s3.create_multipart_upload(Bucket=bucket, Key="parts")["UploadId"]
    part = s3.upload_part(Bucket=bucket, Key="parts", UploadId=upload, PartNumber=1, Body=b"part")
    writes = [
        s3.put_object(Bucket=bucket, Key="key", Body=b"content"),
        s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "key"}),
        s3.complete_multipart_upload(Bucket=bucket, Key="parts", UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}),
        s3.delete_object(Bucket=bucket, Key="copy"),
    ]
    for written in writes:
        found = written["ResponseMetadata"]["HTTPHeaders"]
        verify_receipt(by, receipt_of(found.get("x-holdfast-receipt")), int(found["x-holdfast-position"]))
    try:
        s3.get_object(Bucket=bucket, Key="key")
        raise AssertionError("a read got a receipt")
    except s3.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == "InvalidArgument", error.response


@test
def many_receipts_share_a_checkpoint(stage):
    key = stage.tenant("receipts")
    bucket, by = stage.bucket("receipts", key), verifier(key)
    native = key.native
    native.token()

    def write(number):
        answer = ok(native.ask("PUT", native.of(bucket, "/objects", f"key-{number}"), content=b"content", headers=RECEIPT), 200)
        receipt = receipt_of(answer.headers["x-holdfast-receipt"])
        verify_receipt(by, receipt, int(answer.headers["x-holdfast-position"]))
        return receipt["checkpoint"]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        notes = list(pool.map(write, range(96)))
    took = time.monotonic() - began
    assert len(set(notes)) <= took + 2, f"{len(set(notes))} checkpoints in {took:.1f} s"


@test(settings=OFTEN)
def subscribers_hear_of_checkpoints_and_an_idle_log_stays_as_it_is(stage):
    key = stage.tenant("told")
    bucket, by = stage.bucket("told", key), verifier(key)

    def told():
        return key.native.call("GET", "/events", params={"type": "holdfast:Log:Checkpoint", "limit": 1000}).json()

    def covers(position):
        return any(event["detail"]["size"] > position for event in told()["events"])
    fill(key, bucket, 5)
    last = int(key.s3.put_object(Bucket=bucket, Key="last", Body=b"content")["ResponseMetadata"]["HTTPHeaders"]["x-holdfast-position"])
    eventually(lambda: covers(last), "an event that covers the write", 60)
    rests = told()
    time.sleep(8)
    assert told()["head"] == rests["head"], "an idle log grows"
    size, root = by.checkpoint(checkpoint(key)[0])
    for event in rests["events"]:
        detail = event["detail"]
        proof = key.native.call("GET", "/log/consistency", params={"from": detail["size"], "to": size}).json()
        assert detail["origin"] == by.name
        verify_consistency(detail["size"], bytes.fromhex(detail["rootSha256"]), size, root, hashes(proof))


@test(alone=True)
def a_kill_takes_nothing_back_that_was_signed(stage):
    key = stage.tenant("killed")
    bucket, by, receipts = stage.bucket("killed", key), verifier(key), []
    native = key.native

    def write(number):
        try:
            answer = native.ask("PUT", native.of(bucket, "/objects", f"key-{number}"), content=b"content", headers=RECEIPT)
            if answer.status_code == 200 and answer.headers["x-holdfast-receipt"] != "pending":
                receipts.append((receipt_of(answer.headers["x-holdfast-receipt"]), int(answer.headers["x-holdfast-position"])))
        except httpx.HTTPError:
            pass  # Killed before it answered.
    for turn in range(3):
        native.token()
        had = len(receipts)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            for number in range(24):
                pool.submit(write, f"{turn}-{number}")
            time.sleep(1.7)
            stage.kill()
        stage.start()
        assert len(receipts) > had, "no receipt came in time"
        assert verifier(key).public == by.public
        now, root = by.checkpoint(checkpoint(key)[0])
        for receipt, position in receipts:
            verify_receipt(by, receipt, position)
            size, then = by.checkpoint(receipt["checkpoint"])
            proof = hashes(key.native.call("GET", "/log/consistency", params={"from": size, "to": now}).json())
            verify_consistency(size, then, now, root, proof)
            told, (leaf, *_) = inclusion(key, position=position)
            assert leaf == unbase64(receipt["leafHash"]), "another record stands there now"
