"""obstore: the Rust crate object_store from Python."""

from kit import client, same_bytes, status


@client
def obstore(case):
    import datetime
    import obstore as sdk
    from obstore.store import S3Store
    case.make_bucket()
    store = S3Store(case.bucket, endpoint=case.endpoint, access_key_id=case.key, secret_access_key=case.secret, region="us-east-1",
                    client_options={"allow_http": True})
    content = case.big.read_bytes()
    first = sdk.put(store, "a b/ü", b"first", attributes={"Content-Type": "text/x", "color": "blue"})
    got = sdk.get(store, "a b/ü")
    assert bytes(got.bytes()) == b"first" and got.attributes["Content-Type"] == "text/x" and got.meta["e_tag"] == first["e_tag"]
    try:
        sdk.put(store, "a b/ü", b"second", mode="create")
        raise AssertionError("mode create wrote over an object")
    except sdk.exceptions.AlreadyExistsError:
        pass
    version = {name: value for name, value in first.items() if value is not None}
    sdk.put(store, "a b/ü", b"second", mode=version)
    try:
        sdk.put(store, "a b/ü", b"third", mode=version)
        raise AssertionError("an old ETag wrote over an object")
    except sdk.exceptions.PreconditionError:
        assert bytes(sdk.get(store, "a b/ü").bytes()) == b"second"
    sdk.put(store, "big", case.big, chunk_size=5 << 20)
    same_bytes(bytes(sdk.get(store, "big").bytes()), content, "in parts")
    ranges = sdk.get_ranges(store, "big", starts=[1, 9 << 20], ends=[4, (9 << 20) + 5])
    assert [bytes(piece) for piece in ranges] == [content[1:4], content[9 << 20 : (9 << 20) + 5]]
    with sdk.open_writer(store, "written") as out:
        for at in range(0, len(content), 1 << 20):
            out.write(content[at : at + (1 << 20)])
    same_bytes(bytes(sdk.get(store, "written").bytes()), content, "written")
    sdk.copy(store, "big", "copy")
    sdk.rename(store, "copy", "moved")
    paths = [f"many/{index:04}" for index in range(1_050)]
    for path in paths:
        sdk.put(store, path, b"")
    listed = [entry["path"] for batch in sdk.list(store, prefix="many") for entry in batch]
    assert listed == paths, f"{len(listed)} listed of {len(paths)}"
    after = [entry["path"] for batch in sdk.list(store, prefix="many", offset=paths[1_000]) for entry in batch]
    assert after == paths[1_001:], f"{len(after)} after the 1001st"
    grouped = sdk.list_with_delimiter(store)
    assert grouped["common_prefixes"] == ["a b", "many"] and [entry["path"] for entry in grouped["objects"]] == ["big", "moved", "written"]
    url = sdk.sign(store, "GET", "moved", datetime.timedelta(minutes=1))
    same_bytes(status(url, 200), content, "by a signed address")
    sdk.delete(store, [*paths, "big", "moved", "written", "a b/ü"])
    assert not [entry for batch in sdk.list(store) for entry in batch]
