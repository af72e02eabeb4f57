"""Disks that stand still for a while: nobody is told what is not so, and it goes on by itself, or ends and starts with everything."""

import time

from ground import Writers, ask, eventually, said, test, timed

SMALL = {"storage.reserve_mib": 64, "storage.segment_mib": 16}
# The writer waits this long for a commit before the watchdog ends the process.
WATCHDOG_S = 30


def stalled(scene, seconds):
    """Stands still for so long while 8 write: the house, its writers, what was seen meanwhile."""
    with scene.apart_from(f"stall-{seconds}", "ext4", 420, SMALL) as house:
        bucket = house.bucket("stall")
        with Writers(house, bucket, 8, scene.options.seed) as writers:
            eventually(lambda: writers.count() > 200, "200 writes", 30)
            known = sorted(writers.acknowledged)[0]
            with house.disk.standing_still(seconds + 10):
                began, log = time.monotonic(), len(house.log())
                # Answers to commits that were under way when it began to stand still are on their way.
                before = -1
                while before < writers.count() and time.monotonic() < began + seconds / 2:
                    before = writers.count()
                    time.sleep(1)
                read, read_s = timed(lambda: ask(house.signer(), "GET", f"/{bucket}/{known}"))
                time.sleep(max(began + seconds - time.monotonic(), 0))
                # An answer now would be of something that is not durable.
                assert writers.count() == before, f"{writers.count() - before} writes were acknowledged while nothing could be made durable"
            thawed = time.monotonic()
            took = None
            if eventually(lambda: house.ended() is not None or writers.count() > before + 16, "going on or ending", 20) and house.ended() is None:
                took = time.monotonic() - thawed
        if seconds < WATCHDOG_S:
            assert house.ended() is None, f"{seconds} s ended the server with {house.ended()}: {house.log()[log:][-600:]}"
        how = "ended" if took is None else f"went on {took:.1f} s after it"
        if took is None:
            assert house.ended() == 70 and "no commit within the watchdog's time" in house.log(), f"it ended with {house.ended()}: {house.log()[log:][-600:]}"
            house.start()
        writers.check("after the disk stood still")
        house.kill()
        house.start()
        writers.check("after the disk stood still and a kill")
        said(f"{seconds} s: {how}; a read meanwhile {'took %.1f s' % read_s if read else 'had no answer'}; {len(writers.acknowledged)} acknowledged, {writers.told() or 'none refused'}")
        assert {told for told in writers.answers if told[0] not in (200, 503, None)} == set(), writers.told()


@test(full=True)
def a_disk_that_stands_still_for_3_s_is_waited_for(scene):
    stalled(scene, 3)


@test
def a_disk_that_stands_still_for_8_s_is_waited_for(scene):
    stalled(scene, 8)


@test(full=True)
def a_disk_that_stands_still_for_longer_than_the_watchdog_waits_loses_nothing(scene):
    stalled(scene, WATCHDOG_S + 6)
