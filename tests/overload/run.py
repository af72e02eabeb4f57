#!/usr/bin/env python3
"""More than a server can take, from outside: connections, writers, full disks, disks that stand still, slow clients. README.md says what each file checks.

usage: run.py [--bin PATH] [--full] [--seed N] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. Disks are mounted in a mount namespace of the suite's own; where none can be, their tests are left out and said so.
"""

import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import ground  # noqa: E402
import runner  # noqa: E402

options = runner.command_line()
options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
options = options.parse_args()
options.bin = options.bin.resolve()
if not options.list:
    ground.apart()
    ground.more_files()
    print(f"overload: seed {options.seed}", flush=True)
sys.exit(runner.run(HERE, options, lambda folder, settings: ground.Ground(options.bin, folder, settings, options)))
