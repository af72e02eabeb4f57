#!/usr/bin/env python3
"""Webhooks, the change feed and NATS from outside, against servers of their own. README.md says what each file checks.

usage: run.py [--bin PATH] [--npm DIR] [--full] [--seed N] [--only NAME,...] [--skip NAME,...] [--list]

A NAME is a test's or a file's. --full adds the tests that take minutes and makes the random ones long. --npm is where package.json's
packages are installed.
"""

import argparse
import importlib
import os
import pathlib
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import scene  # noqa: E402


def arguments():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=scene.ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--npm", default=scene.ROOT / "target" / "tests-webhooks", type=pathlib.Path)
    options.add_argument("--full", action="store_true")
    options.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    options.add_argument("--only", default="")
    options.add_argument("--skip", default="")
    options.add_argument("--list", action="store_true")
    return options.parse_args()


def load():
    """Tests by the file they stand in."""
    files = {}
    for path in sorted((HERE / "each").glob("*.py")):
        before = set(scene.TESTS)
        importlib.import_module(f"each.{path.stem}")
        files[path.stem] = [name for name in scene.TESTS if name not in before]
    return files


def choose(files, options):
    def spread(text):
        for name in filter(None, text.split(",")):
            if name not in files and name not in scene.TESTS:
                raise SystemExit(f"no such test: {name}")
            yield from files.get(name, [name])
    only, skip = list(spread(options.only)), set(spread(options.skip))
    return [name for name in scene.TESTS if name not in skip and (name in only if only else options.full or name not in scene.FULL)]


def place(error):
    """The line of a test that failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/each/" in frame.filename]
    return f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def main():
    options, files = arguments(), load()
    chosen = choose(files, options)
    if options.list:
        print("\n".join(f"{name}{' (full)' if name in scene.FULL else ''}" for name in chosen))
        return 0
    print(f"notifier: seed {options.seed}")
    passed, failed, scenes = 0, 0, {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in chosen:
                began, shared = time.monotonic(), repr(scene.SERVERS[name])
                try:
                    if shared not in scenes:
                        at = pathlib.Path(folder) / f"server-{len(scenes)}"
                        scenes[shared] = scene.Scene(options.bin, at, scene.SERVERS[name][0], options)
                    scene.TESTS[name](scenes[shared])
                    passed += 1
                    print(f"  ok      {name:64} {time.monotonic() - began:6.1f} s", flush=True)
                except (Exception, SystemExit) as error:
                    failed += 1
                    print(f"  FAILED  {name:64} {time.monotonic() - began:6.1f} s  {place(error)}  {type(error).__name__}: {error}", flush=True)
            for number, one in enumerate(scenes.values()):
                try:
                    one.server.stop()
                except Exception as error:
                    failed += 1
                    print(f"  FAILED  server {number} did not end as told  {type(error).__name__}: {error}", flush=True)
        finally:
            for one in scenes.values():
                if one.server.process.poll() is None:
                    one.server.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
