"""A receiver that is away for a day that takes seconds: everything comes afterwards, in order, and another tenant hears nothing of it."""

import statistics
import threading
import time

from hooks import feed, hook, put, told_of
from proof import everything
from receiver import Program
from scene import LOOPBACK, eventually, free_port, moment, test

# A day in 12 s: the real schedule, 7,200 times as fast, and a probe no later than it would come.
DAY_S, DAY_FULL_S = 12, 120
SHORTENED = LOOPBACK | {"notifier.retry_schedule": "0s,1s,1s,1s,2s,3s,5s,7s,10s,12s,120s,120s", "notifier.probe_interval_max_s": 4, "notifier.timeout_s": 2}
PER_SECOND = 40


class Steady:
    """Writes at a steady rate: positions that were answered."""

    def __init__(self, native, bucket, per_second):
        self.native, self.bucket, self.every_s, self.answered, self.ends = native, bucket, 1 / per_second, [], threading.Event()
        self.thread = threading.Thread(target=self._run)

    def _run(self):
        number, due = 0, time.monotonic()
        while not self.ends.is_set():
            self.answered.append(put(self.native, self.bucket, f"{number % 50}"))
            number, due = number + 1, due + self.every_s
            time.sleep(max(0, due - time.monotonic()))

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ends.set()
        self.thread.join(60)


def told_at(delivery):
    """When the event was made, by the server's clock, which is this machine's."""
    return moment(delivery.document["time"]).timestamp()


def p99(values):
    return statistics.quantiles(values, n=100)[98]


@test(settings=SHORTENED, alone=True)
def after_a_day_away_everything_comes_in_order(scene):
    day_s = DAY_FULL_S if scene.full else DAY_S
    beside, bucket = scene.tenant("beside"), scene.bucket("away")
    other = scene.bucket("steady", beside)
    away, near = (Program(scene.folder, free_port(), name=name) for name in ("away", "near"))
    mine = hook(scene.native, away.url, buckets=[bucket], events=["s3:*"])
    theirs = hook(beside.native, near.url, buckets=[other], events=["s3:*"])
    for program, one in ((away, mine), (near, theirs)):
        program.secrets = [one.secret]
        program.start()
    try:
        spans = []
        with Steady(beside.native, other, PER_SECOND) as steady, Steady(scene.root.another_client(), bucket, PER_SECOND) as writing:
            time.sleep(1)
            for down in (False, True):
                if down:
                    away.kill()
                began = time.time()
                time.sleep(day_s)
                spans.append((began, time.time()))
            now = mine.delivery()
            assert now["lag"] > 0 and now["failingSince"] and mine.get()["status"] == "active", now
            away.start()
            time.sleep(2)
        assert len(writing.answered) > day_s * PER_SECOND / 4, "too little was written while it was away"
        for one in (mine, theirs):
            eventually(lambda: (now := one.delivery())["position"] >= now["headPosition"], f"everything sent: {one.delivery()}", 60 + day_s)
    finally:
        away.kill()
        near.kill()
    repeated = everything(away.read(), told_of(feed(scene.native), buckets=[bucket]))
    came = near.read()
    assert everything(came, told_of(feed(beside.native), buckets=[other])) == 0, "something of the other tenant came twice"
    assert {one.position for one in came} >= set(steady.answered)
    waits = [[one.came - told_at(one) for one in came if began <= told_at(one) < ended] for began, ended in spans]
    assert all(len(each) > day_s * PER_SECOND / 4 for each in waits), [len(each) for each in waits]
    without, during = (p99(each) * 1000 for each in waits)
    print(f"          {len(writing.answered)} events to whoever was away ({repeated} came twice); another tenant's commit to receipt, "
          f"p99 {without:.1f} ms before, {during:.1f} ms meanwhile, ratio {during / without:.2f}", flush=True)
