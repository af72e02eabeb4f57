"""Rates per key and per source, clients that stop in the middle, bodies that are too large: refused, and nobody else suffers."""

import socket

import httpx
import wire
from contract import ok, refusal, refused
from stage import eventually, test

PER_KEY = {"limits.requests_per_second_per_key": 5, "limits.burst": 5}
PER_SOURCE = {"limits.requests_per_second_per_source": 5, "limits.burst": 5}
IMPATIENT = {"limits.body_idle_s": 1}


def until_refused(ask):
    """Asks until it is too often: at most a few hundred times."""
    for _ in range(300):
        answer = ask()
        if answer.status_code != 200:
            return answer
    raise AssertionError("no end of requests")


@test(settings=PER_KEY)
@refusal("rate_limited")
def a_key_that_asks_too_often_waits_and_no_other_does(stage):
    def asker(key):
        headers = {"Authorization": f"Bearer {key.native.token()}"}
        return lambda: stage.http.get(stage.endpoint + "/api/v1/buckets", headers=headers)
    greedy, other = asker(stage.key()), asker(stage.key())
    answer = until_refused(greedy)
    refused(answer, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1, answer.headers
    ok(other(), 200)
    eventually(lambda: greedy().status_code == 200, "the end of the wait")


@test(settings=PER_SOURCE)
@refusal("rate_limited")
def a_source_that_asks_too_often_waits_whatever_its_keys(stage):
    answer = until_refused(lambda: stage.http.get(stage.endpoint + "/api/v1/openapi.json"))
    refused(answer, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1, answer.headers
    # Whoever watches the server is not kept out.
    assert stage.http.get(stage.endpoint + "/health").status_code == 200


@test(settings=IMPATIENT)
def a_client_that_stops_in_its_body_is_left(stage):
    bucket = stage.bucket()
    headers = {"host": stage.server.host, "authorization": f"Bearer {stage.native.token()}"}
    with wire.connect(stage.server.host) as stream:
        stream.settimeout(60)
        stream.sendall(wire.head("PUT", f"/api/v1/buckets/{bucket}/objects/k", headers, 1_000) + b"half")
        answer = wire.read(stream)
    assert answer and answer.status == 408 and b'"requestId"' in answer.body, answer
    assert stage.native.list(bucket)["objects"] == []
    # An address from which nothing comes at all holds nothing up.
    with socket.create_connection(stage.server.host.split(":"), timeout=60):
        ok(stage.native.ask("PUT", f"/buckets/{bucket}/objects/k", content=b"x"), 200)


@test
def a_connection_outlives_a_refusal_or_says_that_it_does_not(stage):
    """Who is refused before his body was read may go on with the connection, unless he was told that it ends."""
    anybody = stage.endpoint + "/api/v1/buckets/never-there/objects/k"
    bearer = {"Authorization": f"Bearer {stage.native.token()}"}
    for what, ask in (("unauthorized", lambda body: stage.http.put(anybody, content=body)), ("not found", lambda body: stage.http.put(anybody, content=body, headers=bearer)),
                      ("no route", lambda body: stage.http.post(stage.endpoint + "/api/v1/no/such/route", content=body, headers=bearer))):
        for size in (10, 100_000):
            for attempt in range(60):
                assert ask(b"x" * size).status_code >= 400
                try:
                    ok(stage.http.get(stage.endpoint + "/api/v1/healthz"), 200)
                except httpx.RemoteProtocolError as error:
                    raise AssertionError(f"after {what} with {size} bytes, attempt {attempt}: {error}") from None


@test
@refusal("payload_too_large")
def documents_have_a_size(stage):
    bucket = stage.bucket()
    stage.native.put(bucket, "k", b"x")
    for method, path in (("PUT", f"/buckets/{bucket}/versioning"), ("PUT", f"/buckets/{bucket}/object-tags/k"), ("POST", "/sign-url"), ("PUT", f"/buckets/{bucket}/notifications")):
        # Told in the head, so nothing has to be sent.
        answer = stage.root.raw(method, path, {"content-type": "application/json"}, b"", announced=100 << 20)
        assert answer and answer.status == 413 and b'"payload_too_large"' in answer.body, f"{method} {path}: {answer}"
    answer = stage.root.raw("POST", "/auth/token", {"content-type": "application/json"}, b"", announced=100 << 20)
    assert answer and answer.status in (401, 413), answer
    assert stage.native.versioning(bucket)["status"] == "disabled"
