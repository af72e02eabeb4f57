#!/usr/bin/env python3
"""Real S3 clients, as they are by default, against a server of their own. README.md lists them and what each does.

usage: run.py [--bin PATH] [--full] [--files N] [--big MIB] [--tree DIR] [--only NAME,...] [--skip NAME,...] [--list]

--full adds the clients of requirements-full.txt. --tree takes a directory that exists instead of making one; --big is the size of
the multipart file.
"""

import argparse
import importlib
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True
import kit  # noqa: E402


def load():
    """Each file in each/ names its rounds as it is imported; its client is imported when a round begins."""
    for path in sorted((HERE / "each").glob("*.py")):
        importlib.import_module(f"each.{path.stem}")
    return kit.CLIENTS


def arguments():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=kit.ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--full", action="store_true")
    options.add_argument("--files", default=150, type=int)
    options.add_argument("--big", default=24, type=int)
    options.add_argument("--tree", type=pathlib.Path)
    options.add_argument("--only", default="")
    options.add_argument("--skip", default="")
    options.add_argument("--list", action="store_true")
    return options.parse_args()


def choose(clients, options):
    named = [name for name in f"{options.only},{options.skip}".split(",") if name]
    if unknown := [name for name in named if name not in clients]:
        raise SystemExit(f"no such client: {', '.join(unknown)}")
    if options.only:
        return options.only.split(",")
    return [name for name, function in clients.items() if (options.full or not function.full) and name not in options.skip.split(",")]


def main():
    options, clients = arguments(), load()
    if options.list:
        print("\n".join(f"{name}{' (full)' if function.full else ''}" for name, function in clients.items()))
        return 0
    chosen = choose(clients, options)
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        seed = int.from_bytes(os.urandom(4), "big")
        tree = options.tree or folder / "tree"
        if not options.tree:
            kit.make_tree(tree, options.files, seed)
        big = folder / "big.bin"
        with open(big, "wb") as out:
            for part in range(options.big):
                out.write(random.Random(seed + part).randbytes(1 << 20))
        print(f"clients: seed {seed}, tree of {sum(1 for path in tree.rglob('*') if path.is_file())} files, big file of {options.big} MiB")
        server = kit.Server(options.bin, folder)
        try:
            for name in chosen:
                began = time.monotonic()
                try:
                    clients[name](kit.Case(server, tree, big, folder, name))
                    passed += 1
                    print(f"  ok      {name:20} {time.monotonic() - began:6.1f} s", flush=True)
                # A client may end in whatever way it likes: the others still have their turn.
                except BaseException as error:
                    if isinstance(error, KeyboardInterrupt):
                        raise
                    failed += 1
                    print(f"  FAILED  {name:20} {time.monotonic() - began:6.1f} s  {type(error).__name__}: {error}", flush=True)
                shutil.rmtree(folder / name, ignore_errors=True)
            print(f"  server's peak memory {server.peak_memory_mib()} MiB")
            server.stop()
        finally:
            if server.process.poll() is None:
                server.kill()
        if failed:
            print(server.log_path.read_text()[-3000:])
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
