"""More writes than the writer's queue holds: who is refused is told when to come back, and who is not has it for ever."""

import threading
import time

from ground import Crowd, ask, listed, request, said, test, timed

# What the queue holds and what one drain takes out of it, with some over.
WRITES = 6_500
# Less than the writer's watchdog waits.
STILL_S = 25


def outcomes(crowd, names):
    """Names by what their writes were told."""
    acknowledged, refused = set(), set()
    for line, name in zip(crowd.lines, names):
        answer = line.answer()
        assert answer, f"{name}: no answer, connection {'open' if line.open else 'ended'}, reached {line.reached}"
        if answer.status == 200:
            acknowledged.add(name)
        else:
            assert (answer.status, answer.code) == (503, "SlowDown"), f"{name}: {answer}"
            assert int(answer.headers["retry-after"]) >= 1, f"no Retry-After: {answer.headers}"
            assert b"<RequestId>" in answer.body, answer.body
            refused.add(name)
    return acknowledged, refused


def burst(house, key, other, still=None):
    """Writes of one tenant, all at once: what was acknowledged and refused. Another tenant writes in the middle of it."""
    signer, beside = house.signer(key), house.signer(other)
    bucket, beside_bucket = house.bucket("flood", key), house.bucket("beside", other)
    names, told = [f"k{number:05}" for number in range(WRITES)], {}
    with Crowd(house.server.host) as crowd:
        requests = [request(signer, "PUT", f"/{bucket}/{name}", body=name.encode()) for name in names]

        def begin():
            for number, one in enumerate(requests):
                crowd.add(one)
                if number % 500 == 0:
                    crowd.go(lambda: False, 0.02)

        def other_writes():
            told["other"], told["other_s"] = timed(lambda: ask(beside, "PUT", f"/{beside_bucket}/one", body=b"of another tenant"))
        other_thread = threading.Thread(target=other_writes)
        if still:
            with still:
                begin()
                other_thread.start()
                # Until some came and no more come.
                seen, began = 0, time.monotonic()
                since = began
                while time.monotonic() < began + STILL_S - 3 and (not seen or time.monotonic() < since + 1.5):
                    crowd.go(lambda: False, 0.25)
                    if crowd.answered() > seen:
                        seen, since = crowd.answered(), time.monotonic()
                told["early"] = [line.answer().status for line in crowd.lines if line.answered()]
        else:
            begin()
            other_thread.start()
        everything, told["took_s"] = timed(lambda: crowd.go(lambda: all(line.answered() or not line.open for line in crowd.lines), 60))
        other_thread.join(60)
        assert everything, f"{WRITES - crowd.answered()} of {WRITES} writes are not answered after 60 s"
        assert house.ended() is None, f"the server ended with {house.ended()}: {house.log()[-600:]}"
        acknowledged, refused = outcomes(crowd, names)
    assert told["other"] and told["other"].status == 200, f"another tenant's write: {told['other']}"
    assert listed(signer, bucket) == acknowledged, "what is there is not what was acknowledged"
    return bucket, acknowledged, refused, told


def survives(house, key, bucket, acknowledged):
    house.kill()
    house.start()
    signer = house.signer(key)
    there = listed(signer, bucket)
    assert there == acknowledged, f"after a kill {len(acknowledged - there)} acknowledged writes are lost, {len(there - acknowledged)} refused ones are there"
    for name in sorted(acknowledged)[::max(len(acknowledged) // 100, 1)]:
        answer = signer.ask("GET", f"/{bucket}/{name}")
        assert answer.status == 200 and answer.body == name.encode(), f"{name}: {answer}"


@test
def a_full_queue_refuses_and_what_it_took_is_kept(scene):
    # Nothing is durable while the disk stands still, so the queue does become full.
    with scene.apart_from("full-queue", "ext4", 600, {"storage.reserve_mib": 64, "storage.segment_mib": 16}) as house:
        key, other = house.tenant("busy"), house.tenant("calm")
        bucket, acknowledged, refused, told = burst(house, key, other, house.disk.standing_still(STILL_S))
        said(f"{WRITES} writes at once while the disk stands still: {len(acknowledged)} acknowledged, {len(refused)} refused, {told['took_s']:.1f} s after it moved again; another tenant's write waited {told['other_s']:.1f} s")
        assert set(told["early"]) == {503}, f"answers while nothing could be made durable: {set(told['early'])}"
        assert refused and len(acknowledged) >= 4_096, f"the queue takes 4,096: {len(acknowledged)} acknowledged, {len(refused)} refused"
        survives(house, key, bucket, acknowledged)


@test(alone=True)
def thousands_of_writes_at_once_are_answered_and_what_was_acknowledged_is_kept(scene):
    key, other = scene.tenant("busy"), scene.tenant("calm")
    bucket, acknowledged, refused, told = burst(scene, key, other)
    said(f"{WRITES} writes at once: {len(acknowledged)} acknowledged, {len(refused)} refused, in {told['took_s']:.1f} s; another tenant's write took {told['other_s'] * 1000:.0f} ms")
    survives(scene, key, bucket, acknowledged)


@test
def a_tenant_that_floods_leaves_others_their_turn(scene):
    key, other = scene.tenant("busy"), scene.tenant("calm")
    signer, beside = scene.signer(key), scene.signer(other)
    bucket, beside_bucket = scene.bucket("flood", key), scene.bucket("beside", other)

    def writes(count, within_s):
        ends, times = time.monotonic() + within_s, []
        while len(times) < count and time.monotonic() < ends:
            answer, took = timed(lambda: ask(beside, "PUT", f"/{beside_bucket}/k{len(times) % 10}", body=b"calm"))
            assert answer and answer.status == 200, f"the other tenant's write: {answer}"
            times.append(took)
        return sorted(times)
    alone = writes(30, 5)
    one, stop, done = [request(signer, "PUT", f"/{bucket}/k{number}", body=b"busy") for number in range(400)], threading.Event(), [0]

    def flood():
        with Crowd(scene.server.host) as crowd:
            for each in one:
                crowd.add(each)
            while not stop.is_set():
                crowd.go(stop.is_set, 0.05)
                for number, line in enumerate(crowd.lines):
                    if line.answered():
                        assert line.answer().status in (200, 503), str(line.answer())
                        line.got.clear()
                        done[0] += 1
                        crowd.say(line, one[number])
    flooding = threading.Thread(target=flood)
    flooding.start()
    try:
        time.sleep(0.5)
        under = writes(1_000, 3)
    finally:
        stop.set()
        flooding.join(30)
    said(f"{done[0]} writes of a tenant with 400 connections; another's take {alone[len(alone) // 2] * 1000:.0f} ms alone, beside them {under[len(under) // 2] * 1000:.0f} ms in the middle and {under[-1] * 1000:.0f} ms at most")
    assert done[0] > 400, f"the flood was {done[0]} writes"
    assert under[-1] < 5, f"a write of a calm tenant took {under[-1]:.1f} s"
