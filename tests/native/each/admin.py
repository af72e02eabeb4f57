"""The admin API by the names the contract gives: tenants, keys, quotas, usage, roles, audit."""

import httpx
from contract import REQUEST_ID, ok, refused
from stage import eventually, test


@test
def a_tenant_is_made_shown_disabled_and_enabled(stage):
    name = stage.name("tenant")
    made = ok(stage.operator.post("/tenants", json={"id": name, "name": name}), 200, 201).json()
    assert (made["id"], made["disabled"]) == (name, False), made
    assert ok(stage.operator.get(f"/tenants/{name}"), 200).json()["id"] == name
    assert name in [one["id"] for one in ok(stage.operator.get("/tenants"), 200).json()["tenants"]]
    assert ok(stage.operator.post(f"/tenants/{name}/disable", json={"reason": "a test"}), 200).json()["disabled"] is True
    assert ok(stage.operator.post(f"/tenants/{name}/enable"), 200).json()["disabled"] is False
    refused(stage.operator.get("/tenants/never-there"), "not_found")
    again = stage.operator.post("/tenants", json={"id": name, "name": name})
    assert again.status_code == 409, again.text


@test
def a_tenant_is_deleted_only_empty_and_with_a_reason(stage):
    us = stage.tenant()
    us.native.create_bucket("there")
    answer = stage.operator.request("DELETE", f"/tenants/{us.tenant}", json={})
    assert answer.status_code == 400, answer.text
    answer = stage.operator.request("DELETE", f"/tenants/{us.tenant}", json={"reason": "a test"})
    assert answer.status_code == 409, answer.text
    us.native.delete_bucket("there")
    ok(stage.operator.request("DELETE", f"/tenants/{us.tenant}", json={"reason": "a test"}), 200, 202, 204)
    refused(stage.operator.get(f"/tenants/{us.tenant}"), "not_found")
    assert us.native.http.post(us.native.base + "/auth/token", auth=(us.access_key, us.secret_key)).status_code == 401


@test
def a_key_s_secret_is_shown_once(stage):
    us = stage.tenant()
    made = ok(stage.operator.post(f"/tenants/{us.tenant}/keys", json={"scopes": "op=read:bucket=data,op=write:bucket=data"}), 200, 201).json()
    assert made["id"] and made["accessKeyId"] and made["secretKey"] and made["status"] == "active", made
    listed = ok(stage.operator.get(f"/tenants/{us.tenant}/keys"), 200)
    found = [one for one in listed.json()["keys"] if one["id"] == made["id"]]
    assert len(found) == 1 and found[0]["status"] == "active" and made["secretKey"] not in listed.text, found
    rotated = ok(stage.operator.post(f"/tenants/{us.tenant}/keys/{made['id']}/rotate"), 200).json()
    assert rotated["secretKey"] not in ("", made["secretKey"]) and rotated["accessKeyId"] == made["accessKeyId"], rotated
    token = lambda secret: stage.http.post(stage.endpoint + "/api/v1/auth/token", auth=(made["accessKeyId"], secret))
    ok(token(rotated["secretKey"]), 200)
    refused(token(made["secretKey"]), "unauthorized")
    revoked = ok(stage.operator.post(f"/tenants/{us.tenant}/keys/{made['id']}/revoke", json={"reason": "a test"}), 200).json()
    assert revoked["status"] != "active", revoked
    assert token(rotated["secretKey"]).status_code == 401
    answer = stage.operator.post(f"/tenants/{us.tenant}/keys", json={"scopes": "op=everything"})
    refused(answer, "invalid_request")


@test
def a_quota_is_set_shown_and_cleared(stage):
    us = stage.tenant()
    path = f"/tenants/{us.tenant}/quota"
    told = ok(stage.operator.get(path), 200).json()
    assert told["tenantId"] == us.tenant and told["quotaBytes"] is None, told
    for told in (ok(stage.operator.put(path, json={"bytes": 5_000}), 200).json(), ok(stage.operator.get(path), 200).json()):
        assert (told["tenantId"], told["quotaBytes"]) == (us.tenant, 5_000), told
    for document in ({"bytes": -1}, {"bytes": "many"}, {"objects": 1.5}, []):
        refused(stage.operator.put(path, json=document), "invalid_request")
    assert stage.manage("GET", path)["quotaBytes"] == 5_000
    ok(stage.operator.delete(path), 200, 204)
    assert stage.manage("GET", path)["quotaBytes"] is None


@test
def usage_counts_what_is_there(stage):
    us = stage.tenant()
    us.native.create_bucket("data", versioning="enabled")
    for body in (b"x" * 1_000, b"y" * 2_000):
        us.native.put("data", "k", body)
    upload = us.native.create_upload("data", "film")
    us.native.upload_part("data", "film", upload, 1, b"z" * 500)
    told = stage.manage("GET", f"/tenants/{us.tenant}/usage")
    assert told["tenantId"] == us.tenant and (told["buckets"], told["logicalBytes"], told["multipartBytes"]) == (1, 3_000, 500), told
    us.native.abort("data", "film", upload)
    for one in us.native.versions("data")["versions"]:
        us.native.delete("data", "k", versionId=one["versionId"])
    told = stage.manage("GET", f"/tenants/{us.tenant}/usage")
    assert (told["objects"], told["logicalBytes"], told["multipartBytes"]) == (0, 0, 0), told


@test
def what_is_no_admin_token_is_refused(stage):
    native = stage.native.token()
    for headers in ({}, {"Authorization": "Bearer"}, {"Authorization": "Bearer lwadm_made-up"}, {"Authorization": f"Bearer {native}"}, {"Authorization": f"Basic {native}"}):
        refused(httpx.get(stage.admin_url + "/admin/api/v1/tenants", headers=headers), "unauthorized")
    # And an administrator's token is no tenant's.
    refused(httpx.get(stage.endpoint + "/api/v1/buckets", headers={"Authorization": stage.operator.headers["Authorization"]}), "unauthorized")
    assert httpx.get(stage.endpoint + "/admin/api/v1/tenants", headers={"Authorization": stage.operator.headers["Authorization"]}).status_code >= 400, "the admin API is on the public listener"


@test
def every_request_is_found_in_the_audit_by_its_id(stage):
    """Also those that were refused: the id of a problem is its row's."""
    us = stage.tenant()
    us.native.create_bucket("audited")
    reader = stage.key("op=read", us.tenant)
    answers = {
        us.native.ask("PUT", "/buckets/audited/objects/k", content=b"x"): 200,
        us.native.ask("GET", "/buckets/audited/objects/k"): 200,
        us.native.ask("GET", "/buckets/never-there"): 404,
        reader.native.ask("PUT", "/buckets/audited/objects/k", content=b"x"): 403,
        stage.http.post(stage.endpoint + "/api/v1/auth/token", auth=(us.access_key, "not the secret")): 401,
        stage.http.get(us.native.sign("GET", "audited", "k")): 200,
    }
    for answer, status in answers.items():
        assert answer.status_code == status, answer.text
        request_id = answer.headers["x-request-id"]
        assert REQUEST_ID.fullmatch(request_id)
        # The audit follows the log; it may lag.
        rows = eventually(lambda request_id=request_id: stage.manage("GET", "/audit", params={"requestId": request_id}).get("entries"), f"the audit of {status}")
        assert us.secret_key not in str(rows) and "lwurl_" not in str(rows) and "lwtk_" not in str(rows), "the audit has a secret"
