"""Object Lock through boto3: the default rule, governance with and without the bypass, compliance, legal hold."""

import datetime

from each.boto3 import connect, refused
from kit import client


def in_days(days):
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=days)


@client
def boto3_lock(case):
    s3, bucket = connect(case), case.bucket
    s3.create_bucket(Bucket=bucket, ObjectLockEnabledForBucket=True)
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    rule = {"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}}
    s3.put_object_lock_configuration(Bucket=bucket, ObjectLockConfiguration=rule)
    assert s3.get_object_lock_configuration(Bucket=bucket)["ObjectLockConfiguration"] == rule
    governance(s3, {"Bucket": bucket, "Key": "governance"})
    compliance(s3, {"Bucket": bucket, "Key": "compliance"})
    legal_hold(s3, {"Bucket": bucket, "Key": "hold"})


def governance(s3, at):
    version = s3.put_object(**at, Body=b"kept")["VersionId"]
    kept = s3.get_object_retention(**at, VersionId=version)["Retention"]
    assert kept["Mode"] == "GOVERNANCE" and abs((kept["RetainUntilDate"] - in_days(1)).total_seconds()) < 60, kept
    head = s3.head_object(**at)
    assert head["ObjectLockMode"] == "GOVERNANCE" and head["ObjectLockRetainUntilDate"] == kept["RetainUntilDate"]
    refused("AccessDenied", s3.delete_object, **at, VersionId=version)
    refused("AccessDenied", s3.put_object_retention, **at, VersionId=version, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(0.5)})
    s3.put_object_retention(**at, VersionId=version, Retention={"Mode": "GOVERNANCE", "RetainUntilDate": in_days(2)})
    # A delete without a version is a marker, and the version stays.
    marker = s3.delete_object(**at)["VersionId"]
    assert s3.get_object(**at, VersionId=version)["Body"].read() == b"kept"
    s3.delete_object(**at, VersionId=marker)
    s3.delete_object(**at, VersionId=version, BypassGovernanceRetention=True)
    refused("NoSuchVersion", s3.get_object, **at, VersionId=version)


def compliance(s3, at):
    until = in_days(3)
    version = s3.put_object(**at, Body=b"kept", ObjectLockMode="COMPLIANCE", ObjectLockRetainUntilDate=until)["VersionId"]
    one = at | {"VersionId": version}
    refused("AccessDenied", s3.delete_object, **one, BypassGovernanceRetention=True)
    for retention in ({"Mode": "COMPLIANCE", "RetainUntilDate": in_days(2)}, {"Mode": "GOVERNANCE", "RetainUntilDate": in_days(5)}):
        refused("AccessDenied", s3.put_object_retention, **one, Retention=retention, BypassGovernanceRetention=True)
    assert s3.get_object_retention(**one)["Retention"] == {"Mode": "COMPLIANCE", "RetainUntilDate": until}
    s3.put_object_retention(**one, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": in_days(4)})
    denied = s3.delete_objects(Bucket=at["Bucket"], Delete={"Objects": [{"Key": at["Key"], "VersionId": version}]}, BypassGovernanceRetention=True)
    assert [error["Code"] for error in denied["Errors"]] == ["AccessDenied"], denied
    assert s3.get_object(**one)["Body"].read() == b"kept"


def legal_hold(s3, at):
    version = s3.put_object(**at, Body=b"kept", ObjectLockLegalHoldStatus="ON")["VersionId"]
    one = at | {"VersionId": version}
    assert s3.get_object_legal_hold(**one)["LegalHold"] == {"Status": "ON"}
    refused("AccessDenied", s3.delete_object, **one, BypassGovernanceRetention=True)
    s3.put_object_legal_hold(**one, LegalHold={"Status": "OFF"})
    s3.delete_object(**one, BypassGovernanceRetention=True)
    assert not s3.list_object_versions(Bucket=at["Bucket"], Prefix=at["Key"]).get("Versions")
