"""Signed addresses: what they open, what they do not, and that their key's rights are asked again at use."""

import re

from contract import covers, ok, refusal, refused
from stage import eventually, moment, raises, test

BODY = b"behind a signed address\n" * 100


def place(stage, **options):
    bucket = stage.bucket(**options)
    stage.native.put(bucket, "a/b c", BODY, {"Content-Type": "text/x-test"})
    return bucket


@test
@covers("POST /sign-url", "GET /signed/{bucket}/{key}", "PUT /signed/{bucket}/{key}")
def an_address_is_signed_and_used(stage):
    bucket = place(stage)
    told = ok(stage.native.ask("POST", "/sign-url", json={"method": "GET", "bucket": bucket, "key": "a/b c", "ttlSeconds": 60}), 200).json()
    assert (told["method"], told["bucket"], told["key"], told["ttlSeconds"]) == ("GET", bucket, "a/b c", 60) and moment(told["expiresAt"]), told
    assert re.fullmatch(rf"/api/v1/signed/{bucket}/a/b%20c\?token=lwurl_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", told["path"]), told
    assert told["url"].endswith(told["path"]), told
    got = ok(stage.http.get(stage.endpoint + told["path"]), 200)
    assert got.content == BODY and got.headers["content-type"] == "text/x-test"
    looked = ok(stage.http.head(stage.endpoint + told["path"]), 200)
    assert looked.headers["content-length"] == str(len(BODY))
    put = ok(stage.http.put(stage.native.sign("PUT", bucket, "new/key"), content=b"new", headers={"Content-Type": "text/x-new", "X-Lockwell-Meta-A": "b"}), 200)
    assert put.json()["etag"] == put.headers["etag"]
    got = stage.native.get(bucket, "new/key")
    assert got.content == b"new" and got.headers["content-type"] == "text/x-new"


@test
def keys_of_every_kind_are_signed(stage):
    bucket = stage.bucket()
    for key in ("a//b", "trailing/", "a+b", "ünï", "a%2Fb", "a/../b", "?&#"):
        ok(stage.http.put(stage.native.sign("PUT", bucket, key), content=key.encode()), 200)
        assert stage.native.get(bucket, key).content == key.encode() == stage.http.get(stage.native.sign("GET", bucket, key)).content, key


@test
@refusal("unauthorized", "forbidden")
def an_address_opens_nothing_else(stage):
    bucket, other = place(stage), place(stage)
    stage.native.put(bucket, "another", b"not yours")
    read, write = stage.native.sign("GET", bucket, "a/b c"), stage.native.sign("PUT", bucket, "a/b c")
    before = stage.native.list(bucket)
    refused(stage.http.put(read, content=b"overwritten"), "forbidden")
    refused(stage.http.get(write), "forbidden")
    refused(stage.http.head(write), "forbidden")
    refused(stage.http.get(read.replace(f"/{bucket}/", f"/{other}/")), "forbidden")
    refused(stage.http.get(read.replace(f"/{bucket}/", "/never-there/")), "forbidden")
    for key in ("another", "a/b%20c/", "a", "a//b%20c", "A/b%20c", "a%252Fb%20c"):
        refused(stage.http.get(read.replace("a/b%20c", key)), "forbidden")
        refused(stage.http.put(write.replace("a/b%20c", key), content=b"overwritten"), "forbidden")
    for method in ("POST", "DELETE", "PATCH"):
        assert stage.http.request(method, read).status_code in (401, 403, 404, 405)
        assert stage.http.request(method, write).status_code in (401, 403, 404, 405)
    refused(stage.http.get(read.split("?")[0]), "unauthorized")
    refused(stage.http.get(read.split("?")[0] + "?token="), "unauthorized")
    # A token of one kind is none of the other.
    signed = read.split("token=")[1]
    refused(stage.http.get(stage.endpoint + "/api/v1/buckets", headers={"Authorization": f"Bearer {signed}"}), "unauthorized")
    refused(stage.http.get(read.split("?")[0] + "?token=" + stage.native.token()), "unauthorized")
    for one in (signed.replace("lwurl_", "lwtk_"), stage.native.token().replace("lwtk_", "lwurl_")):
        assert stage.http.get(read.split("?")[0] + "?token=" + one).status_code == 401
        assert stage.http.get(stage.endpoint + "/api/v1/buckets", headers={"Authorization": f"Bearer {one}"}).status_code == 401
    assert stage.native.list(bucket) == before


@test
def two_tokens_in_one_address_are_refused(stage):
    bucket = place(stage)
    read = stage.native.sign("GET", bucket, "a/b c")
    token = read.split("token=")[1]
    assert stage.http.get(f"{read}&token={token}").status_code in (400, 401)
    assert stage.http.get(f"{read}&versionId=null").status_code in (200, 400, 403), "what is not signed may be refused, and opens nothing"


@test
def another_version_is_not_behind_an_address(stage):
    """The address names a key: whether it may name a version is the signer's to say, not its user's."""
    bucket = stage.bucket(versioning="enabled")
    old = stage.native.put(bucket, "k", b"old and secret")["versionId"]
    stage.native.put(bucket, "k", b"new")
    answer = stage.http.get(stage.native.sign("GET", bucket, "k") + f"&versionId={old}")
    assert answer.content == b"new" or answer.status_code in (400, 401, 403), answer.text


@test
@refusal("invalid_request", "forbidden")
def addresses_that_are_not_signed(stage):
    bucket = place(stage)
    for document in ({}, [], {"method": "DELETE", "bucket": bucket, "key": "k"}, {"method": "POST", "bucket": bucket, "key": "k"}, {"method": "GET", "bucket": bucket}, {"method": "GET", "key": "k"},
                     {"method": "GET", "bucket": bucket, "key": "k", "ttlSeconds": 0}, {"method": "GET", "bucket": bucket, "key": "k", "ttlSeconds": -5}, {"method": "GET", "bucket": bucket, "key": "k", "ttlSeconds": "long"}):
        refused(stage.native.ask("POST", "/sign-url", json=document), "invalid_request")
    reader = stage.key("op=read")
    with raises("forbidden"):
        reader.native.sign("PUT", bucket, "k")
    assert ok(stage.http.get(reader.native.sign("GET", bucket, "a/b c")), 200).content == BODY
    elsewhere = stage.key("op=read:bucket=elsewhere,op=write:bucket=elsewhere")
    for method in ("GET", "PUT"):
        with raises("forbidden"):
            elsewhere.native.sign(method, bucket, "a/b c")


@test
@refusal("token_expired")
def an_address_expires(stage):
    bucket = place(stage)
    for method in ("GET", "PUT"):
        address = stage.native.sign(method, bucket, "a/b c", 1)
        answer = eventually(lambda: (answer := stage.http.request(method, address, content=BODY if method == "PUT" else None)).status_code != 200 and answer, "the end of an address")
        refused(answer, "token_expired")


@test
def an_address_lives_no_longer_than_the_operator_allows(stage):
    bucket = place(stage)
    told = stage.native.call("POST", "/sign-url", json={"method": "GET", "bucket": bucket, "key": "k", "ttlSeconds": 10_000_000}).json()
    assert told["ttlSeconds"] == 900, told


@test
@refusal("access_key_revoked")
def an_address_ends_with_its_key(stage):
    bucket, key = place(stage), stage.key()
    read, write = key.native.sign("GET", bucket, "a/b c"), key.native.sign("PUT", bucket, "new")
    ok(stage.http.get(read), 200)
    stage.revoke(key)
    refused(stage.http.get(read), "access_key_revoked")
    refused(stage.http.put(write, content=b"x"), "access_key_revoked")
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/new"), "not_found")


@test
@refusal("policy_denied")
def policies_are_asked_when_an_address_is_used(stage):
    import json
    bucket = place(stage)
    read, write = stage.native.sign("GET", bucket, "a/b c"), stage.native.sign("PUT", bucket, "a/b c")
    denied = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": ["s3:GetObject", "s3:PutObject"], "Resource": f"arn:aws:s3:::{bucket}/*"}]}
    stage.s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(denied))
    refused(stage.http.get(read), "policy_denied")
    refused(stage.http.put(write, content=b"x"), "policy_denied")
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/a/b%20c"), "policy_denied")
    refused(stage.native.ask("HEAD", f"/buckets/{bucket}/objects/a/b%20c"), "policy_denied")
    with raises("policy_denied"):
        stage.native.sign("GET", bucket, "a/b c")
    stage.s3.delete_bucket_policy(Bucket=bucket)
    assert ok(stage.http.get(read), 200).content == BODY


@test
def what_an_upload_may_be_is_signed_too(stage):
    bucket = stage.bucket()
    address = stage.native.sign("PUT", bucket, "k", maxBytes=10, contentType="text/plain")
    answer = stage.http.put(address, content=b"x" * 11, headers={"Content-Type": "text/plain"})
    refused(answer, "payload_too_large")
    answer = stage.http.put(address, content=iter([b"x" * 6, b"x" * 6]), headers={"Content-Type": "text/plain"})
    refused(answer, "payload_too_large")
    assert stage.http.put(address, content=b"x", headers={"Content-Type": "text/html"}).status_code in (400, 403)
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/k"), "not_found")
    ok(stage.http.put(address, content=b"x" * 10, headers={"Content-Type": "text/plain"}), 200)
