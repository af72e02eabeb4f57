"""Where these tests happen: the stage of the native API's tests, with a server that may be killed and comes back where it was.

Owns: settings that tests share, killing and starting the server, a bucket with a receiver and a webhook.
Does not own: tenants, keys, clients (tests/native/stage.py), starting the program (tests/clients/kit.py).
"""

import pathlib
import random
import sys

sys.path[1:1] = [str(pathlib.Path(__file__).resolve().parents[1] / name) for name in ("native", "clients", "attacks")]
from stage import FULL, SERVERS, TESTS, Stage, eventually, moment, stamp, test  # noqa: E402, F401
from kit import ROOT, Server, free_port, known_settings  # noqa: E402, F401

LOOPBACK = {"notifier.allowed_networks": "127.0.0.0/8"}
# Retries soon, and long enough that no subscription is given up during a test.
PATIENT = LOOPBACK | {"notifier.retry_schedule": "0s,1s,1s,1s,1s,1s,1s,1s,1s,1s,10m,10m", "notifier.probe_interval_max_s": 1,
                      "notifier.timeout_s": 5, "log.level": "debug"}


class Scene(Stage):
    def __init__(self, binary, folder, settings, options):
        self.binary, self.settings, self.options = binary, known_settings(binary, settings), options
        super().__init__(binary, folder, self.settings, options.full)

    def chance(self, what):
        """Chance of a test's own, the same for the same seed."""
        return random.Random(f"{self.options.seed} {what}")

    def kill(self):
        self.server.kill()

    def start(self):
        """The server once more: same data, ports and settings."""
        try:
            self.server = Server(self.binary, self.folder, self.settings, self.server.port, self.server.admin_port)
        except SystemExit as ended:
            raise AssertionError(str(ended)) from None

    def metrics(self):
        return self.http.get(self.admin_url + "/metrics").text

    def log(self):
        return self.server.log_path.read_text(errors="replace")
