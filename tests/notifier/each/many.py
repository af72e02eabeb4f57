"""A thousand subscriptions, a tenth of them black holes: what the healthy ones wait. With --full alone."""

import socket
import statistics
import threading
import time

from hooks import hook, put
from receiver import Program
from scene import LOOPBACK, free_port, moment, test

SUBSCRIPTIONS, HOLES = 1_000, 100
# Each prefix has ten subscriptions, so a write makes ten deliveries.
PREFIXES, PER_SECOND, FOR_S, WRITERS = 100, 1_000, 60, 4
PATIENCE_S = 30


class Holes:
    """Accepts, reads nothing, never answers."""

    def __init__(self):
        self.socket, self.held = socket.create_server(("127.0.0.1", 0), backlog=1024), []
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}/"
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            while True:
                self.held.append(self.socket.accept()[0])
        except OSError:
            pass

    def close(self):
        self.socket.close()
        for one in self.held:
            one.close()


@test(settings=LOOPBACK, alone=True, full=True)
def healthy_ones_hear_nothing_of_black_holes(scene):
    native, bucket = scene.native, scene.bucket("many")
    program, holes = Program(scene.folder, free_port()), Holes()
    program.start()
    for number in range(SUBSCRIPTIONS):
        dead = number < HOLES
        hook(native, f"{holes.url if dead else program.url}{number}", buckets=[bucket], events=["s3:*"], prefix=f"{number % PREFIXES}/")
    answered, ends = [], time.monotonic() + FOR_S
    every_s = WRITERS * SUBSCRIPTIONS / PREFIXES / PER_SECOND

    def write(writer):
        client, due, number = scene.root.another_client(), time.monotonic() + writer * every_s / WRITERS, writer
        while due < ends:
            time.sleep(max(0, due - time.monotonic()))
            answered.append(put(client, bucket, f"{number % PREFIXES}/{number}"))
            due, number = due + every_s, number + WRITERS
    threads = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    healthy = (SUBSCRIPTIONS - HOLES) // PREFIXES
    wanted, patience = len(answered) * healthy, time.monotonic() + PATIENCE_S
    while (found := program.journal.read_bytes().count(b"\n{")) < wanted and time.monotonic() < patience:
        time.sleep(0.5)
    program.kill()
    came, asked = program.read(), len(holes.held)
    holes.close()
    assert wanted > PER_SECOND * FOR_S / 4, f"only {len(answered)} writes"
    assert len({(one.path, one.position) for one in came}) == len(came) == wanted, f"{found} of {wanted}"
    assert {one.position for one in came} == set(answered)
    assert asked >= HOLES, f"black holes were asked {asked} times"
    waits = [(one.came - moment(one.document["time"]).timestamp()) * 1000 for one in came]
    steps = statistics.quantiles(waits, n=100)
    print(f"          {len(answered)} writes, {len(came)} healthy deliveries, {len(came) / FOR_S:.0f} a second, {asked} connections to black holes; "
          f"commit to receipt p50 {steps[49]:.1f} ms, p99 {steps[98]:.1f} ms, longest {max(waits):.1f} ms", flush=True)
