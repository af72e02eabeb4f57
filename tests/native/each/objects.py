"""Objects: written, read, listed, copied, deleted, and every refusal on the way."""

import hashlib
import threading

import httpx
from client import escape, key_path
from contract import covers, ok, refusal, refused
from digests import DIGESTS, text
from stage import raises, test

BODY = b"what an object holds\n" * 500
MIB = 1 << 20


def quoted_md5(body):
    return f'"{hashlib.md5(body).hexdigest()}"'


@test
@covers("PUT /buckets/{bucket}/objects/{key}")
def a_put_answers_etag_version_and_checksums(stage):
    for versioned in (False, True):
        bucket = stage.bucket(versioning="enabled" if versioned else "suspended")
        headers = {f"X-Lockwell-Checksum-{name}": text(name, BODY) for name in DIGESTS}
        answer = ok(stage.native.ask("PUT", f"/buckets/{bucket}/objects/a/b", content=BODY, headers=headers), 200)
        told = answer.json()
        assert told["etag"] == quoted_md5(BODY) == answer.headers["etag"], told
        assert {name.lower(): text(name, BODY) for name in DIGESTS} == told["checksums"], told
        for name in DIGESTS:
            assert answer.headers[f"x-lockwell-checksum-{name}"] == text(name, BODY)
        assert bool(told.get("versionId")) or not versioned, told
        assert (told["bucket"], told["key"], told["size"], told["storageClass"]) == (bucket, "a/b", len(BODY), "STANDARD"), told


@test
def crc64nvme_is_known_of_every_object(stage):
    bucket = stage.bucket()
    told = stage.native.put(bucket, "k", BODY)
    assert told["checksums"]["crc64nvme"] == text("CRC64NVME", BODY), told
    assert stage.native.head(bucket, "k").headers["x-lockwell-checksum-crc64nvme"] == text("CRC64NVME", BODY)


@test
@refusal("checksum_mismatch", "invalid_request")
def a_wrong_checksum_stores_nothing(stage):
    bucket = stage.bucket()
    for name in DIGESTS:
        for body in (BODY, b"", b"x" * (2 * MIB)):
            with raises("checksum_mismatch"):
                stage.native.put(bucket, "k", body, {f"X-Lockwell-Checksum-{name}": text(name, b"something else")})
        for malformed in ("", "not base64!", text(name, BODY)[:-4], DIGESTS[name](BODY).hex()):
            with raises("invalid_request"):
                stage.native.put(bucket, "k", BODY, {f"X-Lockwell-Checksum-{name}": malformed})
        # One right and one wrong are wrong.
        with raises("checksum_mismatch"):
            stage.native.put(bucket, "k", BODY, {"X-Lockwell-Checksum-SHA256": text("SHA256", BODY), f"X-Lockwell-Checksum-{name}": text(name, b"")})
    with raises("invalid_request"):
        stage.native.put(bucket, "k", BODY, {"X-Lockwell-Checksum-MD4": "AAAA"})
    with raises("not_found"):
        stage.native.get(bucket, "k")
    assert stage.native.list(bucket)["objects"] == []


@test
def the_pinned_checksum_of_hello(stage):
    """A client's own test pins this value: base64 of the digest, padded."""
    told = stage.native.put(stage.bucket(), "hello", b"hello", {"X-Lockwell-Checksum-SHA256": "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="})
    assert told["checksums"]["sha256"] == "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="


@test
@covers("GET /buckets/{bucket}/objects/{key}", "HEAD /buckets/{bucket}/objects/{key}")
def what_was_put_comes_back_with_all_that_is_known(stage):
    bucket = stage.bucket(versioning="enabled")
    headers = {"Content-Type": "text/x-test; charset=utf-8", "X-Lockwell-Meta-Author": "somebody", "x-amz-meta-other": "way",
               "X-Lockwell-Tagging": "kind=text&year=2026", "Cache-Control": "max-age=60", "Content-Disposition": "attachment", "Content-Language": "de"}
    stored = stage.native.put(bucket, "k", BODY, headers)
    got = ok(stage.native.ask("GET", f"/buckets/{bucket}/objects/k"), 200)
    assert got.content == BODY
    looked = ok(stage.native.ask("HEAD", f"/buckets/{bucket}/objects/k"), 200)
    assert looked.content == b""
    for answer in (got, looked):
        there = answer.headers
        assert there["etag"] == stored["etag"] and there["content-length"] == there["x-lockwell-content-length"] == str(len(BODY))
        assert there["x-lockwell-version-id"] == stored["versionId"] and there["accept-ranges"] == "bytes"
        assert there["x-lockwell-checksum-crc64nvme"] == text("CRC64NVME", BODY)
        assert there["content-type"] == headers["Content-Type"] and there["x-lockwell-meta-author"] == "somebody" and there["x-lockwell-meta-other"] == "way"
        assert there["x-lockwell-tag-count"] == "2" and there["x-lockwell-storage-class"] == "STANDARD"
        assert there["x-lockwell-encryption"] not in ("", "none") and there["x-lockwell-compression"] and "last-modified" in there
        assert (there["cache-control"], there["content-disposition"], there["content-language"]) == ("max-age=60", "attachment", "de")
    assert int(looked.headers["x-lockwell-stored-length"]) < len(BODY), "it was not compressed"


@test
@refusal("invalid_range")
def ranges(stage):
    bucket, size = stage.bucket(), len(BODY)
    stage.native.put(bucket, "k", BODY)
    for asked, first, last in (("0-0", 0, 0), ("10-19", 10, 19), ("100-", 100, size - 1), ("-5", size - 5, size - 1), (f"{size - 1}-{size + 9}", size - 1, size - 1), (f"-{size + 9}", 0, size - 1)):
        got = stage.native.get(bucket, "k", {"Range": f"bytes={asked}"})
        assert got.status_code == 206 and got.content == BODY[first:last + 1] and got.headers["content-range"] == f"bytes {first}-{last}/{size}", asked
    for asked in (f"{size}-", f"{size}-{size + 1}", "-0"):
        refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/k", headers={"Range": f"bytes={asked}"}), "invalid_range")
    # What is no range is no range, as HTTP has it.
    assert stage.native.get(bucket, "k", {"Range": "lines=1-2"}).status_code == 200
    stage.native.put(bucket, "empty", b"")
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/empty", headers={"Range": "bytes=0-0"}), "invalid_range")


@test
@refusal("precondition_failed", "not_found")
def conditions_on_writing(stage):
    bucket = stage.bucket()
    first = stage.native.put(bucket, "k", b"one", {"If-None-Match": "*"})
    refused(stage.native.ask("PUT", f"/buckets/{bucket}/objects/k", content=b"two", headers={"If-None-Match": "*"}), "precondition_failed")
    refused(stage.native.ask("PUT", f"/buckets/{bucket}/objects/k", content=b"two", headers={"If-Match": '"0123"'}), "precondition_failed")
    assert stage.native.get(bucket, "k").content == b"one"
    second = stage.native.put(bucket, "k", b"two", {"If-Match": first["etag"]})
    stage.native.put(bucket, "k", b"three", {"If-Match": second["etag"].strip('"')})
    assert stage.native.get(bucket, "k").content == b"three"
    answer = stage.native.ask("PUT", f"/buckets/{bucket}/objects/absent", content=b"x", headers={"If-Match": first["etag"]})
    assert answer.status_code in (404, 412), answer.text


@test
def conditions_on_reading(stage):
    bucket = stage.bucket()
    tag = stage.native.put(bucket, "k", BODY)["etag"]
    changed = stage.native.head(bucket, "k").headers["last-modified"]
    long_ago = "Mon, 01 Jan 2001 00:00:00 GMT"
    for headers, status in (({"If-None-Match": tag}, 304), ({"If-Match": tag}, 200), ({"If-None-Match": '"other"'}, 200), ({"If-Match": '"other"'}, 412),
                            ({"If-Modified-Since": changed}, 304), ({"If-Modified-Since": long_ago}, 200), ({"If-Unmodified-Since": long_ago}, 412), ({"If-Unmodified-Since": changed}, 200)):
        for method in ("GET", "HEAD"):
            answer = stage.native.ask(method, f"/buckets/{bucket}/objects/k", headers=headers)
            assert answer.status_code == status, f"{method} {headers}: {answer.status_code}"
            if status == 304:
                assert answer.headers["etag"] == tag and not answer.content
            if status == 412:
                refused(answer, "precondition_failed")


@test
def answers_that_the_query_overrides(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "report.pdf", BODY, {"Content-Type": "application/x-test"})
    for query in ({"response-content-type": "text/plain", "response-content-disposition": 'attachment; filename="other.txt"'},
                  {"responseContentType": "text/plain", "responseContentDisposition": 'attachment; filename="other.txt"'}):
        got = stage.native.get(bucket, "report.pdf", **query)
        assert got.headers["content-type"] == "text/plain" and got.headers["content-disposition"] == 'attachment; filename="other.txt"', query


@test
@refusal("invalid_request")
def overrides_that_are_no_header_are_refused(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "k", BODY)
    for value in ("text/plain\r\nX-Injected: yes", "text/plain\nX-Injected: yes", "a\x00b", "\x7f"):
        for name in ("response-content-type", "response-content-disposition", "response-cache-control"):
            answer = stage.native.ask("GET", f"/buckets/{bucket}/objects/k", params={name: value})
            assert "x-injected" not in answer.headers
            refused(answer, "invalid_request")


@test
@covers("DELETE /buckets/{bucket}/objects/{key}")
def deleting_what_is_there_or_not(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "k", BODY)
    for _ in range(2):
        answer = ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k"), 200, 204)
        assert answer.status_code == 204 or not answer.json()["deleteMarker"], answer.text
        refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/k"), "not_found")
        refused(stage.native.ask("HEAD", f"/buckets/{bucket}/objects/k"), "not_found")
    with raises("not_found"):
        stage.native.delete("never-there", "k")


@test
def deleting_with_versions_leaves_a_marker(stage):
    bucket = stage.bucket(versioning="enabled")
    stored = stage.native.put(bucket, "k", BODY)
    told = ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k"), 200).json()
    assert told["deleteMarker"] is True and told["deleteMarkerVersionId"] == told["versionId"] != stored["versionId"], told
    answer = stage.native.ask("GET", f"/buckets/{bucket}/objects/k")
    refused(answer, "not_found")
    assert answer.headers["x-lockwell-delete-marker"] == "true", answer.headers
    # The marker itself has nothing to read, as in S3.
    assert stage.native.ask("GET", f"/buckets/{bucket}/objects/k", params={"versionId": told["versionId"]}).status_code in (404, 405)
    assert stage.native.get(bucket, "k", versionId=stored["versionId"]).content == BODY
    restored = ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k", params={"versionId": told["versionId"]}), 200, 204)
    assert stage.native.get(bucket, "k").content == BODY, restored
    # With a version it is gone for good, and no marker is made.
    ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k", params={"versionId": stored["versionId"]}), 200, 204)
    told = stage.native.versions(bucket)
    assert told["versions"] == [] and told["deleteMarkers"] == [], told
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/k", params={"versionId": stored["versionId"]}), "not_found")


@test
@covers("GET /buckets/{bucket}/objects")
def a_listing_has_pages_prefixes_and_folders(stage):
    bucket = stage.bucket()
    keys = [f"d{number // 4}/f{number:02}" for number in range(12)] + ["top", "ü"]
    for key in keys:
        stage.native.put(bucket, key, key.encode())
    told = ok(stage.native.ask("GET", f"/buckets/{bucket}/objects"), 200).json()
    assert [one["key"] for one in told["objects"]] == sorted(keys) and told["isTruncated"] is False and not told.get("nextContinuationToken"), told
    assert all(one["size"] == len(one["key"].encode()) and one["etag"] == quoted_md5(one["key"].encode()) and one["lastModified"] for one in told["objects"])
    found, token, pages = [], None, 0
    while pages == 0 or token:
        page = stage.native.list(bucket, maxKeys=5, **({"continuationToken": token} if token else {}))
        found, token, pages = found + [one["key"] for one in page["objects"]], page.get("nextContinuationToken"), pages + 1
        assert len(page["objects"]) <= 5 and bool(token) == page["isTruncated"], page
    assert found == sorted(keys) and pages == 3
    folders = stage.native.list(bucket, delimiter="/")
    assert folders["commonPrefixes"] == ["d0/", "d1/", "d2/"] and [one["key"] for one in folders["objects"]] == ["top", "ü"], folders
    inside = stage.native.list(bucket, delimiter="/", prefix="d1/")
    assert [one["key"] for one in inside["objects"]] == keys[4:8] and inside["commonPrefixes"] == [], inside
    assert [one["key"] for one in stage.native.list(bucket, startAfter="d2/f10")["objects"]] == ["d2/f11", "top", "ü"]
    mixed, token = [], None
    while True:
        page = stage.native.list(bucket, delimiter="/", maxKeys=1, **({"continuationToken": token} if token else {}))
        mixed += page["commonPrefixes"] + [one["key"] for one in page["objects"]]
        if not (token := page.get("nextContinuationToken")):
            break
    assert mixed == ["d0/", "d1/", "d2/", "top", "ü"], mixed


@test
@refusal("invalid_request", "not_found")
def listings_that_are_refused(stage):
    bucket = stage.bucket()
    for query in ({"maxKeys": "-1"}, {"maxKeys": "many"}, {"continuationToken": "made up"}, {"maxKeys": "99999999999999999999"}):
        refused(stage.native.ask("GET", f"/buckets/{bucket}/objects", params=query), "invalid_request")
    refused(stage.native.ask("GET", "/buckets/never-there/objects"), "not_found")
    # More than a page is no error: a page comes.
    assert stage.native.list(bucket, maxKeys=100_000)["objects"] == []


@test
@covers("POST /buckets/{bucket}/objects:batchDelete")
def a_batch_is_deleted_with_a_result_for_each_key(stage):
    bucket = stage.bucket(versioning="enabled", objectLockEnabled=True)
    free, kept = stage.native.put(bucket, "free", BODY), stage.native.put(bucket, "kept", BODY)
    stage.native.hold(bucket, "kept", "ON")
    for path in (f"/buckets/{bucket}/objects:batchDelete", f"/buckets/{bucket}/objects%3AbatchDelete"):
        document = {"objects": [{"key": "free", "versionId": free["versionId"]}, {"key": "kept", "versionId": kept["versionId"]}, {"key": "absent/é//"}]}
        told = ok(stage.native.ask("POST", path, json=document), 200).json()
        assert sorted(one["key"] for one in told["deleted"]) == ["absent/é//", "free"], told
        assert [(one["key"], one["versionId"], one["code"]) for one in told["errors"]] == [("kept", kept["versionId"], "object_locked")] and told["errors"][0]["message"], told
    marker = ok(stage.native.ask("POST", f"/buckets/{bucket}/objects:batchDelete", json={"keys": ["kept"]}), 200).json()["deleted"][0]
    assert marker["deleteMarker"] is True and marker["deleteMarkerVersionId"], marker
    quiet = ok(stage.native.ask("POST", f"/buckets/{bucket}/objects:batchDelete", json={"keys": ["a", "b"], "quiet": True}), 200).json()
    assert not quiet.get("deleted") and quiet["errors"] == [], quiet


@test
@refusal("invalid_request", "not_found")
def batches_that_are_refused(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "k", BODY)
    path = f"/buckets/{bucket}/objects:batchDelete"
    for document in ({}, [], None, {"objects": []}, {"objects": "k"}, {"objects": [{}]}, {"objects": [{"key": 7}]}, {"keys": ["k"] + [f"{number}" for number in range(1_000)]}):
        refused(stage.native.ask("POST", path, json=document), "invalid_request")
    refused(stage.native.ask("POST", path, content=b"{"), "invalid_request")
    refused(stage.native.ask("POST", "/buckets/never-there/objects:batchDelete", json={"keys": ["k"]}), "not_found")
    assert stage.native.get(bucket, "k").content == BODY
    told = ok(stage.native.ask("POST", path, json={"keys": [f"{number}" for number in range(1_000)]}), 200).json()
    assert len(told["deleted"]) == 1_000, len(told["deleted"])


@test
@covers("POST /buckets/{bucket}/object-copy/{key}")
def a_copy_takes_metadata_along_or_replaces_it(stage):
    source, target = stage.bucket(), stage.bucket(versioning="enabled")
    stored = stage.native.put(source, "a/b", BODY, {"Content-Type": "text/x-old", "X-Lockwell-Meta-Author": "somebody"})
    told = ok(stage.native.ask("POST", f"/buckets/{target}/object-copy/c/d", json={"sourceBucket": source, "sourceKey": "a/b"}), 200).json()
    assert told["etag"] == stored["etag"] and told["versionId"] and told["checksums"]["crc64nvme"] == text("CRC64NVME", BODY), told
    got = stage.native.get(target, "c/d")
    assert got.content == BODY and got.headers["content-type"] == "text/x-old" and got.headers["x-lockwell-meta-author"] == "somebody"
    stage.native.copy(source, "a/b", target, "c/d", metadataDirective="REPLACE", contentType="text/x-new", metadata={"editor": "another"})
    got = stage.native.get(target, "c/d")
    assert got.headers["content-type"] == "text/x-new" and got.headers["x-lockwell-meta-editor"] == "another" and "x-lockwell-meta-author" not in got.headers
    stage.native.copy(target, "c/d", target, "old", sourceVersionId=told["versionId"])
    assert stage.native.get(target, "old").headers["content-type"] == "text/x-old"


@test
@refusal("precondition_failed", "not_found", "invalid_request")
def copies_that_are_refused(stage):
    bucket = stage.bucket()
    tag = stage.native.put(bucket, "k", BODY)["etag"]
    other = stage.native.put(bucket, "there", b"other")["etag"]
    long_ago, later = "2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"
    for conditions in ({"ifMatch": other}, {"ifNoneMatch": tag}, {"ifUnmodifiedSince": long_ago}, {"ifModifiedSince": later}, {"requireAbsent": True}, {"requireMatchEtag": tag}):
        with raises("precondition_failed"):
            stage.native.copy(bucket, "k", bucket, "there", **conditions)
        assert stage.native.get(bucket, "there").content == b"other", conditions
    for source in (("never-there", "k"), (bucket, "absent")):
        with raises("not_found"):
            stage.native.copy(*source, bucket, "there")
    for document in ({}, {"sourceBucket": bucket}, {"sourceBucket": bucket, "sourceKey": "k", "metadataDirective": "PERHAPS"},
                     {"sourceBucket": bucket, "sourceKey": "k", "requireAbsent": "yes"}, {"sourceBucket": bucket, "sourceKey": "k", "ifModifiedSince": "yesterday"}):
        refused(stage.native.ask("POST", f"/buckets/{bucket}/object-copy/there", json=document), "invalid_request")
    refused(stage.native.ask("POST", f"/buckets/{bucket}/object-copy/there", json={"sourceBucket": bucket, "sourceKey": ""}), "invalid_key")
    for conditions in ({"ifMatch": tag}, {"ifNoneMatch": other}, {"ifModifiedSince": long_ago}, {"requireMatchEtag": other}):
        assert stage.native.copy(bucket, "k", bucket, "there", **conditions)["etag"] == tag
        other = stage.native.put(bucket, "there", b"other")["etag"]


@test
@refusal("idempotency_requires_checksum", "idempotency_key_reused")
def the_same_upload_twice_is_one(stage):
    bucket = stage.bucket(versioning="enabled")
    checked = {"X-Lockwell-Checksum-SHA256": text("SHA256", BODY)}
    with raises("idempotency_requires_checksum"):
        stage.native.put(bucket, "k", BODY, {"Idempotency-Key": "once"})
    path, headers = f"/buckets/{bucket}/objects/k", checked | {"Idempotency-Key": "once", "If-None-Match": "*", "X-Lockwell-Meta-A": "b"}
    first = ok(stage.native.ask("PUT", path, content=BODY, headers=headers), 200)
    again = ok(stage.native.ask("PUT", path, content=BODY, headers=headers), 200)
    assert again.json() == first.json() and again.headers["etag"] == first.headers["etag"], again.text
    assert again.headers.get("x-lockwell-idempotent-replay") == "true" and "x-lockwell-idempotent-replay" not in first.headers
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert len(stage.native.versions(bucket)["versions"]) == 1
    other = b"x" * len(BODY)
    for body, changed in ((other, {"X-Lockwell-Checksum-SHA256": text("SHA256", other)}), (BODY, {"X-Lockwell-Meta-A": "c"}), (BODY + b"x", {"X-Lockwell-Checksum-SHA256": text("SHA256", BODY + b"x")})):
        refused(stage.native.ask("PUT", path, content=body, headers=headers | changed), "idempotency_key_reused")
    refused(stage.native.ask("PUT", f"/buckets/{bucket}/objects/another", content=BODY, headers=headers), "idempotency_key_reused")
    # A digest that is right for the key and wrong for the body is no replay.
    answer = stage.native.ask("PUT", path, content=other, headers=headers)
    assert answer.status_code >= 400, "a body that its checksum does not fit was taken for a replay"
    # Another tenant's keys are others.
    us = stage.tenant()
    us.native.create_bucket(bucket)
    assert "x-lockwell-idempotent-replay" not in ok(us.native.ask("PUT", path, content=BODY, headers=headers), 200).headers
    # What failed is not kept.
    stage.native.put(bucket, "taken", b"already")
    retry = checked | {"Idempotency-Key": "twice", "If-None-Match": "*"}
    refused(stage.native.ask("PUT", f"/buckets/{bucket}/objects/taken", content=BODY, headers=retry), "precondition_failed")
    stage.native.delete(bucket, "taken")
    ok(stage.native.ask("PUT", f"/buckets/{bucket}/objects/taken", content=BODY, headers=retry), 200)


@test
@refusal("idempotency_in_progress")
def the_same_upload_at_once_waits(stage):
    bucket, began, go_on = stage.bucket(), threading.Event(), threading.Event()
    body = b"x" * MIB
    headers = {"Idempotency-Key": "slow", "X-Lockwell-Checksum-SHA256": text("SHA256", body), "Content-Length": str(MIB)}
    answers = []

    def slow():
        def pieces():
            yield body[: MIB // 2]
            began.set()
            go_on.wait(60)
            yield body[MIB // 2:]
        answers.append(stage.root.another_client().ask("PUT", f"/buckets/{bucket}/objects/k", content=pieces(), headers=headers))

    sender = threading.Thread(target=slow)
    sender.start()
    try:
        assert began.wait(60)
        # The first one's head is on its way, perhaps not read yet; whichever comes first, the other is refused or replayed.
        answer = None
        for _ in range(50):
            answer = stage.native.ask("PUT", f"/buckets/{bucket}/objects/k", content=body, headers=headers)
            if answer.status_code != 200:
                break
        refused(answer, "idempotency_in_progress")
        assert answer.headers["retry-after"] == "1", answer.headers
    finally:
        go_on.set()
        sender.join()
    ok(answers[0], 200)
    assert stage.native.ask("PUT", f"/buckets/{bucket}/objects/k", content=body, headers=headers).headers["x-lockwell-idempotent-replay"] == "true"


@test
def one_idempotency_key_serves_both_doors(stage):
    """The header of S3 is mapped onto the same store."""
    bucket = stage.bucket(versioning="enabled")
    headers = {"Idempotency-Key": "both-doors", "X-Lockwell-Checksum-SHA256": text("SHA256", BODY)}
    stored = stage.native.put(bucket, "k", BODY, headers)
    answer = stage.root.raw("PUT", f"/buckets/{bucket}/objects/k", {"X-Lockwell-Idempotency-Key": "ignored-here"}, BODY)
    assert answer.status == 200
    import wire
    s3 = wire.Key(stage.server.host, stage.root.access_key, stage.root.secret_key)
    again = s3.ask("PUT", f"/{bucket}/other", headers={"x-lockwell-idempotency-key": "both-doors"}, body=b"another body")
    assert again.status >= 400, f"the key that was used at the native door was taken by S3: {again}, {stored}"


@test
@refusal("invalid_key", "payload_too_large")
def keys_and_sizes_that_are_refused(stage):
    bucket = stage.bucket()
    for key in ("k" * 1_025, "ü" * 513):
        refused(stage.native.ask("PUT", f"/buckets/{bucket}/objects/{escape(key)}", content=b"x"), "invalid_key")
    stage.native.put(bucket, "k" * 1_024, b"x")
    assert stage.root.raw("PUT", f"/buckets/{bucket}/objects/%ff", body=b"x").status == 400, "a key that is no UTF-8"
    assert stage.root.raw("PUT", f"/buckets/{bucket}/objects/%zz", body=b"x").status == 400, "a key with a broken escape"
    assert stage.root.raw("PUT", f"/buckets/{bucket}/objects/", body=b"x").status in (400, 404, 405), "an empty key"
    # 5 GiB is what one request may bring; more is refused before it is sent.
    answer = stage.root.raw("PUT", f"/buckets/{bucket}/objects/big", body=b"", announced=5 * (1 << 30) + 1)
    assert answer.status == 413 and b'"payload_too_large"' in answer.body, answer
    huge = b'{"name":"' + b"a" * (64 * MIB) + b'"}'
    try:
        refused(stage.native.ask("POST", "/buckets", content=huge), "payload_too_large")
    except httpx.TransportError:
        # It was told and closed before all was sent: asked again without sending.
        answer = stage.root.raw("POST", "/buckets", {"content-type": "application/json"}, b"", announced=len(huge))
        assert answer.status == 413 and b'"payload_too_large"' in answer.body, answer
    assert [one["key"] for one in stage.native.list(bucket)["objects"]] == ["k" * 1_024]


@test
@refusal("not_found")
def every_kind_of_absent_is_not_found(stage):
    bucket = stage.bucket(versioning="enabled")
    stage.native.put(bucket, "k", BODY)
    others = stage.native.put(bucket, "other", BODY)["versionId"]
    for path in ("/buckets/never-there/objects/k", f"/buckets/{bucket}/objects/absent", f"/buckets/{bucket}/objects/k?versionId={others}"):
        refused(stage.native.ask("GET", path), "not_found")
        refused(stage.native.ask("HEAD", path), "not_found")
    answer = stage.native.ask("GET", f"/buckets/{bucket}/objects/k?versionId=made%20up")
    assert answer.status_code in (400, 404), answer.text
    refused(stage.native.ask("GET", "/no/such/route"), "not_found")


@test
def a_body_of_many_pieces_is_streamed(stage):
    """Chunked, its length unknown; the server keeps no more of it than it must."""
    bucket, size = stage.bucket(), 96 if stage.full else 32
    piece = bytes(range(256)) * 4096
    before = stage.server.peak_memory_mib()
    digest = hashlib.sha256()
    stage.native.call("PUT", f"/buckets/{bucket}/objects/big", content=(piece for _ in range(size)))
    with stage.native.http.stream("GET", stage.native.base + f"/buckets/{bucket}/objects/big", headers={"Authorization": f"Bearer {stage.native.token()}"}) as answer:
        for part in answer.iter_bytes():
            digest.update(part)
    assert digest.digest() == hashlib.sha256(piece * size).digest()
    assert stage.server.peak_memory_mib() - before < 300


@test
def a_body_that_ends_early_stores_nothing(stage):
    bucket = stage.bucket()
    answer = stage.root.raw("PUT", f"/buckets/{bucket}/objects/k", body=b"half", announced=8)
    assert answer is None or answer.status == 400, answer
    refused(stage.native.ask("GET", f"/buckets/{bucket}/objects/k"), "not_found")


@test
def keys_are_what_the_path_says_after_one_decoding(stage):
    bucket = stage.bucket()
    keys = ["a//b", "/leading", "trailing/", "a/./b", "a/../b", "..", ".", "a%2Fb", "%", "a+b", "a b", "ünï/cödé", "a?b#c", "quote'\"", "a\\b", "日本語", "a/complete/b", "a:b", "&=;,@$!*()"]
    for key in keys:
        stage.native.put(bucket, key, key.encode())
    assert [one["key"] for one in stage.native.list(bucket)["objects"]] == sorted(keys, key=str.encode)
    for key in keys:
        assert stage.native.get(bucket, key).content == key.encode(), key
        # All escaped, as some clients do: the same key.
        answer = stage.root.raw("GET", f"/buckets/{bucket}/objects/" + "".join(f"%{byte:02X}" for byte in key.encode()))
        assert answer.status == 200 and answer.body == key.encode(), key
    # As it stands, dots and all: nobody resolves a path.
    for key in ("a/../b", "a/./b", "a//b", "/leading", "..", "."):
        answer = stage.root.raw("GET", f"/buckets/{bucket}/objects/{key}")
        assert answer.status == 200 and answer.body == key.encode(), f"{key}: {answer}"
    for key in keys:
        stage.native.delete(bucket, key)
    assert stage.native.list(bucket)["objects"] == []
    assert key_path("a/../b") == "a/%2E%2E/b"
