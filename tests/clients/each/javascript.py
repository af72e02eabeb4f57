"""The AWS SDK for JavaScript, version 3: javascript/round.mjs with the packages that tests/run installs under target/."""

import shutil

from kit import ROOT, client, run

HERE = ROOT / "tests" / "clients" / "javascript"
MODULES = ROOT / "target" / "tests-npm"


def rounds(case, *names):
    # Modules are found beside the script, so it runs from where they are installed.
    script = shutil.copy(HERE / "round.mjs", MODULES / "round.mjs")
    run("node", script, case.bucket, case.big, *names, env=case.env)


@client
def javascript(case):
    rounds(case, "objects", "uploads", "listings", "versions")


@client
def javascript_presign(case):
    """This SDK puts the checksum of no body at all into the address of an upload; S3 has always let that pass."""
    rounds(case, "addresses")


@client
def javascript_form(case):
    rounds(case, "form")
