"""POST /auth/token, and what a token is worth: its form, its end, its key's end."""

import base64
import hashlib
import json
import re
import time

from client import Client
from contract import covers, ok, refusal, refused
from stage import eventually, moment, test

SHORT = {"security.native_api_token_ttl": "2s"}


def part(text):
    """One part of a token: base64url without padding."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def ask(stage, token, path="/buckets"):
    return stage.http.get(stage.endpoint + "/api/v1" + path, headers={"Authorization": f"Bearer {token}"})


def mint(stage, key, secret=None):
    return stage.http.post(stage.endpoint + "/api/v1/auth/token", auth=(key.access_key, secret or key.secret_key))


@test
@covers("POST /auth/token")
def a_token_is_minted_by_basic_and_by_json(stage):
    key = stage.root
    for answer in (mint(stage, key), stage.http.post(stage.endpoint + "/api/v1/auth/token", json={"accessKeyId": key.access_key, "secretKey": key.secret_key})):
        told = ok(answer, 200).json()
        assert re.fullmatch(r"lwtk_[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", told["accessToken"]), told
        assert told["expiresIn"] == 3600 and told["tokenType"] == "Bearer", told
        ok(ask(stage, told["accessToken"]), 200)
        payload, mac = told["accessToken"].removeprefix("lwtk_").split(".")
        assert len(part(mac)) == hashlib.sha256().digest_size
        claims = json.loads(part(payload))
        assert key.secret_key not in json.dumps(claims)
        assert claims["exp"] - claims["iat"] == 3600 and claims["kid"] == key.access_key, claims
        assert abs(moment(told["expiresAt"]).timestamp() - claims["exp"]) <= 1, told
        assert answer.headers.get("cache-control") == "no-store", "somebody may keep an answer that has a token"


@test
def two_tokens_differ(stage):
    assert mint(stage, stage.root).json()["accessToken"] != mint(stage, stage.root).json()["accessToken"]


@test
@refusal("unauthorized", "invalid_request")
def wrong_credentials_get_no_token(stage):
    key, url = stage.key(), stage.endpoint + "/api/v1/auth/token"
    refused(mint(stage, key, "not the secret"), "unauthorized")
    refused(stage.http.post(url, auth=("NOSUCHKEY00000000000", key.secret_key)), "unauthorized")
    refused(stage.http.post(url, json={"accessKeyId": key.access_key, "secretKey": "not the secret"}), "unauthorized")
    assert stage.http.post(url).status_code in (400, 401)
    refused(stage.http.post(url, headers={"Authorization": "Basic !!!"}), "unauthorized")
    assert stage.http.post(url, headers={"Authorization": "Bearer " + key.native.token()}).status_code in (400, 401)
    refused(stage.http.post(url, content=b"{", headers={"Content-Type": "application/json"}), "invalid_request")


@test
def the_same_words_for_a_wrong_secret_and_an_unknown_key(stage):
    """Whoever guesses must not learn which keys there are."""
    url = stage.endpoint + "/api/v1/auth/token"
    wrong = mint(stage, stage.root, "not the secret").json()
    unknown = stage.http.post(url, auth=("NOSUCHKEY00000000000", "not the secret")).json()
    assert (wrong["message"], wrong["code"]) == (unknown["message"], unknown["code"])


@test
@refusal("unauthorized")
def what_is_no_token_is_refused(stage):
    held = stage.native.token()
    for headers in ({}, {"Authorization": held}, {"Authorization": f"Basic {held}"}, {"Authorization": "Bearer"}, {"Authorization": "Bearer lwtk_"},
                    {"Authorization": "Bearer lwtk_."}, {"Authorization": f"Bearer {held.removeprefix('lwtk_')}"}, {"Authorization": f"Bearer {held}.{held}"},
                    {"Authorization": f"Bearer {held.split('.')[0]}"}, {"Authorization": f"Bearer {held}="}):
        refused(stage.http.get(stage.endpoint + "/api/v1/buckets", headers=headers), "unauthorized")
    refused(stage.http.get(stage.endpoint + "/api/v1/buckets", headers=[("Authorization", f"Bearer {held}")] * 2), "unauthorized")
    refused(stage.http.get(stage.endpoint + f"/api/v1/buckets?token={held}"), "unauthorized")


@test
@refusal("access_key_revoked")
def a_token_ends_with_its_key(stage):
    key = stage.key()
    ok(ask(stage, key.native.token()), 200)
    stage.revoke(key)
    refused(ask(stage, key.native.held), "access_key_revoked")
    assert mint(stage, key).status_code == 401


@test
def a_disabled_key_s_token_works_again_when_the_key_does(stage):
    key = stage.key()
    held = key.native.token()
    stage.manage("POST", f"/tenants/default/keys/{key.access_key}/disable")
    assert ask(stage, held).status_code == 401
    stage.manage("POST", f"/tenants/default/keys/{key.access_key}/enable")
    ok(ask(stage, held), 200)


@test
def a_token_ends_with_its_tenant(stage):
    key = stage.tenant()
    ok(ask(stage, key.native.token()), 200)
    stage.manage("POST", f"/tenants/{key.tenant}/disable", json={"reason": "a test says so"})
    assert ask(stage, key.native.held).status_code in (401, 403)
    assert mint(stage, key).status_code == 401
    stage.manage("POST", f"/tenants/{key.tenant}/enable")
    ok(ask(stage, key.native.held), 200)


@test(settings=SHORT)
@refusal("token_expired")
def a_token_expires_and_the_client_mints_another(stage):
    told = mint(stage, stage.root).json()
    assert told["expiresIn"] == 2, told
    ok(ask(stage, told["accessToken"]), 200)
    answer = eventually(lambda: (answer := ask(stage, told["accessToken"])).status_code == 401 and answer, "the end of a token")
    refused(answer, "token_expired")
    client = Client(stage.endpoint, stage.root.access_key, stage.root.secret_key)
    client.held, client.until = told["accessToken"], time.monotonic() + 60
    client.buckets()
    assert client.minted == 1 and client.held != told["accessToken"]


@test
@refusal("rate_limited")
def who_mints_too_often_waits(stage):
    greedy, other = stage.key(), stage.key()
    for _ in range(150):
        answer = mint(stage, greedy)
        if answer.status_code != 200:
            break
    refused(answer, "rate_limited")
    assert 1 <= int(answer.headers["retry-after"]) <= 60, answer.headers
    ok(mint(stage, other), 200)
    ok(ask(stage, other.native.token()), 200)
