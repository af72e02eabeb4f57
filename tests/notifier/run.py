#!/usr/bin/env python3
"""Webhooks, the change feed and NATS from outside, against servers of their own. README.md says what each file checks.

usage: run.py [--bin PATH] [--npm DIR] [--full] [--seed N] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. --full adds the tests that take minutes and makes the random ones long. --npm is where package.json's
packages are installed.
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import scene  # noqa: E402
import runner  # noqa: E402

options = runner.command_line()
options.add_argument("--npm", default=scene.ROOT / "target" / "tests-webhooks", type=pathlib.Path)
options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
options = options.parse_args()
if not options.list:
    print(f"notifier: seed {options.seed}")
sys.exit(runner.run(HERE, options, lambda folder, settings: scene.Scene(options.bin, folder, settings, options)))
