"""Paths that mean something else once they are tidied up: here nothing is tidied up, a key is the bytes that it is."""

from field import attack, expect, put


@attack
def a_path_is_never_resolved(field):
    mine, theirs = field.bucket("paths-mine"), field.bucket("paths-theirs")
    put(field.admin, f"/{theirs}/secret", b"secret of theirs")
    put(field.admin, f"/{mine}/secret", b"secret of mine")
    mallory = field.key(f"op=read:bucket={mine}:prefix=in/,op=write:bucket={mine}:prefix=in/,op=delete:bucket={mine}:prefix=in/")
    ways = [f"/{mine}/in/../secret", f"/{mine}/in/../../{theirs}/secret", f"/{mine}/in/%2E%2E/secret", f"/{mine}/in%2F..%2Fsecret", f"/{mine}/in//../secret",
            f"/{mine}/in/./../secret", f"/{mine}/in/..%2f..%2f{theirs}%2fsecret", f"/{mine}/in/%252e%252e/secret", f"/{mine}/in/%00/../../secret"]
    with field.unchanged(mine, theirs):
        for way in ways:
            answer = mallory.ask("GET", way)
            assert (answer.status, answer.code) == (404, "NoSuchKey"), f"{way}: {answer}"
            answer = mallory.ask("PUT", f"/{mine}/in/copy", headers={"x-amz-copy-source": way})
            assert (answer.status, answer.code) == (404, "NoSuchKey"), f"copy of {way}: {answer}"
        outside = [f"/{mine}/secret", f"/{mine}//in/secret", f"/{mine}/./in/secret", f"/{mine}/../{theirs}/secret", f"/{mine}/%2Fin/secret", f"//{mine}/in/secret",
                   f"/{mine}%2Fsecret", f"/{theirs}/secret", f"/{theirs}/in/secret", f"/./{mine}/in/k", f"/../{mine}/in/k", f"/{mine}/in", f"/{mine}/IN/k"]
        for method in ("GET", "PUT", "DELETE"):
            for way in outside:
                answer = mallory.ask(method, way, body=b"x" if method == "PUT" else b"")
                assert answer.status in (400, 403) and b"secret of" not in answer.body, f"{method} {way}: {answer}"


@attack
def keys_that_look_like_paths_are_keys(field):
    """Each is a key of its own: none reaches another, and each comes back, is listed and is removed under its own name."""
    bucket = field.bucket("paths-keys")
    ways = {"a": "a", "/a": "%2Fa", "//a": "/%2Fa", "./a": "./a", "../a": "../a", "x/../a": "x/../a", "a/": "a/", "a//": "a//", "..": "..", ".": ".",
            "a\x00b": "a%00b", "a%00b": "a%2500b", "a%2Fb": "a%252Fb", "a+b": "a%2Bb", "a b": "a%20b", "a\\b": "a%5Cb", "a?b": "a%3Fb", "a#b": "a%23b", "a\r\nb": "a%0D%0Ab"}
    for name, way in ways.items():
        put(field.admin, f"/{bucket}/{way}", f"content of {name!r}".encode())
    for name, way in ways.items():
        answer = expect(field.admin.ask("GET", f"/{bucket}/{way}"), 200)
        assert answer.body == f"content of {name!r}".encode(), f"{name!r}: {answer.body!r}"
    listed = expect(field.admin.ask("GET", f"/{bucket}", [("list-type", "2"), ("encoding-type", "url")]), 200).body.decode()
    import urllib.parse
    found = [urllib.parse.unquote_plus(part.split("</Key>")[0]) for part in listed.split("<Key>")[1:]]
    assert found == sorted(ways, key=lambda name: name.encode()), found
    with field.unchanged(bucket):
        for way in ("%FF", "a%C0%AFb", "%ED%A0%80", "a" * 1_025):
            answer = field.admin.ask("PUT", f"/{bucket}/{way}", body=b"x")
            assert answer.status in (400, 403) and answer.code in ("InvalidURI", "KeyTooLongError", "InvalidArgument", "SignatureDoesNotMatch"), f"{way[:20]}: {answer}"
    for way in ways.values():
        expect(field.admin.ask("DELETE", f"/{bucket}/{way}"), 204)
    expect(field.admin.ask("DELETE", f"/{bucket}"), 204)


@attack
def reserved_and_impossible_buckets_are_no_way_in(field):
    with field.standing():
        for name in ("api", "admin", "health", "metrics", "console", "..", ".", "%2e%2e", "a", "A" * 64, "xn--a", "a..b", "%00", "a%2Fb", "-a", "127.0.0.1"):
            answer = field.admin.ask("PUT", f"/{name}")
            assert answer.status in (400, 403, 404, 405, 409, 501), f"{name}: {answer}"
        before = field.admin.ask("GET", "/").body
        assert not any(f"<Name>{name}</Name>".encode() in before for name in ("api", "admin", "health", "metrics", "console", "a", "..", "127.0.0.1"))
