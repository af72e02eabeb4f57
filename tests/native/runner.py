"""Runs the tests of a suite whose files stand in `each/` beside its run.py, those with the same settings against one server.

Owns: the command line, which tests, their lines of output. Does not own: what a stage is (the suite says how one is made).
"""

import argparse
import importlib
import pathlib
import tempfile
import time
import traceback

from kit import ROOT
from stage import FULL, SERVERS, TESTS, LeftOut


def command_line():
    """What every suite takes; a suite adds its own."""
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--full", action="store_true")
    options.add_argument("--only", default="")
    options.add_argument("--skip", default="")
    options.add_argument("--list", action="store_true")
    return options


def load(here):
    """Tests by the file they stand in."""
    files = {}
    for path in sorted((here / "each").glob("*.py")):
        before = set(TESTS)
        importlib.import_module(f"each.{path.stem}")
        files[path.stem] = [name for name in TESTS if name not in before]
    return files


def choose(files, options):
    def spread(text):
        for name in filter(None, text.split(",")):
            if name not in files and name not in TESTS:
                raise SystemExit(f"no such test: {name}")
            yield from files.get(name, [name])
    only, skip = list(spread(options.only)), set(spread(options.skip))
    return [name for name in TESTS if name not in skip and (name in only if only else options.full or name not in FULL)]


def place(error):
    """The line of a test that failed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/each/" in frame.filename]
    return f"{pathlib.Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"


def run(here, options, make):
    """Runs what the options choose; the exit code. `make(folder, settings)` makes a stage with a server of its own."""
    chosen = choose(load(here), options)
    if options.list:
        print("\n".join(f"{name}{' (full)' if name in FULL else ''}" for name in chosen))
        return 0
    passed, failed, left_out, stages = 0, 0, 0, {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in chosen:
                began, shared = time.monotonic(), repr(SERVERS[name])
                try:
                    if shared not in stages:
                        stages[shared] = make(pathlib.Path(folder) / f"server-{len(stages)}", SERVERS[name][0])
                    TESTS[name](stages[shared])
                    passed += 1
                    print(f"  ok      {name:64} {time.monotonic() - began:6.1f} s", flush=True)
                except LeftOut as reason:
                    left_out += 1
                    print(f"  left out: {name}: {reason}", flush=True)
                except (Exception, SystemExit) as error:
                    failed += 1
                    print(f"  FAILED  {name:64} {time.monotonic() - began:6.1f} s  {place(error)}  {type(error).__name__}: {error}", flush=True)
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
    print(f"{passed} passed, {failed} failed" + (f", {left_out} left out" if left_out else ""))
    return 1 if failed else 0
