"""OpenDAL from Python."""

from kit import client, same_bytes, status


@client
def opendal(case):
    import opendal as sdk
    case.make_bucket()
    op = sdk.Operator("s3", bucket=case.bucket, endpoint=case.endpoint, region="us-east-1", access_key_id=case.key, secret_access_key=case.secret)
    content = case.big.read_bytes()
    op.write("a b/ü+%", b"first", content_type="text/x")
    assert bytes(op.read("a b/ü+%")) == b"first"
    told = op.stat("a b/ü+%")
    assert told.content_length == 5 and told.content_type == "text/x", told
    op.write("a b/once", b"1", if_not_exists=True)
    try:
        op.write("a b/once", b"2", if_not_exists=True)
        raise AssertionError("if_not_exists wrote over an object")
    except sdk.exceptions.ConditionNotMatch:
        assert bytes(op.read("a b/once")) == b"1"
    with op.open("big", "wb", chunk=5 << 20) as out:
        for at in range(0, len(content), 1 << 20):
            out.write(content[at : at + (1 << 20)])
    same_bytes(bytes(op.read("big")), content, "in parts")
    with op.open("big", "rb") as file:
        file.seek(7 << 20)
        same_bytes(bytes(file.read(100)), content[7 << 20 : (7 << 20) + 100], "from the middle")
    op.copy("big", "dir/copy")
    same_bytes(bytes(op.read("dir/copy")), content, "copied")
    op.create_dir("empty/")
    assert sorted(entry.path for entry in op.list("/")) == ["a b/", "big", "dir/", "empty/"]
    assert sorted(entry.path for entry in op.scan("a b/")) == ["a b/once", "a b/ü+%"]
    request = signed(op)
    same_bytes(status(request.url, 200), content, "by a presigned address")
    op.remove_all("a b/")
    op.delete("big")
    assert not op.exists("big") and not list(op.scan("a b/"))


def signed(op):
    """Only the asynchronous side signs."""
    import asyncio

    async def sign():
        return await op.to_async_operator().presign_read("big", 60)
    return asyncio.run(sign())
