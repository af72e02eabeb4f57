"""Multipart uploads, and which of two routes a path means."""

import hashlib

from contract import covers, ok, refusal, refused
from digests import text
from stage import raises, test

MIB = 1 << 20
PIECES = [b"a" * (5 * MIB), b"b" * (5 * MIB), b"the end"]


def whole_etag(pieces):
    return f'"{hashlib.md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()}-{len(pieces)}"'


@test
@covers("POST /buckets/{bucket}/multipart/{key}", "PUT /buckets/{bucket}/multipart/{uploadId}/parts/{partNumber}/{key}",
        "GET /buckets/{bucket}/multipart/{uploadId}/parts/{key}", "POST /buckets/{bucket}/multipart/{uploadId}/complete/{key}", "GET /buckets/{bucket}/multipart")
def an_upload_in_parts(stage):
    bucket, key = stage.bucket(versioning="enabled"), "a/b c"
    document = {"contentType": "text/x-parts", "metadata": {"author": "somebody"}, "tags": {"kind": "film"}}
    made = ok(stage.native.ask("POST", f"/buckets/{bucket}/multipart/a/b%20c", json=document), 201).json()
    upload = made["uploadId"]
    assert (made["bucket"], made["key"]) == (bucket, key), made
    parts = []
    for number, piece in enumerate(PIECES, 1):
        answer = ok(stage.native.ask("PUT", f"/buckets/{bucket}/multipart/{upload}/parts/{number}/a/b%20c", content=piece, headers={"X-Lockwell-Checksum-CRC32": text("CRC32", piece)}), 200)
        part = answer.json()
        assert part["partNumber"] == number and part["size"] == len(piece) and part["etag"] == f'"{hashlib.md5(piece).hexdigest()}"' == answer.headers["etag"], part
        assert part["checksums"]["crc32"] == text("CRC32", piece), part
        parts.append(part)
    listed = ok(stage.native.ask("GET", f"/buckets/{bucket}/multipart/{upload}/parts/a/b%20c"), 200).json()
    assert [(one["partNumber"], one["etag"], one["size"]) for one in listed["parts"]] == [(one["partNumber"], one["etag"], one["size"]) for one in parts], listed
    page = stage.native.parts(bucket, key, upload, maxParts=2)
    assert page["isTruncated"] is True and [one["partNumber"] for one in stage.native.parts(bucket, key, upload, partNumberMarker=page["nextPartNumberMarker"])["parts"]] == [3], page
    assert [(one["key"], one["uploadId"]) for one in ok(stage.native.ask("GET", f"/buckets/{bucket}/multipart"), 200).json()["uploads"]] == [(key, upload)]
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/a/b%20c"), "not_found")
    done = ok(stage.native.ask("POST", f"/buckets/{bucket}/multipart/{upload}/complete/a/b%20c", json={"parts": [{"partNumber": one["partNumber"], "etag": one["etag"]} for one in parts]}), 200).json()
    assert done["etag"] == whole_etag(PIECES) and done["versionId"] and done["size"] == sum(map(len, PIECES)), done
    got = stage.native.get(bucket, key)
    assert got.content == b"".join(PIECES) and got.headers["etag"] == done["etag"] and got.headers["content-type"] == "text/x-parts"
    assert got.headers["x-lockwell-meta-author"] == "somebody" and stage.native.tags(bucket, key)["tags"] == {"kind": "film"}
    assert done["checksums"]["crc64nvme"] == got.headers["x-lockwell-checksum-crc64nvme"]
    assert stage.native.uploads(bucket) == []


@test
@covers("DELETE /buckets/{bucket}/multipart/{uploadId}/{key}")
def an_upload_that_is_given_up(stage):
    bucket = stage.bucket()
    upload = stage.native.create_upload(bucket, "a/b")
    stage.native.upload_part(bucket, "a/b", upload, 1, b"begun")
    ok(stage.native.ask("DELETE", f"/buckets/{bucket}/multipart/{upload}/a/b"), 204)
    assert stage.native.uploads(bucket) == []
    refused(stage.native.ask("GET", f"/buckets/{bucket}/multipart/{upload}/parts/a/b"), "not_found")
    refused(stage.native.ask("DELETE", f"/buckets/{bucket}/multipart/{upload}/a/b"), "not_found")
    stage.native.delete_bucket(bucket)


@test
@refusal("entity_too_small", "invalid_part", "invalid_part_order", "invalid_request", "checksum_mismatch", "not_found", "precondition_failed")
def uploads_that_are_refused(stage):
    bucket = stage.bucket()
    upload = stage.native.create_upload(bucket, "k")
    small = [stage.native.upload_part(bucket, "k", upload, number, b"small") for number in (1, 2)]
    big = stage.native.upload_part(bucket, "k", upload, 3, PIECES[0])
    with raises("entity_too_small"):
        stage.native.complete(bucket, "k", upload, small)
    with raises("invalid_part_order"):
        stage.native.complete(bucket, "k", upload, [big, small[1]])
    with raises("invalid_part"):
        stage.native.complete(bucket, "k", upload, [{"partNumber": 7, "etag": big["etag"]}])
    with raises("invalid_part"):
        stage.native.complete(bucket, "k", upload, [{"partNumber": 3, "etag": '"0123456789abcdef0123456789abcdef"'}])
    for document in ({}, {"parts": []}, {"parts": [{}]}, {"parts": [{"partNumber": "first", "etag": "x"}]}, {"parts": 7}, []):
        refused(stage.native.ask("POST", f"/buckets/{bucket}/multipart/{upload}/complete/k", json=document), "invalid_request")
    for number in ("0", "10001", "-1", "first"):
        answer = stage.native.ask("PUT", f"/buckets/{bucket}/multipart/{upload}/parts/{number}/k", content=b"x")
        refused(answer, "invalid_request")
    with raises("checksum_mismatch"):
        stage.native.upload_part(bucket, "k", upload, 4, b"x", {"X-Lockwell-Checksum-SHA1": text("SHA1", b"y")})
    # The upload of one key is no other key's, and unknown ones are unknown.
    unknown = upload[:-4] + ("2222" if upload[-4:] != "2222" else "3333")
    for key, one in (("other", upload), ("k", unknown)):
        refused(stage.native.ask("PUT", f"/buckets/{bucket}/multipart/{one}/parts/1/{key}", content=b"x"), "not_found")
        refused(stage.native.ask("GET", f"/buckets/{bucket}/multipart/{one}/parts/{key}"), "not_found")
        refused(stage.native.ask("POST", f"/buckets/{bucket}/multipart/{one}/complete/{key}", json={"parts": [{"partNumber": 3, "etag": big["etag"]}]}), "not_found")
        refused(stage.native.ask("DELETE", f"/buckets/{bucket}/multipart/{one}/{key}"), "not_found")
    refused(stage.native.ask("POST", "/buckets/never-there/multipart/k"), "not_found")
    stage.native.put(bucket, "k", b"there already")
    with raises("precondition_failed"):
        stage.native.complete(bucket, "k", upload, [big], {"If-None-Match": "*"})
    assert stage.native.get(bucket, "k").content == b"there already"
    assert [one["partNumber"] for one in stage.native.parts(bucket, "k", upload)["parts"]] == [1, 2, 3]
    stage.native.complete(bucket, "k", upload, [big])


@test
def a_key_may_look_like_a_route(stage):
    """POST multipart/{key} and POST multipart/{uploadId}/complete/{key} overlap: only what looks like an upload's id is one."""
    bucket = stage.bucket()
    for key in ("a/complete/b", "a/parts/1/b", "a/parts/b", "x/complete/", "mpu_short/complete/b", "complete/complete/complete"):
        made = ok(stage.native.ask("POST", f"/buckets/{bucket}/multipart/{key}"), 201).json()
        assert made["key"] == key, made
        part = stage.native.upload_part(bucket, key, made["uploadId"], 1, key.encode())
        stage.native.complete(bucket, key, made["uploadId"], [part])
        assert stage.native.get(bucket, key).content == key.encode()
    # A key that begins as an upload's id does is made by escaping its slashes.
    looks = made["uploadId"] + "/complete/b"
    answer = stage.root.raw("POST", f"/buckets/{bucket}/multipart/" + looks.replace("/", "%2F"))
    assert answer.status == 201 and looks.encode() in answer.body, answer
    refused(stage.native.ask("POST", f"/buckets/{bucket}/multipart/{looks}", json={"parts": [{"partNumber": 1, "etag": part["etag"]}]}), "not_found")


@test
def uploads_are_listed_in_pages(stage):
    bucket = stage.bucket()
    made = sorted((key, stage.native.create_upload(bucket, key)) for key in ("a", "a", "b/c", "d"))
    found, query = [], {}
    while True:
        page = stage.native.call("GET", f"/buckets/{bucket}/multipart", params={"maxUploads": 1, **query}).json()
        found += [(one["key"], one["uploadId"]) for one in page["uploads"]]
        if not page["isTruncated"]:
            break
        query = {"keyMarker": page["nextKeyMarker"], "uploadIdMarker": page["nextUploadIdMarker"]}
    assert sorted(found) == made and [key for key, _ in found] == ["a", "a", "b/c", "d"], found
    assert [one["key"] for one in stage.native.uploads(bucket, prefix="b")] == ["b/c"]
    refused(stage.native.ask("GET", "/buckets/never-there/multipart"), "not_found")
