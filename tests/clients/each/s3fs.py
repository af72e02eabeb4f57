"""s3fs, through which pandas, dask and others open files."""

import os

from kit import client, same_bytes, same_files, status


def connect(case):
    import s3fs as sdk
    return sdk.S3FileSystem(key=case.key, secret=case.secret, endpoint_url=case.endpoint, client_kwargs={"region_name": "us-east-1"})


@client
def s3fs(case):
    fs = connect(case)
    fs.mkdir(case.bucket)
    fs.put(f"{case.tree}/", f"{case.bucket}/tree/", recursive=True)
    found = fs.find(f"{case.bucket}/tree")
    assert len(found) == case.files, f"{len(found)} found of {case.files}"
    assert fs.du(f"{case.bucket}/tree") == sum(path.stat().st_size for path in case.tree.rglob("*") if path.is_file())
    fs.get(f"{case.bucket}/tree/", f"{case.folder}/back/", recursive=True)
    same_files(case.tree, case.folder / "back")
    content = case.big.read_bytes()
    with fs.open(f"{case.bucket}/big", "wb", block_size=5 << 20) as out:
        for at in range(0, len(content), 1 << 20):
            out.write(content[at : at + (1 << 20)])
    with fs.open(f"{case.bucket}/big", "rb") as file:
        file.seek(-7, os.SEEK_END)
        assert file.read() == content[-7:]
        file.seek(11 << 20)
        same_bytes(file.read(3 << 20), content[11 << 20 : 14 << 20], "from the middle")
    with fs.open(f"{case.bucket}/big", "ab") as file:
        file.write(b"appended")
    same_bytes(fs.cat(f"{case.bucket}/big"), content + b"appended", "after appending")
    fs.cp(f"{case.bucket}/big", f"{case.bucket}/copy")
    fs.mv(f"{case.bucket}/copy", f"{case.bucket}/moved")
    fs.get(f"{case.bucket}/moved", str(case.folder / "moved"))
    assert (case.folder / "moved").read_bytes() == content + b"appended" and not fs.exists(f"{case.bucket}/copy")
    fs.setxattr(f"{case.bucket}/moved", color="blue")
    assert fs.getxattr(f"{case.bucket}/moved", "color") == "blue"
    assert sorted(fs.glob(f"{case.bucket}/mov*")) == [f"{case.bucket}/moved"]
    fs.pipe(f"{case.bucket}/small", b"first")
    try:
        fs.pipe_file(f"{case.bucket}/small", b"second", mode="create")
        raise AssertionError("mode create wrote over a file")
    except FileExistsError:
        assert fs.cat(f"{case.bucket}/small") == b"first"
    fs.rm(case.bucket, recursive=True)
    fs.invalidate_cache()
    assert not fs.exists(case.bucket)


@client
def s3fs_address(case):
    """Signed as botocore signs by default: with Signature Version 2."""
    fs = connect(case)
    fs.mkdir(case.bucket)
    fs.pipe(f"{case.bucket}/a b", b"by an address")
    url = fs.url(f"{case.bucket}/a b")
    assert status(url, 200) == b"by an address"
    status(url.replace("a%20b", "a%20c"), 403)
