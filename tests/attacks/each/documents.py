"""Documents made to hurt their reader: entities, depth, size, numbers of elements, heads without end."""

import base64
import hashlib
import time

from field import attack, expect, put, text
from wire import UNSIGNED, send

BOMB = (b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "' + b"x" * 1_000 + b'">'
        + b"".join(b'<!ENTITY a%d "%s">' % (level, b"&a%s;" % (b"" if level == 1 else b"%d" % (level - 1)) * 10) for level in range(1, 10)) + b"]>")
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>'
# Where a document is read: method, query, root, and how an element goes on to a text.
READERS = [
    ("POST", [("delete", "")], "Delete", "<Object><Key>{}</Key></Object>"),
    ("PUT", [("tagging", "")], "Tagging", "<TagSet><Tag><Key>{}</Key><Value>v</Value></Tag></TagSet>"),
    ("PUT", [("versioning", "")], "VersioningConfiguration", "<Status>{}</Status>"),
    ("PUT", [("lifecycle", "")], "LifecycleConfiguration", "<Rule><ID>{}</ID></Rule>"),
    ("PUT", [("cors", "")], "CORSConfiguration", "<CORSRule><AllowedOrigin>{}</AllowedOrigin></CORSRule>"),
    ("PUT", [("acl", "")], "AccessControlPolicy", "<Owner><ID>{}</ID></Owner>"),
    ("PUT", [("encryption", "")], "ServerSideEncryptionConfiguration", "<Rule>{}</Rule>"),
    ("PUT", [("publicAccessBlock", "")], "PublicAccessBlockConfiguration", "<BlockPublicAcls>{}</BlockPublicAcls>"),
    ("PUT", [("ownershipControls", "")], "OwnershipControls", "<Rule><ObjectOwnership>{}</ObjectOwnership></Rule>"),
    ("PUT", [("object-lock", "")], "ObjectLockConfiguration", "<ObjectLockEnabled>{}</ObjectLockEnabled>"),
    ("PUT", [("notification", "")], "NotificationConfiguration", "<QueueConfiguration><Id>{}</Id></QueueConfiguration>"),
    ("PUT", [("logging", "")], "BucketLoggingStatus", "<LoggingEnabled><TargetPrefix>{}</TargetPrefix></LoggingEnabled>"),
    ("PUT", [], "CreateBucketConfiguration", "<LocationConstraint>{}</LocationConstraint>"),
]


def versioned(field, name):
    """Where even a lock can be configured."""
    body = b"<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"
    expect(field.admin.ask("PUT", f"/{field.bucket(name)}", [("versioning", "")], body=body), 200)
    return name


def ask(field, method, path, query, body, **more):
    digest = {"content-md5": base64.b64encode(hashlib.md5(body).digest()).decode()}
    began = time.monotonic()
    answer = field.admin.ask(method, path, query, digest, body, **more)
    took = time.monotonic() - began
    assert took < 10, f"{path} {query} took {took:.1f} s"
    return answer


def all_refused(answers, *codes):
    """One reader that is wrong hides no other."""
    wrong = {f"{root}: {answer and (answer.status, answer.code)} for {body!r}" for root, body, answer in answers
             if answer is None or answer.status != 400 or answer.code not in codes}
    assert not wrong, f"{len(wrong)} kinds of {len(answers)} are wrong:\n      " + "\n      ".join(sorted(wrong))


@attack
def entities_are_never_expanded(field):
    bucket = versioned(field, "documents-entities")
    put(field.admin, f"/{bucket}/k")
    with field.standing(), field.unchanged(bucket):
        answers = []
        for method, query, root, inner in READERS:
            for start, reference in ((BOMB, "&a9;"), (OUTSIDE, "&a9;"), (b"", "&a9;"), (b'<!DOCTYPE b SYSTEM "http://127.0.0.1:1/b.dtd">', "k")):
                body = start + f"<{root}>{inner.format(reference)}</{root}>".encode()
                path = f"/{bucket}" if query else "/documents-entities-new"
                answers.append((root, start[:30], ask(field, method, path, query, body)))
        all_refused(answers, "MalformedXML", "MalformedACLError")
        expect(field.admin.ask("HEAD", "/documents-entities-new"), 404)


@attack
def depth_and_garbage_are_refused(field):
    bucket = versioned(field, "documents-depth")
    put(field.admin, f"/{bucket}/k")
    with field.standing(), field.unchanged(bucket):
        answers = []
        for method, query, root, inner in READERS:
            path = f"/{bucket}" if query else "/documents-depth-new"
            deep = f"<{root}>{inner.format('<a>' * 100_000)}".encode()
            closed = f"<{root}>{'<a>' * 50_000}{'</a>' * 50_000}</{root}>".encode()
            for body in (deep, closed, f"<{root}>".encode(), f"<{root}><![CDATA[".encode(), b"\xff\xfe<\x00", f"<{root} {'a' * 500_000}".encode(),
                         f"<Other>{inner.format('k')}</Other>".encode(), b"{}"):
                answers.append((root, body[:30], ask(field, method, path, query, body)))
        # Some configurations have a bound of their own.
        all_refused(answers, "MalformedXML", "MalformedACLError", "MaxMessageLengthExceeded", "EntityTooLarge")


@attack
def a_policy_without_end_is_refused(field):
    bucket = versioned(field, "documents-policy")
    statement = b'{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::documents-policy/%s"}'
    with field.standing(), field.unchanged(bucket):
        for body in (b"[" * 100_000, b'{"Version":"2012-10-17","Statement":' + b'[{"a":' * 20_000, b'{"Version":"2012-10-17","Statement":"' + b"x" * 30_000 + b'"}',
                     b'{"Version":"2012-10-17","Statement":[' + b",".join([statement % b"*"] * 10_000) + b"]}",
                     b"\x00", b"\xff\xfe", b"{}", b""):
            answer = ask(field, "PUT", f"/{bucket}", [("policy", "")], body)
            expect(answer, 400, ("MalformedPolicy", "PolicyTooLarge", "EntityTooLarge", "MaxMessageLengthExceeded", "MissingRequestBodyError", "InvalidPolicyDocument"))
        expect(field.admin.ask("GET", f"/{bucket}", [("policy", "")]), 404, "NoSuchBucketPolicy")
    # Patterns that a careless matcher takes for ever over.
    stars = b'{"Version":"2012-10-17","Statement":[%s]}' % (statement % (b"*a" * 4_000 + b"b"))
    began = time.monotonic()
    expect(ask(field, "PUT", f"/{bucket}", [("policy", "")], stars), 204)
    expect(field.key(f"op=read:bucket={bucket}").ask("GET", f"/{bucket}/" + "a" * 1_000), 404, "NoSuchKey")
    assert time.monotonic() - began < 5, "a pattern took seconds"


@attack
def a_hundred_megabytes_of_xml_are_not_read(field):
    bucket = field.bucket("documents-large")
    put(field.admin, f"/{bucket}/k")
    upload = text(expect(field.admin.ask("POST", f"/{bucket}/parts", [("uploads", "")]), 200), "UploadId")
    body = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 3_500_000 + b"</Delete>"
    assert len(body) > 100_000_000
    with field.standing(), field.unchanged(bucket):
        for method, path, query in [("POST", f"/{bucket}", [("delete", "")]), ("PUT", f"/{bucket}", [("tagging", "")]), ("PUT", f"/{bucket}", [("lifecycle", "")]),
                                    ("PUT", f"/{bucket}", [("policy", "")]), ("POST", f"/{bucket}/parts", [("uploadId", upload)])]:
            answer = ask(field, method, path, query, body, payload=UNSIGNED)
            # The connection may be closed before the answer is read, because so much was still to come.
            assert answer is None or (answer.status in (400, 413) and answer.code in ("EntityTooLarge", "MalformedXML", "MaxMessageLengthExceeded", "MalformedPolicy", "PolicyTooLarge", "InvalidRequest")), f"{query}: {answer}"
        # A few bytes that are a hundred megabytes when they are read are announced as they are, and refused.
        whitespace = b"<Delete>" + b" " * (2 << 20) + b"<Object><Key>k</Key></Object></Delete>"
        answer = expect(ask(field, "POST", f"/{bucket}", [("delete", "")], whitespace), 400)
        assert answer.code in ("EntityTooLarge", "MalformedXML", "MaxMessageLengthExceeded"), str(answer)
        masses = b"<Delete>" + b"<Object><Key>k</Key></Object>" * 1_001 + b"</Delete>"
        expect(ask(field, "POST", f"/{bucket}", [("delete", "")], masses), 400, "MalformedXML")


@attack
def a_completion_has_ten_thousand_parts_at_most(field):
    bucket = field.bucket("documents-parts")
    upload = text(expect(field.admin.ask("POST", f"/{bucket}/k", [("uploads", "")]), 200), "UploadId")
    etag = expect(field.admin.ask("PUT", f"/{bucket}/k", [("partNumber", "1"), ("uploadId", upload)], body=b"part"), 200).headers["etag"]
    named = [("uploadId", upload)]
    with field.standing(), field.unchanged(bucket):
        parts_before = field.admin.ask("GET", f"/{bucket}/k", named).body
        for numbers, codes in [(range(1, 10_002), ("MalformedXML", "InvalidArgument")), ([1] * 10_001, ("MalformedXML", "InvalidArgument")),
                               (range(1, 10_001), ("InvalidPart",)), ([0], ("InvalidArgument", "InvalidPart", "MalformedXML")),
                               ([10_001], ("InvalidArgument", "InvalidPart", "MalformedXML")), ([2**64], ("InvalidArgument", "MalformedXML")), ([1, 2, 1], ("InvalidPartOrder",)), ([], ("MalformedXML",))]:
            body = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number in numbers)
            answer = field.admin.ask("POST", f"/{bucket}/k", named, body=f"<CompleteMultipartUpload>{body}</CompleteMultipartUpload>".encode())
            expect(answer, 400, codes)
        for number in ("0", "10001", "-1", "x", "1.5", "18446744073709551617"):
            expect(field.admin.ask("PUT", f"/{bucket}/k", [("partNumber", number), *named], body=b"x"), 400, "InvalidArgument")
        assert field.admin.ask("GET", f"/{bucket}/k", named).body == parts_before
    done = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>".encode()
    expect(field.admin.ask("POST", f"/{bucket}/k", named, body=done), 200)
    assert field.admin.ask("GET", f"/{bucket}/k").body == b"part"


@attack
def heads_and_addresses_have_bounds(field):
    bucket = field.bucket("documents-heads")
    put(field.admin, f"/{bucket}/k")
    with field.standing(), field.unchanged(bucket):
        many = {f"x-amz-meta-{number}": "v" for number in range(20_000)}
        for headers in (many, {"x-amz-meta-a": "v" * (1 << 20)}, {"cookie": "c" * (1 << 20)}):
            answer = send(field.host, "PUT", f"/{bucket}/k", {"host": field.host, **headers}, b"x")
            assert answer is None or answer.status in (400, 403, 431), str(answer)
        expect(field.admin.ask("PUT", f"/{bucket}/k", headers={"x-amz-meta-a": "v" * 2_100}, body=b"x"), 400, "MetadataTooLarge")
        answer = send(field.host, "GET", f"/{bucket}/k?" + "a=b&" * 200_000, {"host": field.host})
        assert answer is None or answer.status in (400, 403, 414, 431), str(answer)
        answer = send(field.host, "GET", f"/{bucket}?prefix={'%25' * 20_000}", {"host": field.host})
        assert answer is None or answer.status in (400, 403, 414, 431), str(answer)
