"""Full disks: filled by somebody else down to the reserve, to the last byte in the middle of writes, and by the server's own content."""

import contextlib
import json
import random
import threading
import time

from ground import MIB, Writers, ask, eventually, listed, said, test, timed

# Small, so that the reserve, the segments and the tables of a server fit on a disk of a test.
SMALL = {"storage.reserve_mib": 96, "storage.segment_mib": 16, "storage.sweep_grace_s": 0, "history.window": "0"}
# Tables that are written out and merged all the time: the storage engine's own threads meet the full disk too.
BUSY = SMALL | {"storage.memtable_kib": 64}
# What ends a process whose commit failed: whoever runs it starts it again.
FATAL = 70
RESUMED_WITHIN_S = 10


def full(answer):
    """A write that has no room: refused so that a client comes back, in S3's words."""
    assert answer, "no answer instead of a refusal for want of room"
    assert answer.status in (503, 507), f"{answer} instead of 503 or 507"
    assert answer.code and b"<RequestId>" in answer.body, f"no error of S3: {answer.body[:300]}"
    assert int(answer.headers.get("retry-after", "0")) >= 1, f"no Retry-After: {answer.headers}"


def works_again(house, bucket, what):
    """Seconds until a write works, of one size after the other."""
    signer, began = house.signer(), time.monotonic()
    for size in (100, 100_000, 5 * MIB):
        body = random.Random(size).randbytes(size)
        while True:
            answer = ask(signer, "PUT", f"/{bucket}/again-{size}", body=body)
            if answer and answer.status == 200:
                break
            assert house.ended() is None, f"{what}: the server ended with {house.ended()}: {house.log()[-600:]}"
            assert time.monotonic() < began + RESUMED_WITHIN_S, f"{what}: a write of {size} bytes is not taken: {answer}"
            time.sleep(0.1)
        answer = signer.ask("GET", f"/{bucket}/again-{size}")
        assert answer.status == 200 and answer.body == body, str(answer)
    return time.monotonic() - began


def below_the_reserve(scene, kind):
    with scene.apart_from(f"reserve-{kind}", kind, 420, SMALL) as house:
        signer, bucket = house.signer(), house.bucket("reserve")
        bodies = {f"k{number}-{size}": random.Random(number).randbytes(size) for number, size in enumerate([10, 1_000, 50_000, 5 * MIB] * 3)}
        for name, body in bodies.items():
            assert signer.ask("PUT", f"/{bucket}/{name}", body=body).status == 200
        upload = signer.ask("POST", f"/{bucket}/in-parts", [("uploads", "")]).body.decode().partition("<UploadId>")[2].partition("<")[0]
        process = house.server.process.pid
        house.disk.load(64)
        # A write may be under the bound at which free space is asked for again.
        eventually(lambda: ask(signer, "PUT", f"/{bucket}/probe", body=b"p" * 200_000).status != 200, "refusing writes below the reserve", 10)
        refused = set()
        for size in (10, 1_000, 50_000, 5 * MIB):
            answer = ask(signer, "PUT", f"/{bucket}/refused-{size}", body=random.Random(size).randbytes(size))
            full(answer)
            refused.add((answer.status, answer.code))
        full(ask(signer, "PUT", f"/{bucket}/in-parts", [("partNumber", "1"), ("uploadId", upload)], body=bytes(range(256)) * 1_000))
        native = house.native.ask("PUT", house.native.of(bucket, "/objects", "refused-native"), content=b"n" * 30_000)
        assert native.status_code in (503, 507) and native.json()["code"] and int(native.headers.get("retry-after", "0")) >= 1, f"{native.status_code} {native.headers} {native.text[:300]}"
        # Everything else goes on.
        for name, body in bodies.items():
            answer = signer.ask("GET", f"/{bucket}/{name}")
            assert answer.status == 200 and answer.body == body, f"{name} below the reserve: {str(answer)[:200]}"
            assert signer.ask("HEAD", f"/{bucket}/{name}").status == 200
        there = listed(signer, bucket) - {"probe"}
        assert there == set(bodies), f"listed below the reserve: {there ^ set(bodies)}"
        gone = [name for number, name in enumerate(bodies) if number % 2]
        for name in gone:
            answer = signer.ask("DELETE", f"/{bucket}/{name}")
            assert answer.status == 204, f"a delete below the reserve: {answer}"
            bodies.pop(name)
        answer = signer.ask("DELETE", f"/{bucket}/in-parts", [("uploadId", upload)])
        assert answer.status == 204, f"giving up an upload below the reserve: {answer}"
        assert listed(signer, bucket) - {"probe"} == set(bodies)
        swept = house.manage("POST", "/sweep")
        assert house.disk.free() < 96 * MIB, "the disk is not short any more: this would prove nothing"
        house.disk.unload()
        took = works_again(house, bucket, "after room came back")
        assert house.ended() is None and house.server.process.pid == process
        for name, body in bodies.items():
            assert signer.ask("GET", f"/{bucket}/{name}").body == body, name
        said(f"{kind}: refused as {', '.join(f'{status} {code}' for status, code in sorted(refused))}; {len(gone)} deletes and a sweep ({swept['freedBytes'] // MIB} MiB) below the reserve; writes of all sizes again {took:.1f} s after there was room")


@test
def below_the_reserve_only_writes_are_refused_on_ext4(scene):
    below_the_reserve(scene, "ext4")


@test
def below_the_reserve_only_writes_are_refused_in_memory(scene):
    below_the_reserve(scene, "tmpfs")


def to_the_last_byte(scene, name, of, settings, kind="ext4", mib=420):
    """Somebody fills the disk while 16 write. What was acknowledged is there: now, after a start, after a kill."""
    with scene.apart_from(f"last-byte-{name}", kind, mib, settings, of) as house:
        bucket, process = house.bucket("last-byte"), house.server.process.pid
        filled = threading.Event()
        with Writers(house, bucket, 16, scene.options.seed) as writers:
            eventually(lambda: writers.count() > 300, "300 writes", 30)
            filler = threading.Thread(target=house.disk.fill, args=(filled,))
            filler.start()
            try:
                time.sleep(2.5)
                free, alive, at_full = house.disk.free(), house.ended() is None, writers.count()
                if alive:
                    # Whatever was written can be read.
                    for key in sorted(writers.acknowledged)[-20:]:
                        answer = ask(house.signer(), "GET", f"/{bucket}/{key}")
                        assert answer and answer.status == 200 and answer.body == writers.body(key), f"a read while the disk is full: {answer}"
            finally:
                filled.set()
                filler.join()
            assert free < 8 * MIB, f"{free // MIB} MiB were free: this proves nothing"
            house.disk.unload()
            # Not before there was room: what ends a server then must still lose nothing.
            resumed = alive and until(lambda: house.ended() is not None or writers.last > time.monotonic() - 0.3 and writers.count() > at_full + 16, RESUMED_WITHIN_S)
        if house.ended() is None:
            assert resumed, f"no write was taken {RESUMED_WITHIN_S} s after there was room: {writers.told()}"
            assert house.server.process.pid == process
            took, how = works_again(house, bucket, "after room came back"), "went on without a start"
        else:
            assert house.ended() == FATAL, f"it ended with {house.ended()}: {house.log()[-600:]}"
            said_why = [line for line in house.log().splitlines() if "the process ends" in line]
            assert said_why, f"it ended without saying why: {house.log()[-600:]}"
            _, took = timed(house.start)
            works_again(house, bucket, "after a start with room")
            how = f"ended with {FATAL}: {json.loads(said_why[-1])['what'] if said_why[-1].startswith('{') else said_why[-1][-120:]}; started again"
        for size in (100, 100_000, 5 * MIB):
            assert house.signer().ask("DELETE", f"/{bucket}/again-{size}").status == 204
        writers.check("after the disk was full")
        house.kill()
        house.start()
        writers.check("after the disk was full and a kill")
        said(f"{name}: {len(writers.acknowledged)} acknowledged, {writers.told() or 'none refused'}; {how} ({took:.1f} s)")
        wrong = {told for told in writers.answers if told[0] not in (200, 503, 507, None)}
        assert not wrong, f"answers that tell no client to come back: {wrong}"


def until(wanted, patience_s):
    with contextlib.suppress(AssertionError):
        return bool(eventually(wanted, "it", patience_s))
    return False


@test(full=True)
def filled_to_the_last_byte_loses_nothing_that_was_acknowledged(scene):
    to_the_last_byte(scene, "all on one disk", ("",), SMALL)


@test
def filled_to_the_last_byte_while_tables_are_written_out_loses_nothing(scene):
    to_the_last_byte(scene, "all on one disk and small tables", ("",), BUSY)


@test(full=True)
def filled_to_the_last_byte_the_disk_of_content_alone(scene):
    to_the_last_byte(scene, "content on it", ("blobs",), BUSY)


@test
def filled_to_the_last_byte_the_disk_of_the_log_alone(scene):
    to_the_last_byte(scene, "the log on it", ("log",), BUSY)


@test(full=True)
def filled_to_the_last_byte_in_memory(scene):
    to_the_last_byte(scene, "all in memory", ("",), BUSY, "tmpfs")


@test
def a_start_on_a_full_disk_harms_nothing(scene):
    with scene.apart_from("full-start", "ext4", 420, BUSY) as house:
        bucket = house.bucket("full-start")
        with Writers(house, bucket, 8, scene.options.seed) as writers:
            eventually(lambda: writers.count() > 300, "300 writes", 30)
            house.kill()
        house.disk.fill()
        try:
            house.start()
            answer = ask(house.signer(), "PUT", f"/{bucket}/refused", body=b"r" * 30_000)
            assert answer is None or answer.status in (503, 507), str(answer)
            how = "started"
            writers.check("on a full disk")
            house.kill()
        except AssertionError as refused:
            if "did not start" not in str(refused):
                raise
            how = f"did not start: {str(refused).strip().splitlines()[-1][-160:]}"
        house.disk.unload()
        house.start()
        writers.check("after a start on a full disk")
        works_again(house, bucket, "after a start on a full disk")
        said(f"{len(writers.acknowledged)} acknowledged before a kill; on the full disk it {how}")


@test
def filled_by_its_own_content_it_takes_more_once_some_is_deleted_and_swept(scene):
    with scene.apart_from("own-content", "ext4", 420, SMALL) as house:
        signer, bucket, chance = house.signer(), house.bucket("own"), random.Random(scene.options.seed)
        kept, number = {}, 0
        while True:
            body = chance.randbytes(2 * MIB)
            answer = ask(signer, "PUT", f"/{bucket}/k{number:04}", body=body)
            if not answer or answer.status != 200:
                break
            kept[f"k{number:04}"], number = hash(body), number + 1
            assert number < 420, "more than the disk holds was taken"
        full(answer)
        short = house.disk.free()
        assert short > 16 * MIB, f"the reserve was used up: {short // MIB} MiB are free"
        assert number > 50, f"refused after {number} objects of 2 MiB already, with {short // MIB} MiB free"
        gone = [name for position, name in enumerate(kept) if position % 3]
        for name in gone:
            assert signer.ask("DELETE", f"/{bucket}/{name}").status == 204
            del kept[name]
        # Rewriting what is left of half-empty segments takes room first: more than one sweep may be needed.
        freed, sweeps = 0, 0
        while sweeps < 5:
            told = house.manage("POST", "/sweep")
            freed, sweeps = freed + told["freedBytes"], sweeps + 1
            if not told["released"] and not told["freed"]:
                break
        got_back = house.disk.free() - short
        took = works_again(house, bucket, "after a sweep")
        more = 0
        while more < len(gone) // 2:
            answer = ask(signer, "PUT", f"/{bucket}/more-{more:04}", body=chance.randbytes(2 * MIB))
            assert answer and answer.status == 200, f"only {more} objects of 2 MiB fit where {len(gone)} were deleted: {answer}"
            more += 1
        for name, digest in kept.items():
            assert hash(signer.ask("GET", f"/{bucket}/{name}").body) == digest, f"{name} came back otherwise"
        said(f"{number} objects of 2 MiB until it refused with {short // MIB} MiB free; {len(gone)} deleted, {sweeps} sweeps gave {got_back // MIB} MiB back; writes again after {took:.1f} s, {more} more objects")
        assert got_back > len(gone) * MIB, f"{len(gone)} objects of 2 MiB gave {got_back // MIB} MiB back"
