"""The AWS SDK for Rust: rust/, a package of its own that is built under target/."""

import os

from kit import ROOT, client, run, status


@client(full=True)
def rust(case):
    manifest = ROOT / "tests" / "clients" / "rust" / "Cargo.toml"
    built = ROOT / "target" / "tests-rust"
    run("cargo", "build", "-q", "--locked", "--manifest-path", manifest, env=os.environ | {"CARGO_TARGET_DIR": str(built)})
    said = run(built / "debug" / "holdfast-client-round", case.bucket, case.big, env=case.env)
    put, get = said.split()
    status(put, 200, "PUT", b"by an address")
    assert status(get, 200) == b"by an address"
    status(get.replace("by%20address", "other"), 403)
