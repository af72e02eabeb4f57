"""Locked versions, and everyone who would like them gone: a user without the right, the tenant's administrator, lifecycle, writers."""

import base64
import datetime
import hashlib
import time

from field import attack, expect, put, text

# A day of lifecycle rules takes a second here. Retention is judged by the real clock.
SHORT_DAYS = {"lifecycle.day_seconds": 1}


def in_days(days):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


def retention(mode, days):
    return f"<Retention><Mode>{mode}</Mode><RetainUntilDate>{in_days(days)}</RetainUntilDate></Retention>".encode()


def locked(mode, days=10):
    return {"x-amz-object-lock-mode": mode, "x-amz-object-lock-retain-until-date": in_days(days)}


HELD = {"x-amz-object-lock-legal-hold": "ON"}
BYPASS = {"x-amz-bypass-governance-retention": "true"}


class Safe:
    """A bucket with locks and four versions that nobody may remove: what they hold is compared, not only that they are there."""

    def __init__(self, field, name):
        self.field, self.bucket = field, field.bucket(name, {"x-amz-bucket-object-lock-enabled": "true"})
        self.versions = {}
        for key, headers in (("governance", locked("GOVERNANCE")), ("compliance", locked("COMPLIANCE")), ("held", HELD), ("both", locked("COMPLIANCE") | HELD)):
            self.versions[key] = put(field.admin, f"/{self.bucket}/{key}", f"kept by {key}".encode(), headers)
        self.before = {key: self.told(key) for key in self.versions}

    def told(self, key):
        named = [("versionId", self.versions[key])]
        answer = expect(self.field.admin.ask("GET", f"/{self.bucket}/{key}", named), 200)
        return answer.body, {name: value for name, value in answer.headers.items() if "lock" in name or name in ("etag", "last-modified")}

    def intact(self):
        for key, was in self.before.items():
            now = self.told(key)
            assert now == was, f"{key}: {was} became {now}"
            assert now[0] == f"kept by {key}".encode() and len(now[1]) >= 3, now


@attack
def no_permission_no_bypass(field):
    """Governance ends for whoever may bypass it: not for a user who may read, write and delete everything."""
    safe = Safe(field, "locks-user")
    bucket = safe.bucket
    user = field.key(f"op=read:bucket={bucket},op=write:bucket={bucket},op=delete:bucket={bucket}")
    with field.unchanged(bucket):
        for key, version in safe.versions.items():
            named = [("versionId", version)]
            for headers in ({}, BYPASS):
                expect(user.ask("DELETE", f"/{bucket}/{key}", named, headers), 403, "AccessDenied")
                for mode, days in (("GOVERNANCE", 1), ("COMPLIANCE", 1), ("GOVERNANCE", 100)):
                    expect(user.ask("PUT", f"/{bucket}/{key}", [("retention", ""), *named], headers, retention(mode, days)), 403, "AccessDenied")
                expect(user.ask("PUT", f"/{bucket}/{key}", [("retention", ""), *named], headers, b"<Retention/>"), 403, "AccessDenied")
            expect(user.ask("PUT", f"/{bucket}/{key}", [("legal-hold", ""), *named], body=b"<LegalHold><Status>OFF</Status></LegalHold>"), 403, "AccessDenied")
            body = f"<Delete><Object><Key>{key}</Key><VersionId>{version}</VersionId></Object></Delete>".encode()
            digest = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
            # A batch that is to bypass is refused as a whole, or for each of its versions.
            answer = user.ask("POST", f"/{bucket}", [("delete", "")], digest | BYPASS, body)
            assert answer.status in (200, 403) and answer.code == "AccessDenied" and b"<Deleted>" not in answer.body, str(answer)
            assert b"<Code>AccessDenied</Code>" in user.ask("POST", f"/{bucket}", [("delete", "")], digest, body).body
        expect(user.ask("PUT", f"/{bucket}", [("object-lock", "")], body=b"<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>"), 403, "AccessDenied")
    safe.intact()


@attack
def the_tenants_administrator_cannot_shorten_compliance(field):
    safe = Safe(field, "locks-administrator")
    bucket, admin = safe.bucket, field.admin
    with field.unchanged(bucket):
        for key in ("compliance", "both"):
            named = [("versionId", safe.versions[key])]
            for headers in ({}, BYPASS):
                expect(admin.ask("DELETE", f"/{bucket}/{key}", named, headers), 403, "AccessDenied")
                for mode, days in (("COMPLIANCE", 1), ("GOVERNANCE", 1), ("GOVERNANCE", 100)):
                    expect(admin.ask("PUT", f"/{bucket}/{key}", [("retention", ""), *named], headers, retention(mode, days)), 403, "AccessDenied")
                answer = admin.ask("PUT", f"/{bucket}/{key}", [("retention", ""), *named], headers, b"<Retention/>")
                assert (answer.status, answer.code) in ((403, "AccessDenied"), (400, "MalformedXML")), str(answer)
        for key, headers in (("governance", {}), ("held", BYPASS), ("both", BYPASS)):
            expect(admin.ask("DELETE", f"/{bucket}/{key}", [("versionId", safe.versions[key])], headers), 403, "AccessDenied")
        expect(admin.ask("PUT", f"/{bucket}/governance", [("retention", ""), ("versionId", safe.versions["governance"])], body=retention("GOVERNANCE", 1)), 403, "AccessDenied")
        body = "".join(f"<Object><Key>{key}</Key><VersionId>{version}</VersionId></Object>" for key, version in safe.versions.items() if key != "governance")
        body = f"<Delete>{body}</Delete>".encode()
        digest = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
        answer = expect(admin.ask("POST", f"/{bucket}", [("delete", "")], digest | BYPASS, body), 200).body
        assert answer.count(b"<Code>AccessDenied</Code>") == 3 and b"<Deleted>" not in answer, answer
        # Nor is the bucket taken from under them.
        expect(admin.ask("DELETE", f"/{bucket}"), 409, "BucketNotEmpty")
        for status in ("Suspended", "Disabled"):
            body = f"<VersioningConfiguration><Status>{status}</Status></VersioningConfiguration>".encode()
            answer = admin.ask("PUT", f"/{bucket}", [("versioning", "")], body=body)
            assert (answer.status, answer.code) in ((409, "InvalidBucketState"), (400, "MalformedXML")), str(answer)
        for body in (b"<ObjectLockConfiguration/>", b"<ObjectLockConfiguration><ObjectLockEnabled>Disabled</ObjectLockEnabled></ObjectLockConfiguration>"):
            answer = admin.ask("PUT", f"/{bucket}", [("object-lock", "")], body=body)
            assert answer.status in (400, 409), str(answer)
        answer = admin.ask("DELETE", f"/{bucket}", [("object-lock", "")])
        assert answer.status in (400, 405, 501), str(answer)
        # A lock that is over before it begins is none, and is not taken for one.
        expect(admin.ask("PUT", f"/{bucket}/past", headers=locked("COMPLIANCE", -1), body=b"x"), 400, "InvalidArgument")
    safe.intact()
    # Longer is allowed, and a governed version goes with the bypass and the right to it.
    expect(admin.ask("PUT", f"/{bucket}/compliance", [("retention", ""), ("versionId", safe.versions["compliance"])], body=retention("COMPLIANCE", 20)), 200)
    expect(admin.ask("DELETE", f"/{bucket}/governance", [("versionId", safe.versions["governance"])], BYPASS), 204)


@attack
def writing_over_a_locked_version_leaves_it(field):
    """Overwrite, copy, multipart upload, form and delete add versions; the locked ones stay as they are."""
    safe = Safe(field, "locks-writers")
    bucket, admin = safe.bucket, field.admin
    for key in safe.versions:
        put(admin, f"/{bucket}/{key}", b"written over")
        safe.intact()
        put(admin, f"/{bucket}/source", b"copied over")
        expect(admin.ask("PUT", f"/{bucket}/{key}", headers={"x-amz-copy-source": f"/{bucket}/source"}), 200)
        # A copy onto itself is how metadata is replaced.
        expect(admin.ask("PUT", f"/{bucket}/{key}", headers={"x-amz-copy-source": f"/{bucket}/{key}", "x-amz-metadata-directive": "REPLACE", "x-amz-meta-a": "b"}), 200)
        safe.intact()
        upload = text(expect(admin.ask("POST", f"/{bucket}/{key}", [("uploads", "")]), 200), "UploadId")
        etag = expect(admin.ask("PUT", f"/{bucket}/{key}", [("partNumber", "1"), ("uploadId", upload)], body=b"in parts"), 200).headers["etag"]
        done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>".encode()
        expect(admin.ask("POST", f"/{bucket}/{key}", [("uploadId", upload)], body=done), 200)
        safe.intact()
        expect(admin.form(bucket, [["starts-with", "$key", ""]], {"key": key}, b"in a form"), 204)
        safe.intact()
        expect(admin.ask("DELETE", f"/{bucket}/{key}"), 204)
        expect(admin.ask("GET", f"/{bucket}/{key}"), 404, "NoSuchKey")
        safe.intact()


@attack(settings=SHORT_DAYS)
def lifecycle_removes_no_locked_version(field):
    """Beside each locked version lies one without a lock: when that is gone, the rule has worked, and the locked one is still there."""
    safe = Safe(field, "locks-lifecycle")
    bucket, admin = safe.bucket, field.admin
    free = put(admin, f"/{bucket}/free", b"not locked")
    for key in (*safe.versions, "free"):
        put(admin, f"/{bucket}/{key}", b"newer, not locked")
    rule = (b"<LifecycleConfiguration><Rule><ID>all</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status><Expiration><Days>1</Days></Expiration>"
            b"<NoncurrentVersionExpiration><NoncurrentDays>1</NoncurrentDays></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>")
    digest = {"content-md5": base64.b64encode(hashlib.md5(rule).digest()).decode()}
    expect(admin.ask("PUT", f"/{bucket}", [("lifecycle", "")], digest, rule), 200)
    deadline = time.monotonic() + 60

    def versions():
        return expect(admin.ask("GET", f"/{bucket}", [("versions", "")]), 200).body
    while (left := versions()).count(b"<Version>") > len(safe.versions) or free.encode() in left:
        safe.intact()
        assert time.monotonic() < deadline, f"the rule removed nothing in a minute: {left}"
        time.sleep(0.5)
    # And some rounds more, because what is not removed now might be later.
    time.sleep(5)
    safe.intact()
    assert versions().count(b"<Version>") == len(safe.versions)
