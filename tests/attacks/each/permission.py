"""Keys that may do little, and requests that name something else than their path says."""

import hashlib
import base64

from field import attack, expect, put, text

VERSIONED = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"


def scene(field, name):
    """A versioned bucket with a secret of two versions: the bucket and the older version."""
    bucket = field.bucket(name)
    expect(field.admin.ask("PUT", f"/{bucket}", [("versioning", "")], body=VERSIONED), 200)
    older = put(field.admin, f"/{bucket}/secret", b"older secret")
    put(field.admin, f"/{bucket}/secret", b"secret")
    put(field.admin, f"/{bucket}/in/own", b"own")
    return bucket, older


def inside(bucket, *accesses):
    return ",".join(f"op={access}:bucket={bucket}:prefix=in/" for access in accesses)


@attack
def a_copy_reads_its_source_with_the_rights_of_whoever_asks(field):
    bucket, older = scene(field, "permission-copy")
    other = field.bucket("permission-copy-other")
    put(field.admin, f"/{other}/k", b"of another bucket")
    for accesses in (["write"], ["read", "write", "delete"]):
        mallory = field.key(inside(bucket, *accesses))
        with field.unchanged(bucket, other):
            for source in (f"/{bucket}/secret", f"{bucket}/secret", f"/{bucket}/secret?versionId={older}", f"/{bucket}/in/../secret", f"/{bucket}/%73ecret",
                           f"/{bucket}/in%2F..%2Fsecret", f"/{other}/k", f"{bucket}%2Fsecret"):
                answer = mallory.ask("PUT", f"/{bucket}/in/stolen", headers={"x-amz-copy-source": source})
                # What it may not read it learns nothing of; in its own folder it learns that there is no such key.
                own = ".." in source
                assert (answer.status, answer.code) == ((404, "NoSuchKey") if own and "read" in accesses else (403, "AccessDenied")), f"{source}: {answer}"
        upload = text(expect(mallory.ask("POST", f"/{bucket}/in/stolen", [("uploads", "")]), 200), "UploadId")
        with field.unchanged(bucket, other):
            for source in (f"/{bucket}/secret", f"/{bucket}/secret?versionId={older}", f"/{other}/k"):
                query = [("partNumber", "1"), ("uploadId", upload)]
                for headers in ({}, {"x-amz-copy-source-range": "bytes=0-2"}):
                    expect(mallory.ask("PUT", f"/{bucket}/in/stolen", query, {"x-amz-copy-source": source, **headers}), 403, "AccessDenied")
        # Nobody completes, lists or gives up the upload of a key that he may not write.
        with field.unchanged(bucket):
            elsewhere = field.key(f"op=read:bucket={bucket}:prefix=out/,op=write:bucket={bucket}:prefix=out/")
            for method, body in (("GET", b""), ("DELETE", b""), ("POST", b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>")):
                expect(elsewhere.ask(method, f"/{bucket}/in/stolen", [("uploadId", upload)], body=body), 403, "AccessDenied")
                # The upload's id under a key of one's own is no upload.
                expect(elsewhere.ask(method, f"/{bucket}/out/mine", [("uploadId", upload)], body=body), 404, "NoSuchUpload")


@attack
def a_version_is_guarded_like_its_key(field):
    bucket, older = scene(field, "permission-version")
    mallory = field.key(inside(bucket, "read", "write", "delete"))
    writer = field.key(inside(bucket, "write"))
    with field.unchanged(bucket):
        for version in (older, "null"):
            query = [("versionId", version)]
            for method, more in (("GET", []), ("DELETE", []), ("GET", [("tagging", "")]), ("GET", [("acl", "")]), ("GET", [("attributes", "")]),
                                 ("GET", [("retention", "")]), ("GET", [("legal-hold", "")]), ("DELETE", [("tagging", "")])):
                headers = {"x-amz-object-attributes": "ETag"} if more and more[0][0] == "attributes" else {}
                expect(mallory.ask(method, f"/{bucket}/secret", query + more, headers), 403, "AccessDenied")
            expect(mallory.ask("HEAD", f"/{bucket}/secret", query), 403)
        own = text(field.admin.ask("GET", f"/{bucket}", [("versions", ""), ("prefix", "in/")]), "VersionId")
        expect(writer.ask("GET", f"/{bucket}/in/own", [("versionId", own)]), 403, "AccessDenied")
        expect(writer.ask("DELETE", f"/{bucket}/in/own", [("versionId", own)]), 403, "AccessDenied")
        expect(writer.ask("DELETE", f"/{bucket}/in/own"), 403, "AccessDenied")


@attack
def every_key_of_a_batch_is_authorised_on_its_own(field):
    bucket, older = scene(field, "permission-batch")
    deleter, reader = field.key(inside(bucket, "delete")), field.key(inside(bucket, "read"))
    named = [("secret", None), ("secret", older), ("in/../secret", None), ("/secret", None), ("in", None)]
    objects = "".join(f"<Object><Key>{key}</Key>{f'<VersionId>{version}</VersionId>' if version else ''}</Object>" for key, version in named)

    def batch(key, inner, quiet="false"):
        body = f"<Delete><Quiet>{quiet}</Quiet>{inner}</Delete>".encode()
        return expect(key.ask("POST", f"/{bucket}", [("delete", "")], {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}, body), 200)

    secret_before = field.state(bucket)
    answer = batch(reader, objects + "<Object><Key>in/own</Key></Object>").body
    assert answer.count(b"<Code>AccessDenied</Code>") == 6 and b"<Deleted>" not in answer, answer
    assert field.state(bucket) == secret_before
    for quiet in ("true", "false"):
        answer = batch(deleter, objects.replace("<Object><Key>in/../secret</Key></Object>", ""), quiet).body
        assert answer.count(b"<Code>AccessDenied</Code>") == 4 and b"<Deleted>" not in answer, answer
        assert field.state(bucket) == secret_before
    answer = batch(deleter, objects + "<Object><Key>in/own</Key></Object>").body
    assert answer.count(b"<Code>AccessDenied</Code>") == 4 and b"<Key>in/own</Key>" in answer, answer
    assert field.admin.ask("GET", f"/{bucket}/secret").body == b"secret"
    assert field.admin.ask("GET", f"/{bucket}/secret", [("versionId", older)]).body == b"older secret"
    expect(field.admin.ask("GET", f"/{bucket}/in/own"), 404, "NoSuchKey")


@attack
def a_form_writes_only_what_its_key_may_write(field):
    bucket, _ = scene(field, "permission-form")
    writer, reader = field.key(inside(bucket, "write")), field.key(inside(bucket, "read"))
    with field.unchanged(bucket):
        for key, conditions, name in [(writer, [["starts-with", "$key", ""]], "secret"), (reader, [["starts-with", "$key", ""]], "in/k"),
                                      (writer, [{"key": "secret"}], "secret"), (writer, [["starts-with", "$key", "in/"]], "secret"),
                                      (writer, [["starts-with", "$key", ""]], "${filename}"), (writer, [["starts-with", "$key", "in/"]], "other/k")]:
            expect(key.form(bucket, conditions, {"key": name}, b"evil"), 403, "AccessDenied")
        # A field that the policy does not allow; a policy that is over; a form for another bucket.
        expect(writer.form(bucket, [["starts-with", "$key", "in/"]], {"key": "in/k", "x-amz-meta-a": "b"}, b"evil"), 403, "AccessDenied")
        expect(writer.form(bucket, [["starts-with", "$key", "in/"]], {"key": "in/k", "acl": "public-read"}, b"evil"), 403, "AccessDenied")
        expect(writer.form(bucket, [["starts-with", "$key", "in/"]], {"key": "in/k"}, b"evil", ago_s=3600), 403, "AccessDenied")
        expect(writer.form("permission-copy", [["starts-with", "$key", "in/"]], {"key": "in/k"}, b"evil"), 403, "AccessDenied")
        expect(writer.form(bucket, [["starts-with", "$key", "in/"], ["content-length-range", 0, 3]], {"key": "in/k"}, b"evil"), 400, "EntityTooLarge")
    expect(writer.form(bucket, [["starts-with", "$key", "in/"]], {"key": "in/k"}, b"allowed"), 204)
    assert field.admin.ask("GET", f"/{bucket}/in/k").body == b"allowed"


@attack
def a_writer_is_no_administrator(field):
    """Headers of a write, and configurations, that need more than writing."""
    bucket, _ = scene(field, "permission-admin")
    writer = field.key(f"op=read:bucket={bucket},op=write:bucket={bucket},op=delete:bucket={bucket}")
    with field.unchanged(bucket):
        for headers in ({"x-amz-acl": "public-read"}, {"x-amz-grant-read": 'uri="http://acs.amazonaws.com/groups/global/AllUsers"'},
                        {"x-amz-object-lock-legal-hold": "ON"}, {"x-amz-object-lock-mode": "GOVERNANCE", "x-amz-object-lock-retain-until-date": "2099-01-01T00:00:00Z"}):
            expect(writer.ask("PUT", f"/{bucket}/k", headers=headers, body=b"x"), 403, "AccessDenied")
        for setting in ("policy", "acl", "lifecycle", "versioning", "publicAccessBlock", "ownershipControls", "object-lock", "encryption", "cors", "logging", "notification", "tagging"):
            expect(writer.ask("PUT", f"/{bucket}", [(setting, "")], body=b"<x/>"), 403, "AccessDenied")
        for setting in ("policy", "lifecycle", "publicAccessBlock", "ownershipControls", "encryption", "cors", "tagging"):
            expect(writer.ask("DELETE", f"/{bucket}", [(setting, "")]), 403, "AccessDenied")
        expect(writer.ask("PUT", f"/{bucket}/in/own", [("acl", "")], {"x-amz-acl": "public-read"}), 403, "AccessDenied")
        expect(writer.ask("PUT", "/permission-admin-new"), 403, "AccessDenied")
        expect(writer.ask("DELETE", f"/{bucket}"), 403, "AccessDenied")
