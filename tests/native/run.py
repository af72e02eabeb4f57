#!/usr/bin/env python3
"""The native API from outside, against servers of their own. README.md says what each file checks.

usage: run.py [--bin PATH] [--full] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. --full adds the tests that take minutes.
"""

import argparse
import importlib
import pathlib
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import stage  # noqa: E402
from kit import ROOT  # noqa: E402


def arguments():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--full", action="store_true")
    options.add_argument("--only", default="")
    options.add_argument("--skip", default="")
    options.add_argument("--list", action="store_true")
    return options.parse_args()


def load():
    """Tests by the file they stand in."""
    files = {}
    for path in sorted((HERE / "each").glob("*.py")):
        before = set(stage.TESTS)
        importlib.import_module(f"each.{path.stem}")
        files[path.stem] = [name for name in stage.TESTS if name not in before]
    return files


def choose(files, options):
    def spread(text):
        for name in filter(None, text.split(",")):
            if name not in files and name not in stage.TESTS:
                raise SystemExit(f"no such test: {name}")
            yield from files.get(name, [name])
    only, skip = list(spread(options.only)), set(spread(options.skip))
    return [name for name in stage.TESTS if name not in skip and (name in only if only else options.full or name not in stage.FULL)]


def place(error):
    """The line of a test that failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/each/" in frame.filename]
    return f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def main():
    options, files = arguments(), load()
    chosen = choose(files, options)
    if options.list:
        print("\n".join(f"{name}{' (full)' if name in stage.FULL else ''}" for name in chosen))
        return 0
    passed, failed, stages = 0, 0, {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in chosen:
                began, shared = time.monotonic(), repr(stage.SERVERS[name])
                try:
                    if shared not in stages:
                        at = pathlib.Path(folder) / f"server-{len(stages)}"
                        stages[shared] = stage.Stage(options.bin, at, stage.SERVERS[name][0], options.full)
                    stage.TESTS[name](stages[shared])
                    passed += 1
                    print(f"  ok      {name:60} {time.monotonic() - began:6.1f} s", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"  FAILED  {name:60} {time.monotonic() - began:6.1f} s  {place(error)}  {type(error).__name__}: {error}", flush=True)
            for number, one in enumerate(stages.values()):
                try:
                    one.server.stop()
                except Exception as error:
                    failed += 1
                    print(f"  FAILED  server {number} did not end as told  {type(error).__name__}: {error}", flush=True)
        finally:
            for one in stages.values():
                if one.server.process.poll() is None:
                    one.server.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
