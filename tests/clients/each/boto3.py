"""boto3 as Python programs use it: nothing set but endpoint, credentials and region."""

import datetime
import filecmp
import urllib.request

from kit import client, same_bytes, status


def connect(case, **config):
    """A client as it is by default; a round that needs a setting says so."""
    import boto3 as sdk
    from botocore.config import Config
    return sdk.client("s3", endpoint_url=case.endpoint, aws_access_key_id=case.key, aws_secret_access_key=case.secret,
                      region_name="us-east-1", config=Config(**config) if config else None)


def refused(code, call, **arguments):
    """Expects that a call is refused with this code; the whole answer."""
    from botocore.exceptions import ClientError
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["Error"]["Code"]
        assert got == code, f"{call.__name__} was refused with {got}, not {code}"
        return error.response
    raise AssertionError(f"{call.__name__} was not refused with {code}")


@client
def boto3(case):
    s3 = connect(case)
    s3.create_bucket(Bucket=case.bucket)
    put = s3.put_object(Bucket=case.bucket, Key="a/ü b", Body=b"hello", Metadata={"color": "blue"}, ContentType="text/x")
    got = s3.get_object(Bucket=case.bucket, Key="a/ü b")
    assert got["Body"].read() == b"hello" and got["Metadata"] == {"color": "blue"} and got["ContentType"] == "text/x"
    assert got["ETag"] == put["ETag"] and got["ChecksumCRC32"] == put["ChecksumCRC32"]
    s3.upload_file(str(case.big), case.bucket, "big")
    assert s3.head_object(Bucket=case.bucket, Key="big")["ContentLength"] == case.big.stat().st_size
    s3.download_file(case.bucket, "big", str(case.folder / "big"))
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    s3.copy({"Bucket": case.bucket, "Key": "big"}, case.bucket, "copied in parts")
    same_bytes(s3.get_object(Bucket=case.bucket, Key="copied in parts")["Body"].read(), case.big.read_bytes(), "copied in parts")
    keys = [f"many/{index:04}" for index in range(1100)]
    for key in keys:
        s3.put_object(Bucket=case.bucket, Key=key, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=case.bucket, Prefix="many/")
    assert [entry["Key"] for page in pages for entry in page["Contents"]] == keys
    groups = s3.list_objects_v2(Bucket=case.bucket, Delimiter="/")["CommonPrefixes"]
    assert [group["Prefix"] for group in groups] == ["a/", "many/"]
    deleted = s3.delete_objects(Bucket=case.bucket, Delete={"Objects": [{"Key": key} for key in keys[:1000]]})
    assert len(deleted["Deleted"]) == 1000 and not deleted.get("Errors")
    assert s3.list_objects_v2(Bucket=case.bucket, Prefix="many/")["KeyCount"] == 100


@client
def boto3_conditions(case):
    s3, bucket = connect(case), case.bucket
    s3.create_bucket(Bucket=bucket)
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"first", IfNoneMatch="*")["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"other", IfNoneMatch="*")
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"second", IfMatch=first)["ETag"]
    refused("PreconditionFailed", s3.put_object, Bucket=bucket, Key="k", Body=b"third", IfMatch=first)
    refused("NoSuchKey", s3.put_object, Bucket=bucket, Key="none", Body=b"x", IfMatch=first)
    refused("304", s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=second)
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfMatch=first)
    later = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
    refused("PreconditionFailed", s3.get_object, Bucket=bucket, Key="k", IfUnmodifiedSince=later - datetime.timedelta(days=2))
    refused("PreconditionFailed", s3.copy_object, Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", CopySourceIfMatch=first)
    s3.copy_object(Bucket=bucket, Key="copy", CopySource=f"{bucket}/k", CopySourceIfMatch=second)
    refused("PreconditionFailed", s3.delete_object, Bucket=bucket, Key="k", IfMatch=first)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second"
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    tag = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"parts")["ETag"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": tag}]}
    refused("PreconditionFailed", s3.complete_multipart_upload, Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts, IfNoneMatch="*")
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload, MultipartUpload=parts, IfMatch=second)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"parts"
    s3.delete_object(Bucket=bucket, Key="copy", IfMatch=second)
    refused("404", s3.head_object, Bucket=bucket, Key="copy")


@client
def boto3_presign(case):
    """With the default configuration this SDK presigns with Signature Version 2, forms too."""
    default, version_4 = connect(case), connect(case, signature_version="s3v4")
    default.create_bucket(Bucket=case.bucket)
    for name, s3 in [("by default", default), ("version 4", version_4)]:
        at = {"Bucket": case.bucket, "Key": f"{name}/a+b ü"}
        status(s3.generate_presigned_url("put_object", Params=at), 200, "PUT", b"by an address")
        assert default.get_object(**at)["Body"].read() == b"by an address"
        url = s3.generate_presigned_url("get_object", Params=at | {"ResponseContentType": "text/x"})
        with urllib.request.urlopen(url) as answer:
            assert answer.read() == b"by an address" and answer.headers["Content-Type"] == "text/x"
        status(url, 403, "DELETE")
        status(url.replace("text%2Fx", "text%2Fy"), 403)
        status(url.replace("a%2Bb", "a%2Bc"), 403)
        listed = status(s3.generate_presigned_url("list_objects_v2", Params={"Bucket": case.bucket, "Prefix": name}), 200)
        assert listed.count(b"<Key>") == 1, listed
        status(s3.generate_presigned_url("delete_object", Params=at), 204, "DELETE")
        refused("404", default.head_object, **at)
    for name, s3 in [("by default", default), ("version 4", version_4)]:
        post(case, s3, f"form {name}")


def post(case, s3, key):
    import urllib3
    form = s3.generate_presigned_post(case.bucket, key, Fields={"x-amz-meta-color": "blue"},
                                      Conditions=[{"x-amz-meta-color": "blue"}, ["content-length-range", 1, 10]], ExpiresIn=60)
    for body, expected in [(b"x" * 11, 400), (b"in a form", 204)]:
        answer = urllib3.PoolManager().request("POST", form["url"], fields={**form["fields"], "file": ("name", body)})
        assert answer.status == expected, f"a form with {len(body)} bytes: {answer.status} {answer.data[:400]}"
        if expected == 400:
            assert b"EntityTooLarge" in answer.data, answer.data
            refused("404", s3.head_object, Bucket=case.bucket, Key=key)
    got = s3.get_object(Bucket=case.bucket, Key=key)
    assert got["Body"].read() == b"in a form" and got["Metadata"] == {"color": "blue"}
    other = {**form["fields"], "key": "another key", "file": ("name", b"in a form")}
    answer = urllib3.PoolManager().request("POST", form["url"], fields=other)
    assert answer.status == 403, f"a form for another key: {answer.status}"
    refused("404", s3.head_object, Bucket=case.bucket, Key="another key")


@client
def boto3_versions(case):
    s3, at = connect(case), {"Bucket": case.bucket, "Key": "k"}
    s3.create_bucket(Bucket=case.bucket)
    assert "VersionId" not in s3.put_object(**at, Body=b"before")
    s3.put_bucket_versioning(Bucket=case.bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.get_bucket_versioning(Bucket=case.bucket)["Status"] == "Enabled"
    ids = [s3.put_object(**at, Body=body)["VersionId"] for body in (b"one", b"two")]
    marker = s3.delete_object(**at)
    assert marker["DeleteMarker"] and marker["VersionId"] not in ids
    refused("NoSuchKey", s3.get_object, **at)
    listed = s3.list_object_versions(Bucket=case.bucket)
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["Versions"]] == [(ids[1], False), (ids[0], False), ("null", False)]
    assert [(entry["VersionId"], entry["IsLatest"]) for entry in listed["DeleteMarkers"]] == [(marker["VersionId"], True)]
    bodies = [s3.get_object(**at, VersionId=version)["Body"].read() for version in [*ids, "null"]]
    assert bodies == [b"one", b"two", b"before"], bodies
    s3.delete_object(**at, VersionId=marker["VersionId"])
    assert s3.get_object(**at)["VersionId"] == ids[1]
    s3.copy_object(**at, CopySource={**at, "VersionId": ids[0]})
    assert s3.get_object(**at)["Body"].read() == b"one"
    s3.put_bucket_versioning(Bucket=case.bucket, VersioningConfiguration={"Status": "Suspended"})
    s3.put_object(**at, Body=b"null again")
    assert s3.get_object(**at, VersionId="null")["Body"].read() == b"null again"
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=case.bucket, PaginationConfig={"PageSize": 2})
    everything = [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for page in pages for entry in page["Versions"]]
    assert len(everything) == 4, everything
    assert not s3.delete_objects(Bucket=case.bucket, Delete={"Objects": everything}).get("Errors")
    s3.delete_bucket(Bucket=case.bucket)


@client
def boto3_acl(case):
    s3, bucket = connect(case), case.bucket
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    owner = s3.list_buckets()["Owner"]["ID"]
    for acl in (s3.get_bucket_acl(Bucket=bucket), s3.get_object_acl(Bucket=bucket, Key="k")):
        assert acl["Owner"]["ID"] == owner, acl
        assert [(grant["Grantee"]["ID"], grant["Permission"]) for grant in acl["Grants"]] == [(owner, "FULL_CONTROL")], acl
    # Lists are off in a new bucket, until its ownership controls say otherwise.
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    refused("AccessControlListNotSupported", s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]})
    # Public access is blocked as long as the block is there.
    refused("AccessDenied", s3.put_object_acl, Bucket=bucket, Key="k", ACL="public-read")
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="public-read")
    grants = s3.get_object_acl(Bucket=bucket, Key="k")["Grants"]
    assert {(grant["Grantee"].get("URI"), grant["Permission"]) for grant in grants} == {
        (None, "FULL_CONTROL"), ("http://acs.amazonaws.com/groups/global/AllUsers", "READ")}, grants


@client
def boto3_tags(case):
    s3, at = connect(case), {"Bucket": case.bucket, "Key": "k"}
    s3.create_bucket(Bucket=case.bucket)
    s3.put_object(**at, Body=b"", Tagging="team=a%2Bb&empty=")
    assert s3.get_object_tagging(**at)["TagSet"] == [{"Key": "empty", "Value": ""}, {"Key": "team", "Value": "a+b"}]
    s3.put_object_tagging(**at, Tagging={"TagSet": [{"Key": "ü", "Value": "+ /"}]})
    assert s3.get_object_tagging(**at)["TagSet"] == [{"Key": "ü", "Value": "+ /"}]
    s3.copy_object(Bucket=case.bucket, Key="copy", CopySource=at)
    assert s3.get_object_tagging(Bucket=case.bucket, Key="copy")["TagSet"] == [{"Key": "ü", "Value": "+ /"}]
    s3.delete_object_tagging(**at)
    assert s3.get_object_tagging(**at)["TagSet"] == []
    s3.put_bucket_tagging(Bucket=case.bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    assert s3.get_bucket_tagging(Bucket=case.bucket)["TagSet"] == [{"Key": "a", "Value": "b"}]
    s3.delete_bucket_tagging(Bucket=case.bucket)
    refused("NoSuchTagSet", s3.get_bucket_tagging, Bucket=case.bucket)
