"""minio-py: it asks for a bucket's region first, signs over plain HTTP with signed chunks, and deletes in batches."""

import datetime
import filecmp
import io

from kit import client, same_bytes, same_files, status


def connect(case):
    import minio as sdk
    return sdk.Minio(case.endpoint.removeprefix("http://"), access_key=case.key, secret_key=case.secret, secure=False)


@client
def minio_py(case):
    from minio.commonconfig import ComposeSource, CopySource
    from minio.deleteobjects import DeleteObject
    s3, bucket = connect(case), case.bucket
    s3.make_bucket(bucket)
    assert s3.bucket_exists(bucket) and not s3.bucket_exists("clients-none")
    paths = [path for path in sorted(case.tree.rglob("*")) if path.is_file()]
    for path in paths:
        s3.fput_object(bucket, f"tree/{path.relative_to(case.tree)}", str(path))
    names = [entry.object_name for entry in s3.list_objects(bucket, prefix="tree/", recursive=True)]
    assert sorted(names) == sorted(f"tree/{path.relative_to(case.tree)}" for path in paths), f"{len(names)} listed of {len(paths)}"
    for name in names:
        s3.fget_object(bucket, name, str(case.folder / "back" / name.removeprefix("tree/")))
    same_files(case.tree, case.folder / "back")
    s3.fput_object(bucket, "big", str(case.big), part_size=5 << 20, metadata={"color": "blue"})
    s3.fget_object(bucket, "big", str(case.folder / "big"))
    assert filecmp.cmp(case.big, case.folder / "big", shallow=False)
    stat = s3.stat_object(bucket, "big")
    assert stat.size == case.big.stat().st_size and stat.metadata["x-amz-meta-color"] == "blue", stat
    content = case.big.read_bytes()
    s3.put_object(bucket, "stream", io.BytesIO(content), -1, part_size=5 << 20)
    s3.copy_object(bucket, "copy", CopySource(bucket, "big", offset=3, length=6 << 20))
    s3.compose_object(bucket, "composed", [ComposeSource(bucket, "copy"), ComposeSource(bucket, "stream")])
    for name, expected in [("stream", content), ("composed", content[3 : 3 + (6 << 20)] + content)]:
        with s3.get_object(bucket, name) as answer:
            same_bytes(answer.read(), expected, name)
    s3.put_object(bucket, "half", io.BytesIO(b"0123456789"), 10)
    with s3.get_object(bucket, "half", offset=3, length=4) as answer:
        assert answer.read() == b"3456"
    assert not list(s3.remove_objects(bucket, [DeleteObject(entry.object_name) for entry in s3.list_objects(bucket, recursive=True)]))
    s3.remove_bucket(bucket)
    assert not s3.bucket_exists(bucket)


@client
def minio_py_addresses(case):
    import urllib3
    from minio.datatypes import PostPolicy
    s3, bucket = connect(case), case.bucket
    s3.make_bucket(bucket)
    status(s3.presigned_put_object(bucket, "a b", expires=datetime.timedelta(minutes=5)), 200, "PUT", b"by an address")
    url = s3.presigned_get_object(bucket, "a b")
    assert status(url, 200) == b"by an address"
    status(url.replace("a%20b", "a%20c"), 403)
    policy = PostPolicy(bucket, datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=5))
    policy.add_starts_with_condition("key", "in/")
    policy.add_content_length_range_condition(1, 100)
    form = s3.presigned_post_policy(policy)
    for key, expected in [("out/k", 403), ("in/k", 204)]:
        answer = urllib3.PoolManager().request("POST", f"{case.endpoint}/{bucket}", fields={**form, "key": key, "file": ("f", b"in a form")})
        assert answer.status == expected, f"form for {key}: {answer.status} {answer.data[:400]}"
    assert [entry.object_name for entry in s3.list_objects(bucket, recursive=True)] == ["a b", "in/k"]


@client
def minio_py_settings(case):
    import json
    from minio.commonconfig import COMPLIANCE, ENABLED, GOVERNANCE, Filter, Tags
    from minio.error import S3Error
    from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule
    from minio.objectlockconfig import DAYS, ObjectLockConfig
    from minio.retention import Retention
    from minio.sseconfig import Rule as SseRule, SSEConfig
    from minio.versioningconfig import VersioningConfig
    s3, bucket = connect(case), case.bucket
    s3.make_bucket(bucket, object_lock=True)
    s3.set_bucket_versioning(bucket, VersioningConfig(ENABLED))
    tags = Tags.new_object_tags()
    tags["team"] = "a b"
    made = s3.put_object(bucket, "k", io.BytesIO(b"kept"), 4, tags=tags)
    assert s3.get_object_tags(bucket, "k") == tags
    s3.delete_object_tags(bucket, "k")
    assert not s3.get_object_tags(bucket, "k")
    bucket_tags = Tags.new_bucket_tags()
    bucket_tags["team"] = "b"
    s3.set_bucket_tags(bucket, bucket_tags)
    assert s3.get_bucket_tags(bucket) == bucket_tags
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"],
                                                       "Resource": [f"arn:aws:s3:::{bucket}/secret/*"]}]}
    s3.set_bucket_policy(bucket, json.dumps(policy))
    assert json.loads(s3.get_bucket_policy(bucket)) == policy
    s3.put_object(bucket, "secret/k", io.BytesIO(b"x"), 1)
    try:
        s3.get_object(bucket, "secret/k")
        raise AssertionError("the policy denied nothing")
    except S3Error as error:
        assert error.code == "AccessDenied", error
    s3.delete_bucket_policy(bucket)
    s3.set_bucket_lifecycle(bucket, LifecycleConfig([Rule(ENABLED, rule_filter=Filter(prefix="logs/"), rule_id="r", expiration=Expiration(days=30))]))
    rule = s3.get_bucket_lifecycle(bucket).rules[0]
    assert (rule.rule_id, rule.rule_filter.prefix, rule.expiration.days) == ("r", "logs/", 30)
    s3.delete_bucket_lifecycle(bucket)
    s3.set_bucket_encryption(bucket, SSEConfig(SseRule.new_sse_s3_rule()))
    assert s3.get_bucket_encryption(bucket).rule.sse_algorithm == "AES256"
    s3.set_object_lock_config(bucket, ObjectLockConfig(GOVERNANCE, 1, DAYS))
    assert s3.get_object_lock_config(bucket).mode == GOVERNANCE
    until = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) + datetime.timedelta(days=1)
    s3.set_object_retention(bucket, "k", Retention(COMPLIANCE, until))
    assert s3.get_object_retention(bucket, "k").retain_until_date == until
    s3.enable_object_legal_hold(bucket, "k")
    assert s3.is_object_legal_hold_enabled(bucket, "k")
    s3.disable_object_legal_hold(bucket, "k")
    try:
        s3.remove_object(bucket, "k", version_id=made.version_id)
        raise AssertionError("a locked version was removed")
    except S3Error as error:
        assert error.code == "AccessDenied", error
