"""Connections: as many as there are files for, which do nothing or never say what they want, and requests beside them."""

import time

import ground
from ground import Crowd, ask, request, said, test, timed

# Idle connections and unfinished heads are ended after 30 s.
DROPPED_AFTER_S = 30
# A connection that does nothing, buffers and a task.
CONNECTION_KIB_MAX = 64


@test(alone=True)
def ten_thousand_connections_that_do_nothing_do_not_hold_up_others(scene):
    wanted = min(10_000, ground.files_max() - 500)
    signer, bucket = scene.signer(), scene.bucket("crowded")
    assert signer.ask("PUT", f"/{bucket}/before", body=b"before").status == 200
    resting = scene.rss_mib()
    with Crowd(scene.server.host) as crowd, Crowd(scene.server.host) as regular:
        # One that was there before and keeps on asking.
        old = regular.add(request(signer, "GET", f"/{bucket}/before"))
        assert regular.go(old.answered, 10)

        def once_more():
            old.got.clear()
            _, took = timed(lambda: (regular.say(old, request(signer, "GET", f"/{bucket}/before")), regular.go(lambda: old.answered() or not old.open, 30)))
            assert old.answer() and old.answer().status == 200, f"a connection that was there before and asks again and again is not answered: {old.answer()}, after {took:.1f} s"
            return took
        began, slowest, files = time.monotonic(), 0.0, scene.files()
        for number in range(wanted):
            # Silent ones, heads that never end, and some that were answered once.
            crowd.add((b"", b"GET /crowded HTTP/1.1\r\nhost: ", request(signer, "GET", f"/{bucket}/before"))[number % 3])
            if number % 500 == 0:
                crowd.go(lambda: False, 0.02)
                slowest = max(slowest, once_more())
        crowd.go(lambda: crowd.reached() == wanted, 3)
        reached, peak = crowd.reached(), 0
        for number in range(20):
            name = f"/{bucket}/beside-{number}"
            answer, put_s = timed(lambda: ask(signer, "PUT", name, body=b"beside"))
            assert answer and answer.status == 200, f"a new connection's write beside {reached} idle ones: {answer}"
            answer, get_s = timed(lambda: ask(signer, "GET", name))
            assert answer and answer.status == 200 and answer.body == b"beside", str(answer)
            old_s = once_more()
            slowest, peak = max(slowest, put_s, get_s, old_s), max(peak, scene.rss_mib())
            crowd.go(lambda: False, 0.01)
        said(f"{reached} of {wanted} connections reached the server, {scene.files()} files are open; {resting} MiB before, {peak} MiB with them; slowest of 60 requests beside them {slowest * 1000:.0f} ms")
        assert slowest < 10, f"a request beside them took {slowest:.1f} s"
        assert peak - resting < wanted * CONNECTION_KIB_MAX // 1024, f"{wanted} idle connections took {peak - resting} MiB"
        assert reached > wanted * 3 // 4, f"only {reached} of {wanted} connections were let in or queued"
        # Those in the middle of a head too: nobody is waited for forever. The server's side is asked: of some that the kernel let in
        # and then forgot it never heard.
        while scene.files() > files + 50:
            assert time.monotonic() < began + DROPPED_AFTER_S * 2, f"{scene.files()} files are open {time.monotonic() - began:.0f} s after the first of {reached} idle connections began"
            crowd.go(lambda: False, 0.5)
        dropped_s = time.monotonic() - began
    left = scene.rss_mib()
    said(f"all were dropped {dropped_s:.0f} s after the first began; {left} MiB are left, {scene.files()} files are open")
    assert left - resting < (peak - resting) * 3 // 4 + 40, f"of {peak - resting} MiB for connections {left - resting} MiB are kept"
    assert signer.ask("GET", f"/{bucket}/before").status == 200


@test
def without_files_left_connections_wait_and_the_store_goes_on(scene):
    # Small tables: the storage engine makes and opens files all the time.
    settings = {"storage.memtable_kib": 64, "storage.segment_mib": 16}
    with scene.apart_from("few-files", settings=settings, files=256) as few:
        signer, bucket = few.signer(), few.bucket("few")
        with Crowd(few.server.host) as crowd, Crowd(few.server.host) as regular:
            old = regular.add(request(signer, "PUT", f"/{bucket}/old-0", body=b"0"))
            assert regular.go(old.answered, 10)
            for _ in range(600):
                crowd.add()
            crowd.go(lambda: False, 1)
            before, began, number, slowest = few.cpu_s(), time.monotonic(), 1, 0.0
            resting = None
            # First quiet, so that waiting for files would show in CPU time; then writing.
            time.sleep(2)
            resting = (few.cpu_s() - before) / (time.monotonic() - began)
            while number < 1_500 and time.monotonic() < began + 12:
                old.got.clear()
                regular.say(old, request(signer, "PUT", f"/{bucket}/old-{number}", body=f"{number} ".encode() * 300))
                done, took = timed(lambda: regular.go(old.answered, 10))
                assert few.ended() is None, f"the server ended with {few.ended()}: {few.log()[-600:]}"
                assert done and old.answer().status == 200, f"write {number} of a connection that was there before: {old.answer()}"
                number, slowest = number + 1, max(slowest, took)
            new, new_s = timed(lambda: ask(signer, "GET", f"/{bucket}/old-1"))
            said(f"256 files: {few.files()} open with 600 connections, of which {crowd.standing()} reached it; CPU while nothing is asked {resting * 100:.0f} %; {number} writes on an older connection, slowest {slowest * 1000:.0f} ms; a new one's read {new_s * 1000:.0f} ms")
            assert resting < 0.5, f"{resting * 100:.0f} % of a core while nothing is asked"
            assert new and new.status == 200, f"a new connection among 600 idle ones: {new}"
        answer, took = timed(lambda: ask(signer, "GET", f"/{bucket}/old-{number - 1}"))
        assert answer and answer.status == 200 and took < 5, f"after they were closed: {answer} after {took:.1f} s"
        few.kill()
        few.start()
        there = ground.listed(few.signer(), bucket)
        assert len(there) == number, f"{number} writes were acknowledged, {len(there)} are there after a kill"
