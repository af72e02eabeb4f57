#!/usr/bin/env python3
"""History from outside: reading the past, diff, restore, undo, snapshots, windows, views, forks. README.md says what each file checks.

usage: run.py [--bin PATH] [--full] [--seed N] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. --full makes the random tests long and the large ones large.
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import past  # noqa: E402
import runner  # noqa: E402

options = runner.command_line()
options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
options = options.parse_args()
if not options.list:
    print(f"history: seed {options.seed}", flush=True)
sys.exit(runner.run(HERE, options, lambda folder, settings: past.Scene(options.bin, folder, settings, options)))
