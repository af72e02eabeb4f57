"""AWS's own command line, version 1 from its package index and version 2 from the distribution."""

import filecmp
import urllib.request

from kit import BESIDE, client, run, same_bytes, same_files, status


def aws_round_trip(case, aws):
    def s3(*arguments):
        return run(*aws, "--endpoint-url", case.endpoint, *arguments, env=case.env)
    s3("s3", "mb", f"s3://{case.bucket}")
    s3("s3", "sync", "--only-show-errors", case.tree, f"s3://{case.bucket}/tree")
    listed = s3("s3", "ls", "--recursive", f"s3://{case.bucket}/tree/").splitlines()
    assert len(listed) == case.files, f"{len(listed)} listed of {case.files}"
    s3("s3", "sync", "--only-show-errors", f"s3://{case.bucket}/tree", case.folder / "back")
    same_files(case.tree, case.folder / "back")
    s3("s3", "cp", "--only-show-errors", case.big, f"s3://{case.bucket}/big")
    s3("s3", "cp", "--only-show-errors", f"s3://{case.bucket}/big", f"s3://{case.bucket}/big copy")
    s3("s3", "cp", "--only-show-errors", f"s3://{case.bucket}/big copy", case.folder / "big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    assert s3("s3", "sync", case.tree, f"s3://{case.bucket}/tree").strip() == "", "a second sync had something to do"
    s3("s3", "rb", "--force", f"s3://{case.bucket}")


def aws_presign(case, aws):
    """What each version signs with is its own affair: 1 still takes Signature Version 2."""
    run(*aws, "--endpoint-url", case.endpoint, "s3", "mb", f"s3://{case.bucket}", env=case.env)
    run(*aws, "--endpoint-url", case.endpoint, "s3", "cp", "--only-show-errors", case.big, f"s3://{case.bucket}/a b+c", env=case.env)
    url = run(*aws, "--endpoint-url", case.endpoint, "s3", "presign", f"s3://{case.bucket}/a b+c", env=case.env).strip()
    same_bytes(urllib.request.urlopen(url).read(), case.big.read_bytes(), "what the address showed")
    status(url.replace("a%20b", "a%20c"), 403)
    run(*aws, "--endpoint-url", case.endpoint, "s3", "rb", "--force", f"s3://{case.bucket}", env=case.env)


@client
def aws_cli_v2(case):
    aws_round_trip(case, ["/usr/bin/aws"])


@client
def aws_cli_v2_presign(case):
    aws_presign(case, ["/usr/bin/aws"])


@client
def aws_cli_v1(case):
    aws_round_trip(case, [BESIDE / "aws"])


@client
def aws_cli_v1_presign(case):
    aws_presign(case, [BESIDE / "aws"])
