"""One store, two doors: what one writes the other reads, byte for byte and field for field."""

import hashlib
import json

import botocore.exceptions
from client import Problem
from contract import refused
from digests import DIGESTS, text
from stage import in_days, moment, raises, stamp, test

KEYS = ["plain", "a//b", "a/./b", "a/../b", "..", ".", "a%2Fb", "%", "%2F", "trailing/", "/leading", "a+b", "a b", "ünï/cödé", "日本語", "a/complete/b", "a/parts/1/b", "a?b#c", "a&b=c;d,e", "quote'\"", "a\\b", "~", "e\u0301", "\u00e9"]
MIB = 1 << 20


def refuses(code, call, **rest):
    """S3 refuses, with this code."""
    try:
        call(**rest)
    except botocore.exceptions.ClientError as error:
        assert error.response["Error"]["Code"] == code, error
        return
    raise AssertionError(f"no {code}: it worked")


def entry(entries, field, value):
    """The one entry of a list with this value."""
    found = [one for one in entries if one[field] == value]
    assert len(found) == 1, f"{value!r} is there {len(found)} times: {entries}"
    return found[0]


@test
def keys_are_the_same_at_both_doors(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    for number, key in enumerate(KEYS):
        body = f"{number} {key}".encode()
        stage.native.put(bucket, key, body)
        assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == body, key
        s3.put_object(Bucket=bucket, Key=key, Body=body[::-1])
        assert stage.native.get(bucket, key).content == body[::-1], key
    listed = [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]]
    assert listed == [one["key"] for one in stage.native.list(bucket)["objects"]] == sorted(KEYS, key=str.encode)
    folders = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    told = stage.native.list(bucket, delimiter="/")
    assert [one["Prefix"] for one in folders["CommonPrefixes"]] == told["commonPrefixes"] and [one["Key"] for one in folders["Contents"]] == [one["key"] for one in told["objects"]]
    for number, key in enumerate(KEYS):
        if number % 2:
            s3.delete_object(Bucket=bucket, Key=key)
        else:
            stage.native.delete(bucket, key)
    assert stage.native.list(bucket)["objects"] == [] and "Contents" not in s3.list_objects_v2(Bucket=bucket)


@test
def an_object_has_the_same_fields_at_both_doors(stage):
    bucket, s3 = stage.bucket("same", versioning="enabled"), stage.s3
    body = b"the same\n" * 9_000
    for name in DIGESTS:
        stored = stage.native.put(bucket, "native", body, {"Content-Type": "text/x-a; b=c", "X-Lockwell-Meta-Author": "somebody", "X-Lockwell-Tagging": "k=v%20w", f"X-Lockwell-Checksum-{name}": text(name, body),
                                                           "Cache-Control": "no-cache", "Content-Encoding": "x-none"})
        looked = s3.head_object(Bucket=bucket, Key="native", ChecksumMode="ENABLED")
        assert (looked["ETag"], looked["VersionId"], looked["ContentLength"], looked["ContentType"]) == (stored["etag"], stored["versionId"], len(body), "text/x-a; b=c")
        assert looked[f"Checksum{name}"] == text(name, body) == stored["checksums"][name.lower()], name
        assert looked["Metadata"] == {"author": "somebody"} and looked["CacheControl"] == "no-cache" and looked["ContentEncoding"] == "x-none"
        assert s3.get_object_tagging(Bucket=bucket, Key="native")["TagSet"] == [{"Key": "k", "Value": "v w"}]
        put = s3.put_object(Bucket=bucket, Key="s3", Body=body, ContentType="text/x-b", Metadata={"editor": "another"}, Tagging="l=m", ContentLanguage="de", **{f"Checksum{name}": text(name, body)})
        there = stage.native.head(bucket, "s3").headers
        assert (there["etag"], there["x-lockwell-version-id"], there["content-length"], there["content-type"]) == (put["ETag"], put["VersionId"], str(len(body)), "text/x-b")
        assert there[f"x-lockwell-checksum-{name}"] == text(name, body) and there["x-lockwell-meta-editor"] == "another" and there["content-language"] == "de"
        assert stage.native.tags(bucket, "s3")["tags"] == {"l": "m"}
    assert stage.native.head(bucket, "native").headers["last-modified"] == s3.head_object(Bucket=bucket, Key="native")["ResponseMetadata"]["HTTPHeaders"]["last-modified"]


@test
def metadata_that_is_no_ascii_is_the_same(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"author": "plain"})
    stage.native.copy(bucket, "k", bucket, "copied", metadataDirective="REPLACE", metadata={"Author": "Upper"})
    assert s3.head_object(Bucket=bucket, Key="copied")["Metadata"] == {"author": "Upper"}


@test
def buckets_are_the_same_at_both_doors(stage):
    us = stage.tenant("same")
    us.native.create_bucket("by-native", versioning="enabled", objectLockEnabled=True)
    us.s3.create_bucket(Bucket="by-s3", ObjectLockEnabledForBucket=True)
    us.s3.create_bucket(Bucket="plain")
    assert [one["Name"] for one in us.s3.list_buckets()["Buckets"]] == [one["name"] for one in us.native.buckets()] == ["by-native", "by-s3", "plain"]
    for bucket in ("by-native", "by-s3"):
        assert us.s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled" and us.native.versioning(bucket)["status"] == "enabled"
        assert us.s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"]["ObjectLockEnabled"] == "Enabled" and us.native.bucket(bucket)["objectLockEnabled"]
    us.s3.put_bucket_versioning(Bucket="plain", VersioningConfiguration={"Status": "Enabled"})
    assert us.native.versioning("plain")["status"] == "enabled"
    us.native.set_versioning("plain", "suspended")
    assert us.s3.get_bucket_versioning(Bucket="plain")["Status"] == "Suspended"
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 7}}}
    us.s3.put_object_lock_configuration(Bucket="by-s3", ObjectLockConfiguration=rule)
    assert us.native.bucket("by-s3")["defaultRetention"] == {"mode": "GOVERNANCE", "days": 7}
    us.native.put("by-s3", "k", b"kept by default")
    assert us.native.retention("by-s3", "k")["mode"] == "GOVERNANCE"
    # Private, whoever made it.
    block = us.s3.get_public_access_block(Bucket="by-native")["PublicAccessBlockConfiguration"]
    assert block == us.s3.get_public_access_block(Bucket="by-s3")["PublicAccessBlockConfiguration"] and all(block.values()), block
    refuses("BucketAlreadyOwnedByYou", us.s3.create_bucket, Bucket="by-native", ObjectLockEnabledForBucket=True)
    with raises("bucket_already_exists"):
        us.native.create_bucket("by-s3")
    us.s3.delete_bucket(Bucket="plain")
    with raises("not_found"):
        us.native.bucket("plain")


@test
def versions_and_markers_are_the_same_at_both_doors(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    stage.native.put(bucket, "k", b"before versions")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first, second = stage.native.put(bucket, "k", b"one")["versionId"], s3.put_object(Bucket=bucket, Key="k", Body=b"two")["VersionId"]
    marker = stage.native.delete(bucket, "k")["deleteMarkerVersionId"]
    other = s3.delete_object(Bucket=bucket, Key="k")["VersionId"]
    listed, told = s3.list_object_versions(Bucket=bucket), stage.native.versions(bucket)
    assert [one["VersionId"] for one in listed["Versions"]] == [one["versionId"] for one in told["versions"]] == [second, first, "null"], told
    assert [one["VersionId"] for one in listed["DeleteMarkers"]] == [one["versionId"] for one in told["deleteMarkers"]] == [other, marker], told
    assert [one["IsLatest"] for one in listed["DeleteMarkers"]] == [one["isLatest"] for one in told["deleteMarkers"]] == [True, False]
    assert stage.native.get(bucket, "k", versionId="null").content == b"before versions" == s3.get_object(Bucket=bucket, Key="k", VersionId="null")["Body"].read()
    assert stage.native.get(bucket, "k", versionId=second).content == b"two" and s3.get_object(Bucket=bucket, Key="k", VersionId=first)["Body"].read() == b"one"
    stage.native.delete(bucket, "k", versionId=other)
    s3.delete_object(Bucket=bucket, Key="k", VersionId=marker)
    assert stage.native.get(bucket, "k").content == b"two" == s3.get_object(Bucket=bucket, Key="k")["Body"].read()
    stage.native.set_versioning(bucket, "suspended")
    stage.native.delete(bucket, "k")
    assert [one["VersionId"] for one in s3.list_object_versions(Bucket=bucket)["DeleteMarkers"]] == ["null"]


@test
def locks_are_the_same_at_both_doors(stage):
    bucket, s3 = stage.bucket("same", objectLockEnabled=True), stage.s3
    until, later = in_days(10), in_days(20)
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"kept", ObjectLockMode="GOVERNANCE", ObjectLockRetainUntilDate=until, ObjectLockLegalHoldStatus="ON")["VersionId"]
    told = stage.native.retention(bucket, "k")
    assert told["mode"] == "GOVERNANCE" and moment(told["retainUntil"]) == until and stage.native.legal_hold(bucket, "k")["status"] == "ON"
    stage.native.hold(bucket, "k", "OFF")
    assert s3.get_object_legal_hold(Bucket=bucket, Key="k")["LegalHold"]["Status"] == "OFF"
    stage.native.retain(bucket, "k", "GOVERNANCE", stamp(later))
    held = s3.get_object_retention(Bucket=bucket, Key="k")["Retention"]
    assert held["Mode"] == "GOVERNANCE" and held["RetainUntilDate"] == later, held
    refuses("AccessDenied", s3.delete_object, Bucket=bucket, Key="k", VersionId=version)
    # S3 may strengthen the mode for whoever may bypass; this API sees it, and nobody undoes it.
    s3.put_object_retention(Bucket=bucket, Key="k", Retention={"Mode": "COMPLIANCE", "RetainUntilDate": later}, BypassGovernanceRetention=True)
    assert stage.native.retention(bucket, "k")["mode"] == "COMPLIANCE"
    refuses("AccessDenied", s3.delete_object, Bucket=bucket, Key="k", VersionId=version, BypassGovernanceRetention=True)
    with raises("object_locked"):
        stage.native.delete(bucket, "k", versionId=version)
    s3.put_object_legal_hold(Bucket=bucket, Key="k", LegalHold={"Status": "ON"})
    assert stage.native.legal_hold(bucket, "k", versionId=version)["status"] == "ON"
    native = stage.native.put(bucket, "n", b"kept", {"X-Lockwell-Retention-Mode": "COMPLIANCE", "X-Lockwell-Retain-Until": stamp(until)})["versionId"]
    looked = s3.head_object(Bucket=bucket, Key="n", VersionId=native)
    assert looked["ObjectLockMode"] == "COMPLIANCE" and looked["ObjectLockRetainUntilDate"] == until


@test
def tags_are_the_same_at_both_doors(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    stage.native.put(bucket, "k", b"x")
    stage.native.set_tags(bucket, "k", {"b": "2", "a": "ü /+="})
    assert sorted((one["Key"], one["Value"]) for one in s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]) == [("a", "ü /+="), ("b", "2")]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "c", "Value": ""}]})
    assert stage.native.tags(bucket, "k")["tags"] == {"c": ""}
    stage.native.clear_tags(bucket, "k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []


@test
def an_upload_is_begun_at_one_door_and_completed_at_the_other(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    pieces = [b"a" * (5 * MIB), b"b" * 1_000]
    whole = f'"{hashlib.md5(b"".join(hashlib.md5(piece).digest() for piece in pieces)).hexdigest()}-2"'
    for key, native_first in (("a/complete/b", True), ("by s3", False)):
        if native_first:
            stage.native.create_upload(bucket, key, metadata={"a": "b"})
        else:
            s3.create_multipart_upload(Bucket=bucket, Key=key, Metadata={"a": "b"})
        # One upload, which each door may call by a name of its own.
        theirs, upload = entry(s3.list_multipart_uploads(Bucket=bucket)["Uploads"], "Key", key)["UploadId"], entry(stage.native.uploads(bucket), "key", key)["uploadId"]
        one = stage.native.upload_part(bucket, key, upload, 1, pieces[0])["etag"]
        two = s3.upload_part(Bucket=bucket, Key=key, UploadId=theirs, PartNumber=2, Body=pieces[1])["ETag"]
        assert [part["ETag"] for part in s3.list_parts(Bucket=bucket, Key=key, UploadId=theirs)["Parts"]] == [part["etag"] for part in stage.native.parts(bucket, key, upload)["parts"]] == [one, two]
        if native_first:
            done = s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=theirs, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": one}, {"PartNumber": 2, "ETag": two}]})["ETag"]
        else:
            done = stage.native.complete(bucket, key, upload, [{"partNumber": 1, "etag": one}, {"partNumber": 2, "etag": two}])["etag"]
        assert done == whole == stage.native.head(bucket, key).headers["etag"] == s3.head_object(Bucket=bucket, Key=key)["ETag"]
        assert stage.native.get(bucket, key).content == b"".join(pieces) and s3.head_object(Bucket=bucket, Key=key)["Metadata"] == {"a": "b"}
    s3.create_multipart_upload(Bucket=bucket, Key="given up")
    stage.native.abort(bucket, "given up", entry(stage.native.uploads(bucket), "key", "given up")["uploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


@test
def conditions_and_copies_know_each_other_s_objects(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    tag = s3.put_object(Bucket=bucket, Key="k", Body=b"by s3")["ETag"]
    tag = stage.native.put(bucket, "k", b"by native", {"If-Match": tag})["etag"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"by s3 again", IfMatch=tag)
    with raises("precondition_failed"):
        stage.native.put(bucket, "k", b"x", {"If-Match": tag})
    refuses("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    stage.native.copy(bucket, "k", bucket, "copied natively")
    s3.copy_object(Bucket=bucket, Key="copied by s3", CopySource={"Bucket": bucket, "Key": "copied natively"})
    assert stage.native.get(bucket, "copied by s3").content == b"by s3 again"


@test
def policies_bind_both_doors(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    stage.native.put(bucket, "k", b"x")
    for action, native, there in (
            ("s3:GetObject", lambda: stage.native.get(bucket, "k"), lambda: s3.get_object(Bucket=bucket, Key="k")),
            ("s3:PutObject", lambda: stage.native.put(bucket, "k", b"y"), lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"y")),
            ("s3:DeleteObject", lambda: stage.native.delete(bucket, "k"), lambda: s3.delete_object(Bucket=bucket, Key="k")),
            ("s3:PutObjectTagging", lambda: stage.native.set_tags(bucket, "k", {}), lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": []}))):
        statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": f"arn:aws:s3:::{bucket}/*"}
        s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        refuses("AccessDenied", there)
        try:
            native()
        except Problem as problem:
            refused(problem.answer, "policy_denied")
        else:
            raise AssertionError(f"{action} is denied to S3 alone")
    s3.delete_bucket_policy(Bucket=bucket)
    assert stage.native.get(bucket, "k").content == b"x"


@test
def notifications_are_the_same_at_both_doors(stage):
    bucket, s3 = stage.bucket("same"), stage.s3
    stage.native.notify(bucket, [{"webhookUrl": "https://hooks.example.com/in", "events": ["s3:ObjectCreated:*"], "filters": [{"name": "prefix", "value": "in/"}]}])
    shown = s3.get_bucket_notification_configuration(Bucket=bucket)
    del shown["ResponseMetadata"]
    assert "s3:ObjectCreated:*" in json.dumps(shown) and "in/" in json.dumps(shown), shown
    # S3 has no webhook, so what it sets it clears; it never opens a secret.
    assert "secret" not in json.dumps(shown).lower(), shown
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    assert stage.native.notifications(bucket)["configs"] == []
