"""Versions, tags, retention and legal holds of objects."""

from contract import covers, ok, refusal, refused
from stage import in_days, moment, raises, stamp, test


@test
@covers("GET /buckets/{bucket}/versions")
def versions_are_listed_newest_first_in_pages(stage):
    bucket = stage.bucket(versioning="enabled")
    made = {key: [stage.native.put(bucket, key, f"{key} {number}".encode())["versionId"] for number in range(3)] for key in ("a", "b/c")}
    marker = stage.native.delete(bucket, "a")["deleteMarkerVersionId"]
    told = ok(stage.native.ask("GET", f"/buckets/{bucket}/versions"), 200).json()
    assert [(one["key"], one["versionId"]) for one in told["versions"]] == [(key, version) for key in made for version in reversed(made[key])], told
    assert [(one["key"], one["versionId"], one["isLatest"], one["isDeleteMarker"]) for one in told["deleteMarkers"]] == [("a", marker, True, True)], told
    assert [one["isLatest"] for one in told["versions"]] == [False, False, False, True, False, False] and not any(one["isDeleteMarker"] for one in told["versions"])
    assert all(one["etag"] and one["size"] == len(one["key"]) + 2 and one["lastModified"] for one in told["versions"]) and told["isTruncated"] is False
    assert [one["key"] for one in stage.native.versions(bucket, prefix="b/")["versions"]] == ["b/c"] * 3
    assert stage.native.versions(bucket, delimiter="/")["commonPrefixes"] == ["b/"]
    found, markers, query = [], [], {}
    while True:
        page = stage.native.versions(bucket, maxKeys=2, **query)
        found, markers = found + page["versions"], markers + page["deleteMarkers"]
        assert len(page["versions"]) + len(page["deleteMarkers"]) <= 2
        if not page["isTruncated"]:
            break
        query = {"keyMarker": page["nextKeyMarker"], "versionIdMarker": page["nextVersionIdMarker"]}
    assert found == told["versions"] and markers == told["deleteMarkers"]
    refused(stage.native.ask("GET", "/buckets/never-there/versions"), "not_found")
    refused(stage.native.ask("GET", f"/buckets/{bucket}/versions", params={"maxKeys": "x"}), "invalid_request")


@test
@covers("GET /buckets/{bucket}/object-tags/{key}", "PUT /buckets/{bucket}/object-tags/{key}", "DELETE /buckets/{bucket}/object-tags/{key}")
def tags_are_set_replaced_and_cleared(stage):
    bucket = stage.bucket(versioning="enabled")
    old = stage.native.put(bucket, "a/b c", b"one")["versionId"]
    stage.native.put(bucket, "a/b c", b"two")
    path = f"/buckets/{bucket}/object-tags/a/b%20c"
    assert ok(stage.native.ask("GET", path), 200).json()["tags"] == {}
    for document, tags in (({"tags": {"k": "v", "ü": ""}}, {"k": "v", "ü": ""}), ({"tags": [{"key": "list", "value": "too"}]}, {"list": "too"}), ({"tags": {}}, {}), ({"tags": {"last": "one"}}, {"last": "one"})):
        assert ok(stage.native.ask("PUT", path, json=document), 200).json()["tags"] == tags
        assert stage.native.tags(bucket, "a/b c")["tags"] == tags
    assert stage.native.tags(bucket, "a/b c", versionId=old)["tags"] == {}
    stage.native.set_tags(bucket, "a/b c", {"of": "old"}, versionId=old)
    assert stage.native.tags(bucket, "a/b c", versionId=old)["tags"] == {"of": "old"} and stage.native.tags(bucket, "a/b c")["tags"] == {"last": "one"}
    ok(stage.native.ask("DELETE", path), 204)
    assert stage.native.tags(bucket, "a/b c")["tags"] == {} and stage.native.tags(bucket, "a/b c", versionId=old)["tags"] == {"of": "old"}
    for one in (f"/buckets/{bucket}/object-tags/absent", "/buckets/never-there/object-tags/k"):
        refused(stage.native.ask("GET", one), "not_found")
        refused(stage.native.ask("PUT", one, json={"tags": {}}), "not_found")
        refused(stage.native.ask("DELETE", one), "not_found")


@test
@refusal("invalid_request")
def tags_that_are_refused(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "k", b"x", {"X-Lockwell-Tagging": "kept=yes"})
    for document in ({}, [], {"tags": "k=v"}, {"tags": {"k": 7}}, {"tags": {"k" * 129: "v"}}, {"tags": {"k": "v" * 257}}, {"tags": {"": "v"}},
                     {"tags": {f"k{number}": "v" for number in range(11)}}, {"tags": [{"key": "k", "value": "v"}] * 2}, {"tags": [{"key": "k"}]}):
        refused(stage.native.ask("PUT", f"/buckets/{bucket}/object-tags/k", json=document), "invalid_request")
    assert stage.native.tags(bucket, "k")["tags"] == {"kept": "yes"}
    stage.native.set_tags(bucket, "k", {f"k{number}": "v" for number in range(10)})


@test
@covers("GET /buckets/{bucket}/object-retention/{key}", "PUT /buckets/{bucket}/object-retention/{key}")
@refusal("retention_violation", "object_locked", "not_found")
def retention_is_extended_and_never_shortened(stage):
    for mode, other in (("GOVERNANCE", "COMPLIANCE"), ("COMPLIANCE", "GOVERNANCE")):
        bucket = stage.bucket(objectLockEnabled=True)
        version = stage.native.put(bucket, "a/b", b"kept")["versionId"]
        path = f"/buckets/{bucket}/object-retention/a/b"
        refused(stage.native.ask("GET", path), "not_found")
        for days in (10, 20):
            until = in_days(days)
            for told in (ok(stage.native.ask("PUT", path, json={"mode": mode, "retainUntil": stamp(until)}), 200).json(), ok(stage.native.ask("GET", path), 200).json()):
                assert told["mode"] == mode and moment(told["retainUntil"]) == until, told
            # No header of S3 or ours opens it. Another mode is refused too, as S3 refuses it to whoever may not bypass governance.
            for headers in ({}, {"x-amz-bypass-governance-retention": "true"}, {"X-Lockwell-Bypass-Governance-Retention": "true"}):
                for wanted, when in ((mode, days - 5), (other, days - 5), (other, days + 5)):
                    refused(stage.native.ask("PUT", path, json={"mode": wanted, "retainUntil": stamp(in_days(when))}, headers=headers), "retention_violation")
                refused(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/a/b", params={"versionId": version}, headers=headers), "object_locked")
            looked = stage.native.head(bucket, "a/b").headers
            assert looked["x-lockwell-retention-mode"] == mode and moment(looked["x-lockwell-retain-until"]) == until
        assert stage.native.retention(bucket, "a/b", versionId=version)["mode"] == mode
        assert stage.native.get(bucket, "a/b", versionId=version).content == b"kept"


@test
@refusal("retention_violation")
def an_audit_trail_lets_versions_go_and_is_never_shortened(stage):
    bucket, until = stage.bucket(objectLockEnabled=True), in_days(10)
    stage.s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "AUDIT_TRAIL", "Days": 3}}})
    told = stage.native.call("GET", f"/buckets/{bucket}/object-lock").json()
    assert told["rule"]["defaultRetention"] == {"mode": "AUDIT_TRAIL", "days": 3}, told
    first = stage.native.put(bucket, "k", b"first")["versionId"]
    assert stage.s3.head_object(Bucket=bucket, Key="k")["ObjectLockMode"] == "AUDIT_TRAIL"
    second = stage.s3.put_object(Bucket=bucket, Key="k", Body=b"second", ObjectLockMode="AUDIT_TRAIL", ObjectLockRetainUntilDate=until)["VersionId"]
    path = f"/buckets/{bucket}/object-retention/k"
    told = stage.native.retention(bucket, "k")
    assert told["mode"] == "AUDIT_TRAIL" and moment(told["retainUntil"]) == until, told
    for mode, days in (("AUDIT_TRAIL", 9), ("GOVERNANCE", 20), ("COMPLIANCE", 20)):
        refused(stage.native.ask("PUT", path, json={"mode": mode, "retainUntil": stamp(in_days(days))}), "retention_violation")
        try:
            stage.s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": mode, "RetainUntilDate": in_days(days)}, BypassGovernanceRetention=True)
            raise AssertionError(f"an audit trail became {mode}")
        except stage.s3.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == "AccessDenied", error
    stage.native.retain(bucket, "k", "AUDIT_TRAIL", stamp(in_days(20)))
    for version in (first, second):
        ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k", params={"versionId": version}), 200, 204)
    assert not stage.native.versions(bucket)["versions"]


@test
def governance_ends_by_no_way_of_the_native_api(stage):
    """S3 lets an administrator bypass it; this API lets nobody."""
    bucket = stage.bucket(objectLockEnabled=True)
    version = stage.native.put(bucket, "k", b"kept")["versionId"]
    stage.native.retain(bucket, "k", "GOVERNANCE", stamp(in_days(10)))
    for query in ({}, {"bypassGovernanceRetention": "true"}, {"bypassGovernance": "true"}):
        answer = stage.native.ask("DELETE", f"/buckets/{bucket}/objects/k", params={"versionId": version, **query})
        assert answer.status_code in (400, 403), answer.text
    told = stage.native.call("POST", f"/buckets/{bucket}/objects:batchDelete", json={"objects": [{"key": "k", "versionId": version}]}).json()
    assert told["errors"][0]["code"] == "object_locked", told
    assert stage.native.get(bucket, "k", versionId=version).content == b"kept"
    stage.s3.delete_object(Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)


@test
@covers("GET /buckets/{bucket}/object-legal-hold/{key}", "PUT /buckets/{bucket}/object-legal-hold/{key}")
def a_legal_hold_keeps_a_version(stage):
    bucket = stage.bucket(objectLockEnabled=True)
    version = stage.native.put(bucket, "a/b", b"kept")["versionId"]
    path = f"/buckets/{bucket}/object-legal-hold/a/b"
    assert ok(stage.native.ask("GET", path), 200).json()["status"] == "OFF"
    for status in ("ON", "OFF", "ON"):
        assert ok(stage.native.ask("PUT", path, json={"status": status}), 200).json()["status"] == status
        assert stage.native.legal_hold(bucket, "a/b", versionId=version)["status"] == status
        assert stage.native.head(bucket, "a/b").headers.get("x-lockwell-legal-hold", "OFF") == status
    refused(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/a/b", params={"versionId": version}), "object_locked")
    for document in ({}, {"status": "perhaps"}, {"status": True}, []):
        refused(stage.native.ask("PUT", path, json=document), "invalid_request")
    stage.native.hold(bucket, "a/b", "OFF")
    ok(stage.native.ask("DELETE", f"/buckets/{bucket}/objects/a/b", params={"versionId": version}), 200, 204)


@test
@refusal("object_lock_not_enabled", "invalid_request", "not_found")
def locks_that_are_refused(stage):
    plain, locked = stage.bucket(), stage.bucket(objectLockEnabled=True)
    until = stamp(in_days(10))
    stage.native.put(plain, "k", b"x")
    stage.native.put(locked, "k", b"x")
    with raises("object_lock_not_enabled"):
        stage.native.retain(plain, "k", "GOVERNANCE", until)
    with raises("object_lock_not_enabled"):
        stage.native.hold(plain, "k", "ON")
    with raises("object_lock_not_enabled"):
        stage.native.put(plain, "k2", b"x", {"X-Lockwell-Legal-Hold": "ON"})
    for document in ({}, [], {"mode": "GOVERNANCE"}, {"retainUntil": until}, {"mode": "governed", "retainUntil": until}, {"mode": "GOVERNANCE", "retainUntil": "soon"},
                     {"mode": "GOVERNANCE", "retainUntil": stamp(in_days(-1))}, {"mode": "GOVERNANCE", "retainUntil": 7}):
        refused(stage.native.ask("PUT", f"/buckets/{locked}/object-retention/k", json=document), "invalid_request")
    for kind, document in (("retention", {"mode": "GOVERNANCE", "retainUntil": until}), ("legal-hold", {"status": "ON"})):
        for bucket, key in ((locked, "absent"), ("never-there", "k")):
            refused(stage.native.ask("GET", f"/buckets/{bucket}/object-{kind}/{key}"), "not_found")
            refused(stage.native.ask("PUT", f"/buckets/{bucket}/object-{kind}/{key}", json=document), "not_found")
    refused(stage.native.ask("GET", f"/buckets/{locked}/object-retention/k"), "not_found")


@test
def a_put_brings_its_locks_along(stage):
    bucket, until = stage.bucket(objectLockEnabled=True), in_days(10)
    stage.native.put(bucket, "k", b"x", {"X-Lockwell-Retention-Mode": "COMPLIANCE", "X-Lockwell-Retain-Until": stamp(until), "X-Lockwell-Legal-Hold": "ON"})
    told = stage.native.retention(bucket, "k")
    assert told["mode"] == "COMPLIANCE" and moment(told["retainUntil"]) == until and stage.native.legal_hold(bucket, "k")["status"] == "ON"
    for headers in ({"X-Lockwell-Retention-Mode": "COMPLIANCE"}, {"X-Lockwell-Retain-Until": stamp(until)}, {"X-Lockwell-Legal-Hold": "perhaps"}):
        with raises("invalid_request"):
            stage.native.put(bucket, "other", b"x", headers)
