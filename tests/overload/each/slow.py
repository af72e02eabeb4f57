"""Slow clients: bodies that trickle or stop, answers that nobody reads. Others do not wait for them."""

import time

from ground import MIB, Crowd, ask, eventually, listed, request, said, test, timed

IDLE_S = 3
IMPATIENT = {"limits.body_idle_s": IDLE_S, "limits.answer_idle_s": IDLE_S}


def beside(scene, bucket, rounds=10):
    """Seconds that the slowest of some requests takes that a new client sends, of every kind."""
    signer, slowest = scene.signer(), 0.0
    for number in range(rounds):
        for answer, took in (timed(lambda: ask(signer, "PUT", f"/{bucket}/beside-{number}", body=b"b" * 100_000)), timed(lambda: ask(signer, "GET", f"/{bucket}/beside-{number}")),
                             timed(lambda: ask(signer, "GET", f"/{bucket}", [("list-type", "2"), ("prefix", "beside")]))):
            assert answer and answer.status == 200, f"beside slow clients: {answer}"
            slowest = max(slowest, took)
    return slowest


@test(settings=IMPATIENT)
def bodies_that_trickle_hold_nobody_up_and_those_that_stop_are_ended(scene):
    signer, bucket = scene.signer(), scene.bucket("slow")
    resting = scene.rss_mib()
    body, count = b"0123456789", 100
    with Crowd(scene.server.host) as crowd:
        # Each announces far more than it sends; the last tenth of those that go on is whole in the end.
        for number in range(count):
            crowd.add(request(signer, "PUT", f"/{bucket}/stops-{number}", body=b"x", announced=1 << 30))
        moving = [crowd.add(request(signer, "PUT", f"/{bucket}/moves-{number}", body=b"", announced=len(body) if number < 10 else 1 << 30)) for number in range(count)]
        began, slowest = time.monotonic(), 0.0
        for beat, piece in enumerate(body):
            for line in moving:
                crowd.say(line, bytes([piece]))
            crowd.go(lambda: False, 0.02)
            slowest = max(slowest, beside(scene, bucket, 3))
            crowd.go(lambda: False, max(began + beat + 1 - time.monotonic(), 0))
        peak = scene.rss_mib()
        crowd.go(lambda: all(line.answered() for line in [*crowd.lines[:count], *moving[:10]]), 10)
        stopped = [line.answer() for line in crowd.lines[:count]]
        assert all(stopped), f"{stopped.count(None)} of {count} bodies that stopped are still waited for after {time.monotonic() - began:.0f} s"
        # S3's status for it is 400; the native API's is 408.
        told = {(answer.status, answer.code) for answer in stopped}
        assert told == {(400, "RequestTimeout")}, told
        finished = [line.answer() for line in moving[:10]]
        assert all(answer and answer.status == 200 for answer in finished), f"bodies of one byte a second: {[answer and answer.status for answer in finished]}"
        dropped = sum(not line.open or line.answered() for line in moving[10:])
        assert dropped == 0, f"{dropped} bodies were ended that went on at a byte a second"
        # Now those stop too.
        assert crowd.go(lambda: all(line.answered() or not line.open for line in moving), IDLE_S + 10), "bodies that trickled and stopped are still waited for"
    said(f"{2 * count} slow bodies of 1 GiB announced, {peak - resting} MiB for them; slowest of 90 requests beside them {slowest * 1000:.0f} ms")
    assert slowest < 5, f"a request beside slow clients took {slowest:.1f} s"
    assert peak - resting < 150, f"{2 * count} slow bodies took {peak - resting} MiB"
    there = {name for name in listed(signer, bucket) if not name.startswith("beside")}
    assert there == {f"moves-{number}" for number in range(10)}, f"also there: {sorted(there)[:10]}"
    for name in there:
        assert signer.ask("GET", f"/{bucket}/{name}").body == body


@test(alone=True)
def large_uploads_that_pause_leave_threads_for_others(scene):
    # More than there are threads that may block. Each has sent more than a piece of content, which is hashed as it comes.
    count, sent = 540, bytes(4 * MIB + 100)
    signer, bucket = scene.signer(), scene.bucket("paused")
    resting = scene.rss_mib()
    with Crowd(scene.server.host) as crowd:
        for number in range(count):
            crowd.add(request(signer, "PUT", f"/{bucket}/paused-{number}", body=sent, announced=len(sent) + 1))
            crowd.go(lambda: not crowd.lines[-1].out, 30)
        # What was sent has been taken in.
        quiet, since = scene.cpu_s(), time.monotonic()
        while time.monotonic() < since + 1 or scene.cpu_s() - quiet > 0.1 * (time.monotonic() - since):
            quiet, since = scene.cpu_s(), time.monotonic()
            crowd.go(lambda: False, 1)
            if time.monotonic() - since > 60:
                break
        threads, held = scene.threads(), scene.rss_mib()
        slowest = beside(scene, bucket, 3)
        for line in crowd.lines:
            crowd.say(line, b"e")
        _, took = timed(lambda: crowd.go(lambda: all(line.answered() for line in crowd.lines), 60))
        told = [line.answer() for line in crowd.lines]
        said(f"{count} uploads in the middle: {threads} threads, {held - resting} MiB; slowest of 9 requests beside them {slowest * 1000:.0f} ms; all answered {took:.1f} s after their last byte")
        assert all(answer and answer.status == 200 for answer in told), f"{sum(not answer or answer.status != 200 for answer in told)} of {count} uploads did not end well"
        assert slowest < 5, f"a request beside paused uploads took {slowest:.1f} s"


@test(settings=IMPATIENT)
def answers_that_nobody_reads_hold_nobody_up_and_are_ended(scene):
    signer, bucket, count = scene.signer(), scene.bucket("unread"), 200
    body = b"unread and long " * (12 * MIB // 16)
    assert signer.ask("PUT", f"/{bucket}/long", body=body).status == 200
    resting, files = scene.rss_mib(), scene.files()
    with Crowd(scene.server.host) as crowd:
        lines = [crowd.add(request(signer, "GET", f"/{bucket}/long")) for _ in range(count)]
        # Sent, and from now on nothing is read.
        crowd.go(lambda: all(not line.out and line.got for line in lines), 30)
        slowest, peak = beside(scene, bucket), scene.rss_mib()
        ended = eventually(lambda: scene.files() < files + count // 10, "leaving clients that read nothing", IDLE_S + 20)
    said(f"{count} answers of 12 MiB that nobody reads: {peak - resting} MiB; slowest of 30 requests beside them {slowest * 1000:.0f} ms")
    assert ended and slowest < 5, f"a request beside them took {slowest:.1f} s"
    assert peak - resting < count * 4, f"{count} unread answers took {peak - resting} MiB"
