"""Command-line programs that others wrote: curl, rclone, s3cmd, restic and s5cmd."""

import filecmp

from kit import BESIDE, client, run, same_files, same_tree


@client
def curl(case):
    common = ["curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{case.key}:{case.secret}",
              "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"]
    run(*common, "-X", "PUT", f"{case.endpoint}/{case.bucket}")
    run(*common, "-T", case.big, f"{case.endpoint}/{case.bucket}/big")
    run(*common, "-o", case.folder / "big", f"{case.endpoint}/{case.bucket}/big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    assert "<Key>big</Key>" in run(*common, f"{case.endpoint}/{case.bucket}?list-type=2")
    assert run(*common, "-r", "5-9", f"{case.endpoint}/{case.bucket}/big", "-o", case.folder / "part") == ""
    assert (case.folder / "part").read_bytes() == case.big.read_bytes()[5:10]


@client
def rclone(case):
    env = case.env | {
        "RCLONE_CONFIG": str(case.folder / "none"), "RCLONE_CONFIG_H_TYPE": "s3", "RCLONE_CONFIG_H_PROVIDER": "Other",
        "RCLONE_CONFIG_H_ENDPOINT": case.endpoint, "RCLONE_CONFIG_H_ACCESS_KEY_ID": case.key,
        "RCLONE_CONFIG_H_SECRET_ACCESS_KEY": case.secret}
    run("rclone", "mkdir", f"h:{case.bucket}", env=env)
    run("rclone", "sync", case.tree, f"h:{case.bucket}/tree", env=env)
    run("rclone", "copyto", case.big, f"h:{case.bucket}/big", env=env)
    run("rclone", "check", "--download", case.tree, f"h:{case.bucket}/tree", env=env)
    run("rclone", "sync", f"h:{case.bucket}/tree", case.folder / "back", env=env)
    same_files(case.tree, case.folder / "back")
    run("rclone", "copyto", f"h:{case.bucket}/big", case.folder / "big", env=env)
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    run("rclone", "purge", f"h:{case.bucket}", env=env)


@client
def s3cmd(case):
    host = case.endpoint.removeprefix("http://")
    def s3(*arguments):
        return run("s3cmd", f"--access_key={case.key}", f"--secret_key={case.secret}", f"--host={host}", f"--host-bucket={host}",
                   "--no-ssl", "--config=/dev/null", "--quiet", *arguments)
    s3("mb", f"s3://{case.bucket}")
    s3("sync", f"{case.tree}/", f"s3://{case.bucket}/tree/")
    s3("sync", f"s3://{case.bucket}/tree/", f"{case.folder}/back/")
    same_files(case.tree, case.folder / "back")
    s3("put", case.big, f"s3://{case.bucket}/big")
    s3("get", f"s3://{case.bucket}/big", case.folder / "big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    s3("rb", "--recursive", "--force", f"s3://{case.bucket}")


@client
def restic(case):
    env = case.env | {"RESTIC_PASSWORD": "correct horse", "RESTIC_CACHE_DIR": str(case.folder / "cache"),
                      "RESTIC_REPOSITORY": f"s3:{case.endpoint}/{case.bucket}"}
    run("restic", "init", env=env)
    run("restic", "backup", case.tree, case.big, env=env)
    run("restic", "check", "--read-data", env=env)
    run("restic", "restore", "latest", "--target", case.folder / "back", env=env)
    same_tree(case.tree, str(case.folder / "back") + str(case.tree))
    run("restic", "forget", "--prune", "--keep-last", "1", env=env)


@client
def s5cmd(case):
    env = case.env | {"S3_ENDPOINT_URL": case.endpoint}
    def s3(*arguments):
        return run(BESIDE / "s5cmd", *arguments, env=env)
    s3("mb", f"s3://{case.bucket}")
    s3("cp", f"{case.tree}/", f"s3://{case.bucket}/tree/")
    listed = s3("ls", f"s3://{case.bucket}/tree/*").splitlines()
    assert len(listed) == case.files, f"{len(listed)} listed of {case.files}"
    s3("cp", f"s3://{case.bucket}/tree/*", f"{case.folder}/back/")
    same_files(case.tree, case.folder / "back")
    s3("cp", case.big, f"s3://{case.bucket}/big")
    s3("cp", f"s3://{case.bucket}/big", f"s3://{case.bucket}/big copy")
    s3("cp", f"s3://{case.bucket}/big copy", case.folder / "big")
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    assert s3("sync", "--size-only", f"{case.tree}/", f"s3://{case.bucket}/tree/") == "", "a second sync had something to do"
    s3("mv", f"s3://{case.bucket}/big", f"s3://{case.bucket}/moved")
    left = [line.split()[-1] for line in s3("ls", f"s3://{case.bucket}/*").splitlines() if "tree/" not in line]
    assert left == ["copy", "moved"], left
    s3("rm", f"s3://{case.bucket}/*")
    s3("rb", f"s3://{case.bucket}")
