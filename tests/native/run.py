#!/usr/bin/env python3
"""The native API from outside, against servers of their own. README.md says what each file checks.

usage: run.py [--bin PATH] [--full] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. --full adds the tests that take minutes.
"""

import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import stage  # noqa: E402
import runner  # noqa: E402

options = runner.command_line().parse_args()
sys.exit(runner.run(HERE, options, lambda folder, settings: stage.Stage(options.bin, folder, settings, options.full)))
