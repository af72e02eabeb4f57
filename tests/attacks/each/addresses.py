"""Presigned addresses and old signatures in the wrong hands."""

import time

from field import attack, expect, put
from wire import UNSIGNED, send


@attack
def an_unsigned_header_changes_nothing_about_an_address(field):
    bucket = field.bucket("addresses-headers")
    put(field.admin, f"/{bucket}/secret", b"secret")
    for name, value in [("x-amz-copy-source", f"/{bucket}/secret"), ("x-amz-acl", "public-read"), ("x-amz-meta-a", "b"), ("x-amz-tagging", "a=b"),
                        ("x-amz-storage-class", "STANDARD"), ("x-amz-server-side-encryption", "aws:kms"), ("x-amz-object-lock-legal-hold", "ON"),
                        ("x-amz-website-redirect-location", "/x"), ("x-amz-mfa", "1"),
                        ("x-holdfast-as-of", "1"), ("x-holdfast-anything", "1"), ("X-Amz-Bypass-Governance-Retention", "true")]:
        with field.unchanged(bucket):
            url = field.admin.presign("PUT", f"/{bucket}/k")
            expect(send(field.host, "PUT", url, {"host": field.host, name: value}, b"x"), 403, "AccessDenied")
            # In the Authorization header's form the same is refused.
            expect(field.admin.ask("PUT", f"/{bucket}/k", body=b"x", unsigned={name: value}), 403, "AccessDenied")


@attack
def the_past_is_not_shown_to_whoever_adds_as_of(field):
    bucket = field.bucket("addresses-past")
    put(field.admin, f"/{bucket}/k", b"now")
    for extra in ("as-of=1", "X-Holdfast-As-Of=1", "versionId=null", "x-holdfast-as-of=2020-01-01T00:00:00Z"):
        with field.unchanged(bucket):
            url = field.admin.presign("GET", f"/{bucket}/k")
            expect(send(field.host, "GET", f"{url}&{extra}", {"host": field.host}), 403, "SignatureDoesNotMatch")
            expect(send(field.host, "GET", f"{url}", {"host": field.host, "x-holdfast-as-of": "1"}), 403, "AccessDenied")


@attack
def what_version_2_does_not_sign_changes_nothing(field):
    bucket = field.bucket("addresses-version-2")
    put(field.admin, f"/{bucket}/k", b"now")
    put(field.admin, f"/{bucket}/secret", b"secret")
    url = field.admin.presign_version_2("GET", f"/{bucket}/k")
    assert expect(send(field.host, "GET", url, {"host": field.host}), 200).body == b"now"
    with field.unchanged(bucket):
        for extra in ("as-of=1", "versionId=null", "acl", "tagging", "uploads", "uploadId=1", "partNumber=1", "response-content-type=text/html", "attributes",
                      "retention", "legal-hold", "delete"):
            expect(send(field.host, "GET", f"{url}&{extra}", {"host": field.host}), 403)
        expect(send(field.host, "GET", url, {"host": field.host, "x-holdfast-as-of": "1"}), 403)
        write = field.admin.presign_version_2("PUT", f"/{bucket}/k")
        for name, value in [("x-amz-copy-source", f"/{bucket}/secret"), ("x-amz-acl", "public-read"), ("x-amz-meta-a", "b"), ("x-amz-tagging", "a=b")]:
            expect(send(field.host, "PUT", write, {"host": field.host, name: value}, b"x"), 403)
        expect(send(field.host, "DELETE", write, {"host": field.host}), 403)
        expect(send(field.host, "PUT", field.admin.presign_version_2("PUT", f"/{bucket}/k", expires_s=-1), {"host": field.host}, b"x"), 403, "AccessDenied")


@attack
def an_old_signature_is_of_no_use(field):
    bucket = field.bucket("addresses-old")
    put(field.admin, f"/{bucket}/k", b"first")
    with field.unchanged(bucket):
        expired = field.admin.presign("PUT", f"/{bucket}/k", expires_s=60, ago_s=61)
        expect(send(field.host, "PUT", expired, {"host": field.host}, b"x"), 403, "AccessDenied")
        expect(field.admin.ask("PUT", f"/{bucket}/k", body=b"x", ago_s=16 * 60), 403, "RequestTimeTooSkewed")
        expect(field.admin.ask("PUT", f"/{bucket}/k", body=b"x", ago_s=-16 * 60), 403, "RequestTimeTooSkewed")
        for seconds in (0, -1, 604_801):
            url = field.admin.presign("PUT", f"/{bucket}/k", expires_s=seconds)
            expect(send(field.host, "PUT", url, {"host": field.host}, b"x"), 403, "AuthorizationQueryParametersError")
        # An address that worked stops working when its time is over.
        short = field.admin.presign("GET", f"/{bucket}/k", expires_s=2)
        assert expect(send(field.host, "GET", short, {"host": field.host}), 200).body == b"first"
        time.sleep(3)
        expect(send(field.host, "GET", short, {"host": field.host}), 403, "AccessDenied")
        # The life of an address is part of what is signed.
        expect(send(field.host, "GET", short.replace("X-Amz-Expires=2", "X-Amz-Expires=9999"), {"host": field.host}), 403, "SignatureDoesNotMatch")


@attack
def a_signature_is_good_for_its_own_request_alone(field):
    bucket = field.bucket("addresses-other")
    put(field.admin, f"/{bucket}/k", b"first")
    put(field.admin, f"/{bucket}/other", b"other")
    with field.unchanged(bucket):
        url = field.admin.presign("GET", f"/{bucket}/k")
        for method in ("PUT", "DELETE", "POST", "HEAD"):
            answer = send(field.host, method, url, {"host": field.host}, b"x" if method != "HEAD" else b"")
            expect(answer, 403, None if method == "HEAD" else "SignatureDoesNotMatch")
        expect(send(field.host, "GET", url.replace(f"/{bucket}/k", f"/{bucket}/other"), {"host": field.host}), 403, "SignatureDoesNotMatch")
        expect(send(field.host, "GET", url, {"host": "elsewhere.example"}), 403, "SignatureDoesNotMatch")
        headers = field.admin.signed("PUT", f"/{bucket}/k", body=b"mine")
        expect(send(field.host, "PUT", f"/{bucket}/other", headers, b"mine"), 403, "SignatureDoesNotMatch")
        expect(send(field.host, "PUT", f"/{bucket}/k", headers, b"evil"), 400, ("XAmzContentSHA256Mismatch", "BadDigest"))
        expect(send(field.host, "PUT", f"/{bucket}/k?tagging", headers, b"mine"), 403, "SignatureDoesNotMatch")
        # A signed payload cannot be declared unsigned afterwards.
        expect(send(field.host, "PUT", f"/{bucket}/k", headers | {"x-amz-content-sha256": UNSIGNED}, b"evil"), 403, "SignatureDoesNotMatch")
        both = field.admin.signed("GET", f"/{bucket}/k")
        expect(send(field.host, "GET", url, both), 400, ("InvalidArgument", "InvalidRequest", "AuthorizationQueryParametersError"))
