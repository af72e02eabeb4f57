"""Both served documents against the server that serves them: what schemathesis makes up must be answered as the document says."""

import json
import subprocess

from kit import BESIDE
from stage import test

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# 501 and 507 are answers that the contract names; anything else of 500 and above is a fault.
CONFIGURATION = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 501, 507]
"""


def explore(stage, document, headers, seconds, parameters=None, without=()):
    """A run over one document, its time bounded, the same cases each time."""
    folder = stage.folder / "schemathesis"
    folder.mkdir(exist_ok=True)
    configuration = CONFIGURATION
    if parameters:
        configuration += "[parameters]\n" + "".join(f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in parameters.items())
    (folder / "schemathesis.toml").write_text(configuration)
    command = [BESIDE / "st", "--config-file", folder / "schemathesis.toml", "run", document, "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--seed", "1", "--no-color",
               "--generation-database", "none", "--suppress-health-check", "all", "--continue-on-failure", "--request-timeout", "30", "--warnings", "off",
               "--max-examples", "200" if stage.full else "3", "--max-time", str(seconds), *(part for name, value in headers.items() for part in ("--header", f"{name}: {value}")), *(part for path in without for part in ("--exclude-path", path))]
    done = subprocess.run([str(part) for part in command], cwd=folder, capture_output=True, text=True, timeout=seconds + 600)
    assert done.returncode == 0, f"schemathesis ended with {done.returncode}:\n{done.stdout[-12000:]}{done.stderr[-2000:]}"
    assert stage.server.process.poll() is None, "the server ended"


@test(alone=True)
def the_native_api_does_what_its_document_says(stage):
    us = stage.tenant("explored")
    bucket = stage.bucket("explored", us, objectLockEnabled=True)
    us.native.put(bucket, "k", b"content")
    # Held, so that the bucket stays whatever is tried.
    us.native.hold(bucket, "k", "ON")
    bearer, url = {"Authorization": f"Bearer {us.native.token()}"}, stage.endpoint + "/api/v1/openapi.json"
    # What is no upload's id makes a completion the creation of another key, as the contract's paths overlap. What type a client
    # wants to be told is its own affair; objects.py says what it may not be.
    # A followed feed goes on for as long as somebody listens.
    fixed = {"query.follow": "false", "path.uploadId": us.native.create_upload(bucket, "k"), "query.response-content-type": "text/plain", "query.responseContentType": "text/plain"}
    explore(stage, url, bearer, 300 if stage.full else 20, fixed | {"path.bucket": bucket, "path.key": "k"})
    if stage.full:
        explore(stage, url, bearer, 300, fixed)


@test(alone=True)
def the_admin_api_does_what_its_document_says(stage):
    headers = {"Authorization": stage.operator.headers["Authorization"]}
    # It finds our own token in the list of tokens and would take it away.
    explore(stage, stage.admin_url + "/admin/api/v1/openapi.json", headers, 300 if stage.full else 20, without=("/tokens/{token}",))
