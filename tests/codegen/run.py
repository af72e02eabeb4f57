#!/usr/bin/env python3
"""Clients generated from both served OpenAPI documents, compiled and used once against the server. README.md names the generators.

usage: run.py --bin PATH --npm DIR

--npm is a folder whose node_modules has the packages of package.json; the Python running this has those of requirements.txt.
"""

import argparse
import importlib
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "native"))
sys.dont_write_bytecode = True
import stage as stages  # noqa: E402
from kit import BESIDE, ROOT, run  # noqa: E402


class Place:
    """A server, its documents as files, and the folder that clients are generated into."""

    def __init__(self, binary, folder, npm):
        self.stage, self.folder, self.npm = stages.Stage(binary, folder / "server", {}), folder, npm
        self.token, self.bucket = self.stage.native.token(), self.stage.bucket("generated")
        self.admin_token = self.stage.operator.headers["Authorization"].removeprefix("Bearer ")
        self.documents = {}
        for name, url in (("native", self.stage.endpoint + "/api/v1"), ("admin", self.stage.admin_url + "/admin/api/v1")):
            self.documents[name] = folder / f"{name}.json"
            self.documents[name].write_bytes(self.stage.http.get(url + "/openapi.json").raise_for_status().content)


def typescript(place):
    """Types by openapi-typescript, calls by openapi-fetch, compiled strictly by tsc, run by node."""
    here = place.folder / "typescript"
    shutil.copytree(HERE / "typescript", here)
    (here / "node_modules").symlink_to(place.npm.resolve() / "node_modules")
    (here / "package.json").write_text('{"type": "module"}')
    tool = here / "node_modules" / ".bin"
    for name, document in place.documents.items():
        run(tool / "openapi-typescript", document, "--output", here / "generated" / f"{name}.ts", cwd=here)
    run(tool / "tsc", "--project", here, cwd=here)
    run("node", here / "built" / "native.js", place.stage.endpoint, place.token, place.bucket)
    run("node", here / "built" / "admin.js", place.stage.admin_url, place.admin_token, "default")


def python(place):
    """Packages by openapi-python-client, checked by mypy, imported and used."""
    here = place.folder / "python"
    here.mkdir()
    # An archive is bytes, which the generator has to be told.
    (here / "config.yml").write_text("post_hooks: []\ncontent_type_overrides:\n  application/zip: application/octet-stream\n")
    for name, document in place.documents.items():
        done = subprocess.run([BESIDE / "openapi-python-client", "generate", "--path", document, "--meta", "none", "--config", here / "config.yml",
                               "--output-path", here / f"{name}_client"], capture_output=True, text=True, timeout=300)
        # It leaves out what it cannot express, and says so in warnings only.
        said = done.stdout + done.stderr
        assert done.returncode == 0 and "WARNING" not in said and "unable to" not in said.lower(), f"{name}: {said[-3000:]}"
        calls = {path.stem for path in (here / f"{name}_client" / "api").rglob("*.py") if path.stem != "__init__"}
        operations = [operation for item in json.loads(document.read_text())["paths"].values() for operation in item.values() if isinstance(operation, dict) and "operationId" in operation]
        assert len(calls) == len(operations), f"{name}: {len(calls)} calls were generated for {len(operations)} operations"
    run(sys.executable, "-m", "compileall", "-q", here)
    run(sys.executable, "-m", "mypy", "--ignore-missing-imports", "--cache-dir", here / "mypy", here / "native_client", here / "admin_client", cwd=here)
    sys.path.insert(0, str(here))
    for name, url, token, tag, call, wanted in (("native", place.stage.endpoint + "/api/v1", place.token, "buckets", "list_buckets", place.bucket),
                                                ("admin", place.stage.admin_url + "/admin/api/v1", place.admin_token, "tenants", "list_tenants", "default")):
        client = importlib.import_module(f"{name}_client").AuthenticatedClient(base_url=url, token=token)
        answer = importlib.import_module(f"{name}_client.api.{tag}.{call}").sync_detailed(client=client)
        assert answer.status_code == 200 and wanted in json.dumps(answer.parsed.to_dict()), answer


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--bin", default=ROOT / "target" / "debug" / "holdfast", type=pathlib.Path)
    options.add_argument("--npm", default=ROOT / "target" / "tests-codegen", type=pathlib.Path)
    options = options.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(options.bin, pathlib.Path(folder), options.npm)
        try:
            for generate in (typescript, python):
                began = time.monotonic()
                try:
                    generate(place)
                    passed += 1
                    print(f"  ok      {generate.__name__:20} {time.monotonic() - began:6.1f} s", flush=True)
                except Exception as error:
                    failed += 1
                    print(f"  FAILED  {generate.__name__:20} {time.monotonic() - began:6.1f} s  {type(error).__name__}: {error}", flush=True)
            place.stage.server.stop()
        finally:
            if place.stage.server.process.poll() is None:
                place.stage.server.kill()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
