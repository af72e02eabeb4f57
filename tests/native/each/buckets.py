"""Buckets, their versioning, and what their names may be."""

from contract import covers, ok, refusal, refused
from stage import moment, raises, test


@test
@covers("POST /buckets", "GET /buckets/{bucket}", "GET /buckets", "DELETE /buckets/{bucket}")
def a_bucket_is_made_shown_listed_and_deleted(stage):
    us = stage.tenant()
    made = ok(us.native.ask("POST", "/buckets", json={"name": "first"}), 201).json()
    assert made["name"] == "first" and made["objectLockEnabled"] is False, made
    assert moment(made["createdAt"]) and made["region"] == "us-east-1", made
    assert ok(us.native.ask("GET", "/buckets/first"), 200).json() == made
    us.native.create_bucket("second")
    listed = ok(us.native.ask("GET", "/buckets"), 200).json()["buckets"]
    assert [one["name"] for one in listed] == ["first", "second"] and listed[0] == made, listed
    ok(us.native.ask("DELETE", "/buckets/first"), 204)
    refused(us.native.ask("GET", "/buckets/first"), "not_found")
    assert [one["name"] for one in us.native.buckets()] == ["second"]


@test
def versioning_and_lock_are_asked_for_in_every_spelling(stage):
    us = stage.tenant()
    for number, (options, versioning, lock) in enumerate([
            ({}, "disabled", False), ({"versioning": "enabled"}, "enabled", False), ({"versioning": "Enabled"}, "enabled", False),
            ({"versioning": True}, "enabled", False), ({"versioning": False}, "disabled", False), ({"versioning": "suspended"}, "suspended", False),
            ({"objectLockEnabled": True}, "enabled", True), ({"objectLock": True}, "enabled", True),
            ({"objectLock": True, "versioning": True}, "enabled", True), ({"objectLockEnabled": False}, "disabled", False)]):
        made = us.native.create_bucket(f"bucket-{number}", **options)
        shown = us.native.bucket(f"bucket-{number}")
        assert made["objectLockEnabled"] is lock and shown["objectLockEnabled"] is lock, f"{options}: {made}"
        assert us.native.versioning(f"bucket-{number}")["status"] == versioning and shown["versioning"] == versioning, f"{options}: {shown}"


@test
@refusal("bucket_already_exists", "invalid_bucket_name", "invalid_request", "bucket_not_empty", "not_found")
def buckets_that_are_refused(stage):
    us = stage.tenant()
    us.native.create_bucket("taken")
    with raises("bucket_already_exists"):
        us.native.create_bucket("taken")
    for name in ("ab", "UPPER", "under_score", "a" * 64, "-begins", "ends-", "two..dots", "10.0.0.1", "", "with space", "../..", "a/b"):
        with raises("invalid_bucket_name"):
            us.native.create_bucket(name)
    # Our own first path segments would shadow them.
    for name in ("api", "admin", "health", "healthz", "readyz", "metrics", "console", "compat", "signed"):
        with raises("invalid_bucket_name"):
            us.native.create_bucket(name)
    for document in (b"", b"{", b"[]", b"null", b'"first"', b"{}", b'{"name":7}', b'{"name":"fine","versioning":"perhaps"}', b'{"name":"fine","objectLock":"yes"}',
                     b'{"name":"fine","objectLock":true,"versioning":"suspended"}', b'{"name":"fi\xffne"}'):
        refused(us.native.ask("POST", "/buckets", content=document, headers={"Content-Type": "application/json"}), "invalid_request")
    us.native.put("taken", "object", b"content")
    with raises("bucket_not_empty"):
        us.native.delete_bucket("taken")
    with raises("not_found"):
        us.native.delete_bucket("never-there")
    assert [one["name"] for one in us.native.buckets()] == ["taken"]


@test
def a_bucket_of_old_versions_alone_is_not_empty(stage):
    bucket = stage.bucket(versioning="enabled")
    stage.native.put(bucket, "k", b"content")
    stage.native.delete(bucket, "k")
    with raises("bucket_not_empty"):
        stage.native.delete_bucket(bucket)
    for one in stage.native.versions(bucket)["versions"] + stage.native.versions(bucket)["deleteMarkers"]:
        stage.native.delete(bucket, "k", versionId=one["versionId"])
    stage.native.delete_bucket(bucket)


@test
@covers("GET /buckets/{bucket}/versioning", "PUT /buckets/{bucket}/versioning")
def versioning_is_enabled_and_suspended(stage):
    bucket = stage.bucket()
    assert ok(stage.native.ask("GET", f"/buckets/{bucket}/versioning"), 200).json()["status"] == "disabled"
    for asked, answered in (("enabled", "enabled"), ("Suspended", "suspended"), ("ENABLED", "enabled")):
        told = ok(stage.native.ask("PUT", f"/buckets/{bucket}/versioning", json={"status": asked}), 200).json()
        assert told["status"] == answered == stage.native.versioning(bucket)["status"], told
    for document in ({"status": "disabled"}, {"status": ""}, {}, {"status": None}, {"status": True}):
        refused(stage.native.ask("PUT", f"/buckets/{bucket}/versioning", json=document), "invalid_request")
    assert stage.native.versioning(bucket)["status"] == "enabled"
    with raises("not_found"):
        stage.native.versioning("never-there")
    with raises("not_found"):
        stage.native.set_versioning("never-there", "enabled")


@test
def a_bucket_with_locks_keeps_its_versions(stage):
    bucket = stage.bucket(objectLockEnabled=True)
    answer = stage.native.ask("PUT", f"/buckets/{bucket}/versioning", json={"status": "suspended"})
    assert answer.status_code == 409, answer.text
    assert stage.native.versioning(bucket)["status"] == "enabled"
