"""What the contract names, as tables; which test covers what; how every refusal must look.

Owns: the 36 operations, the error codes, the form of a problem.
Does not own: what each operation answers, which its test says.
"""

import re

OPERATIONS = """
GET /healthz
GET /openapi.json
POST /auth/token
POST /sign-url
GET /signed/{bucket}/{key}
PUT /signed/{bucket}/{key}
GET /buckets
POST /buckets
GET /buckets/{bucket}
DELETE /buckets/{bucket}
GET /buckets/{bucket}/versioning
PUT /buckets/{bucket}/versioning
GET /buckets/{bucket}/notifications
PUT /buckets/{bucket}/notifications
DELETE /buckets/{bucket}/notifications
GET /buckets/{bucket}/objects
POST /buckets/{bucket}/objects:batchDelete
GET /buckets/{bucket}/versions
POST /buckets/{bucket}/object-copy/{key}
GET /buckets/{bucket}/objects/{key}
PUT /buckets/{bucket}/objects/{key}
DELETE /buckets/{bucket}/objects/{key}
HEAD /buckets/{bucket}/objects/{key}
GET /buckets/{bucket}/object-tags/{key}
PUT /buckets/{bucket}/object-tags/{key}
DELETE /buckets/{bucket}/object-tags/{key}
GET /buckets/{bucket}/object-retention/{key}
PUT /buckets/{bucket}/object-retention/{key}
GET /buckets/{bucket}/object-legal-hold/{key}
PUT /buckets/{bucket}/object-legal-hold/{key}
GET /buckets/{bucket}/multipart
POST /buckets/{bucket}/multipart/{key}
PUT /buckets/{bucket}/multipart/{uploadId}/parts/{partNumber}/{key}
GET /buckets/{bucket}/multipart/{uploadId}/parts/{key}
POST /buckets/{bucket}/multipart/{uploadId}/complete/{key}
DELETE /buckets/{bucket}/multipart/{uploadId}/{key}
""".split("\n")[1:-1]

# Work without a token.
OPEN = ("GET /healthz", "GET /openapi.json", "POST /auth/token", "GET /signed/{bucket}/{key}", "PUT /signed/{bucket}/{key}")

# The operation ids that the contract gives.
NAMED = {
    "putObject": "PUT /buckets/{bucket}/objects/{key}",
    "listObjects": "GET /buckets/{bucket}/objects",
    "signURL": "POST /sign-url",
    "setBucketNotifications": "PUT /buckets/{bucket}/notifications",
}

ERRORS = {
    "unauthorized": 401, "token_expired": 401, "access_key_revoked": 401, "forbidden": 403, "policy_denied": 403, "object_locked": 403,
    "retention_violation": 403, "not_found": 404, "bucket_already_exists": 409, "bucket_not_empty": 409, "precondition_failed": 412,
    "invalid_request": 400, "invalid_key": 400, "invalid_bucket_name": 400, "checksum_mismatch": 400, "idempotency_requires_checksum": 400,
    "idempotency_key_reused": 409, "idempotency_in_progress": 409, "invalid_range": 416, "payload_too_large": 413,
    "entity_too_small": 400, "invalid_part": 400, "invalid_part_order": 400, "rate_limited": 429, "quota_exceeded": 507,
    "not_implemented": 501, "object_lock_not_enabled": 409, "internal_error": 500, "unavailable": 503, "point_in_future": 400,
    "before_horizon": 410,
}

# Why a code has no test here.
NOT_PROVOKED = {
    "internal_error": "from outside a healthy server has none; schemathesis looks for one",
    "unavailable": "needs a full queue or a full disk: tests/tests/behaviour.rs",
    "point_in_future": "tests/history asks for it",
    "before_horizon": "tests/history asks for it",
}

COVERED = {"operations": set(), "errors": set()}


def covers(*operations):
    """The test below is the one of these operations."""
    unknown = set(operations) - set(OPERATIONS)
    assert not unknown, f"not in the contract: {unknown}"
    COVERED["operations"].update(operations)
    return lambda function: function


def refusal(*codes):
    """The test below provokes these codes."""
    unknown = set(codes) - set(ERRORS)
    assert not unknown, f"not in the contract: {unknown}"
    COVERED["errors"].update(codes)
    return lambda function: function


REQUEST_ID = re.compile(r"req_[0-7][0-9A-HJKMNP-TV-Z]{25}")


def told(answer):
    """An answer in an assertion's message."""
    request = answer.request
    return f"{request.method} {request.url.raw_path.decode()[:200]} answered {answer.status_code} {answer.content[:300]!r}"


def ok(answer, *statuses):
    """A success with one of these statuses, correlated: the answer."""
    assert answer.status_code in statuses, f"{told(answer)} instead of {statuses}"
    assert REQUEST_ID.fullmatch(answer.headers.get("x-request-id", "")), f"X-Request-Id {answer.headers.get('x-request-id')}"
    return answer


def refused(answer, code, status=None):
    """A problem with this code, in the form of the contract: its message."""
    status = status or ERRORS[code]
    assert answer.status_code == status, f"{told(answer)} instead of {status} {code}"
    request_id = answer.headers.get("x-request-id", "")
    assert REQUEST_ID.fullmatch(request_id), f"X-Request-Id {request_id!r}"
    if answer.request.method == "HEAD":
        assert not answer.content and answer.headers.get("x-lockwell-error-code") == code, f"{told(answer)}, {answer.headers}"
        return ""
    assert answer.headers["content-type"].split(";")[0] == "application/problem+json", f"{told(answer)}, {answer.headers}"
    problem = answer.json()
    assert {"code", "message", "status", "requestId"} <= problem.keys(), problem
    assert problem["code"] == code and problem["status"] == status and problem["requestId"] == request_id, f"{problem} instead of {code}"
    assert isinstance(problem["message"], str) and problem["message"], problem
    return problem["message"]
