#!/usr/bin/env python3
"""Attacks on a server of their own, as whoever wants more than he may would send them. README.md says where each attack is tested.

usage: run.py [--bin PATH] [--only NAME,...] [--skip NAME,...] [--list]
"""

import argparse
import importlib
import pathlib
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import field  # noqa: E402
from kit import ROOT  # noqa: E402


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--only", default="")
    options.add_argument("--skip", default="")
    options.add_argument("--list", action="store_true")
    options = options.parse_args()
    for path in sorted((HERE / "each").glob("*.py")):
        importlib.import_module(f"each.{path.stem}")
    if unknown := [name for name in f"{options.only},{options.skip}".split(",") if name and name not in field.ATTACKS]:
        raise SystemExit(f"no such attack: {', '.join(unknown)}")
    chosen = options.only.split(",") if options.only else [name for name in field.ATTACKS if name not in options.skip.split(",")]
    if options.list:
        print("\n".join(chosen))
        return 0
    passed, failed, fields = 0, 0, {}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name in chosen:
                began, settings = time.monotonic(), field.SETTINGS[name]
                try:
                    shared = repr(settings)
                    if shared not in fields:
                        fields[shared] = field.Field(options.bin, pathlib.Path(folder) / f"server-{len(fields)}", settings)
                    field.ATTACKS[name](fields[shared])
                    passed += 1
                    print(f"  ok      {name:36} {time.monotonic() - began:6.1f} s", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"  FAILED  {name:36} {time.monotonic() - began:6.1f} s  {type(error).__name__}: {error}", flush=True)
            for one in fields.values():
                one.server.stop()
        finally:
            for one in fields.values():
                if one.server.process.poll() is None:
                    one.server.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
