"""Another tenant's things are not there, on any route; a key that may little does little; a token with a changed byte is none."""

import re
import string

import wire
from contract import OPERATIONS, ok, refusal, refused
from each.documents import METHODS, plain, served
from stage import in_days, raises, stamp, test

CONTENT = b"what only its tenant may see"
KEY = "secret/name.txt"
ALPHABET = string.ascii_letters + string.digits + "-_"


class Ours:
    """A tenant with one of everything."""

    def __init__(self, stage):
        self.key = stage.tenant("ours")
        native = self.key.native
        self.bucket = stage.bucket("ours", self.key, objectLockEnabled=True)
        self.version = native.put(self.bucket, KEY, CONTENT, {"X-Lockwell-Tagging": "kind=secret"})["versionId"]
        native.retain(self.bucket, KEY, "GOVERNANCE", stamp(in_days(10)))
        self.upload = native.create_upload(self.bucket, KEY)
        self.part = native.upload_part(self.bucket, KEY, self.upload, 1, CONTENT)
        native.notify(self.bucket, [{"webhookUrl": "https://hooks.example.com/ours", "events": ["s3:ObjectCreated:*"]}])
        self.signed = {method: native.sign(method, self.bucket, KEY) for method in ("GET", "PUT")}

    def state(self):
        """All that somebody could have changed."""
        native = self.key.native
        return (native.buckets(), native.versions(self.bucket), native.uploads(self.bucket), native.parts(self.bucket, KEY, self.upload), native.notifications(self.bucket),
                native.tags(self.bucket, KEY), native.retention(self.bucket, KEY), native.legal_hold(self.bucket, KEY), native.get(self.bucket, KEY).content)

    def body(self, operation):
        """What would work for the bucket's own tenant."""
        return {
            "PUT /buckets/{}/versioning": {"status": "enabled"},
            "PUT /buckets/{}/notifications": {"configs": []},
            "POST /buckets/{}/objects:batchDelete": {"keys": [KEY]},
            "POST /buckets/{}/object-copy/{}": {"sourceBucket": self.bucket, "sourceKey": KEY},
            "PUT /buckets/{}/object-tags/{}": {"tags": {}},
            "PUT /buckets/{}/object-retention/{}": {"mode": "GOVERNANCE", "retainUntil": stamp(in_days(20))},
            "PUT /buckets/{}/object-legal-hold/{}": {"status": "OFF"},
            "POST /buckets/{}/multipart/{}/complete/{}": {"parts": [{"partNumber": 1, "etag": self.part["etag"]}]},
        }.get(operation)


def example(document, schema, depth=0):
    """A value that a schema allows, for bodies of operations that no table here knows."""
    while "$ref" in schema:
        at = document
        for name in schema["$ref"].removeprefix("#/").split("/"):
            at = at[name]
        schema = at
    for choice in ("oneOf", "anyOf", "allOf"):
        if choice in schema:
            return example(document, schema[choice][0], depth + 1)
    if "example" in schema or "default" in schema or "const" in schema:
        return schema.get("example", schema.get("default", schema.get("const")))
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = next((one for one in kind if one != "null"), "null") if isinstance(kind, list) else kind
    if kind == "object":
        return {name: example(document, schema["properties"][name], depth + 1) for name in schema.get("required", []) if name in schema.get("properties", {})}
    if kind == "array":
        return [example(document, schema["items"], depth + 1)] if depth < 5 and "items" in schema else []
    return {"string": "x", "integer": max(1, schema.get("minimum", 1)), "number": 1.0, "boolean": True}.get(kind)


def filled(path, names):
    """A path whose parameters have the values that somebody else would like to reach."""
    def value(match):
        name = match.group(1).lower().strip("*.")
        return next((text for part, text in names.items() if part in name), "1")
    return re.sub(r"\{([^}]*)\}|\*", lambda match: value(match) if match.group(1) else names["key"], path)


@test
@refusal("not_found")
def nothing_of_another_tenant_is_there_on_any_route(stage):
    """Every operation of the served document, asked about another tenant's things: as if they did not exist."""
    ours, other = Ours(stage), stage.tenant("theirs")
    other.native.create_bucket("theirs")
    other.native.put("theirs", KEY, b"their own")
    before, document = ours.state(), served(stage).json()
    there = {"bucket": ours.bucket, "upload": ours.upload, "partnumber": "1", "key": wire.encode(KEY, "/"), "version": ours.version, "id": "1"}
    # The same questions about what nobody has.
    nowhere = there | {"bucket": "n" + ours.bucket[1:], "upload": ours.upload[:-4] + ("2222" if ours.upload[-4:] != "2222" else "3333")}
    asked = 0
    for path, item in document["paths"].items():
        for method in METHODS:
            operation = f"{method.upper()} {plain(path)}"
            if method not in item or "signed/" in path or not re.search(r"\{bucket", path):
                continue
            body = ours.body(operation)
            if body is None and "requestBody" in item[method]:
                content = item[method]["requestBody"].get("content", {})
                body = example(document, content["application/json"].get("schema", {})) if "application/json" in content else None
            answers = []
            for names in (there, nowhere):
                rest = {"json": body} if body is not None else {"content": b"overwritten"} if method in ("put", "patch") else {}
                answers.append(other.native.ask(method.upper(), "/" + filled(path, names).removeprefix("/api/v1").lstrip("/"), **rest))
            seen, unseen = answers
            assert ours.bucket not in seen.text.replace(f'bucket "{ours.bucket}"', "") or seen.status_code == 404, f"{operation}: {seen.text[:300]}"
            words = [re.sub(r"req_\w+", "", answer.text).replace(names["bucket"], "BUCKET").replace(names["upload"], "UPLOAD") for answer, names in zip(answers, (there, nowhere))]
            assert seen.status_code == unseen.status_code and words[0] == words[1], f"{operation}: {seen.status_code} {words[0][:200]} where nothing is {unseen.status_code} {words[1][:200]}"
            if operation in map(plain_operation, OPERATIONS):
                refused(seen, "not_found")
            asked += 1
    assert asked >= 28, f"only {asked} operations name a bucket"
    assert ours.state() == before, "another tenant changed something"


def plain_operation(operation):
    method, path = operation.split(" ", 1)
    return f"{method} {plain(path)}"


@test
def no_listing_and_no_copy_crosses_tenants(stage):
    ours, other = Ours(stage), stage.tenant("theirs")
    other.native.create_bucket("theirs")
    assert [one["name"] for one in other.native.buckets()] == ["theirs"]
    for path in ("/buckets", "/account", "/keys", "/tasks", "/signed-urls"):
        answer = other.native.ask("GET", path)
        assert ours.bucket not in answer.text and ours.key.access_key not in answer.text and KEY not in answer.text, f"{path}: {answer.text[:300]}"
    with raises("not_found"):
        other.native.copy(ours.bucket, KEY, "theirs", "stolen")
    with raises("not_found"):
        other.native.copy(ours.bucket, KEY, "theirs", "stolen", sourceVersionId=ours.version)
    for method in ("GET", "PUT"):
        with raises("not_found"):
            other.native.sign(method, ours.bucket, KEY)
    # Names of buckets are each tenant's own.
    other.native.create_bucket(ours.bucket)
    assert other.native.list(ours.bucket)["objects"] == []
    refused(other.native.ask("GET", f"/buckets/{ours.bucket}/multipart/{ours.upload}/parts/{wire.encode(KEY, '/')}"), "not_found")
    refused(other.native.ask("GET", f"/buckets/{ours.bucket}/objects/{wire.encode(KEY, '/')}?versionId={ours.version}"), "not_found")
    # A signed address names its tenant: with the same bucket and key it still opens the signer's.
    other.native.put(ours.bucket, KEY, b"their own")
    assert stage.http.get(ours.signed["GET"]).content == CONTENT


@test
@refusal("forbidden")
def a_key_does_what_its_scopes_say(stage):
    bucket = stage.bucket("scopes")
    stage.native.put(bucket, "in/k", CONTENT)
    stage.native.put(bucket, "out/k", CONTENT)
    can = {
        "read": lambda native, key: native.ask("GET", native.of(bucket, "/objects", key)),
        "write": lambda native, key: native.ask("PUT", native.of(bucket, "/objects", key), content=CONTENT),
        "delete": lambda native, key: native.ask("DELETE", native.of(bucket, "/objects", key)),
        "admin": lambda native, key: native.ask("PUT", native.of(bucket, "/notifications"), json={"configs": []}),
    }
    for granted in can:
        for scope, key, inside in ((f"op={granted}", "in/k", True), (f"op={granted}:bucket={bucket}", "in/k", True), (f"op={granted}:bucket=elsewhere", "in/k", False),
                                   (f"op={granted}:bucket={bucket}:prefix=in/", "in/k", granted != "admin"), (f"op={granted}:bucket={bucket}:prefix=in/", "out/k", False)):
            native = stage.key(scope).native
            for wanted, attempt in can.items():
                if wanted == "admin" and "prefix" in scope:
                    continue
                answer = attempt(native, key)
                if wanted == granted and inside:
                    ok(answer, 200, 204)
                    stage.native.put(bucket, key, CONTENT)
                elif wanted != granted:
                    refused(answer, "forbidden")
                else:
                    assert answer.status_code == 403, f"{scope} {wanted} {key}: {answer.status_code}"
    reader = stage.key("op=read").native
    with raises("forbidden"):
        reader.create_bucket("never-made")
    with raises("forbidden"):
        reader.sign("PUT", bucket, "in/k")
    with raises("forbidden"):
        reader.copy(bucket, "in/k", bucket, "in/copy")
    told = stage.key(f"op=delete:bucket={bucket}:prefix=in/").native.batch_delete(bucket, ["in/k", "out/k"])
    assert [one["key"] for one in told["deleted"]] == ["in/k"] and [(one["key"], one["code"]) for one in told["errors"]] == [("out/k", "forbidden")], told
    assert stage.native.get(bucket, "out/k").content == CONTENT


@test
def a_copy_reads_only_what_its_key_may_read(stage):
    secret, open_ = stage.bucket("secret"), stage.bucket("open")
    stage.native.put(secret, "k", CONTENT)
    writer = stage.key(f"op=read:bucket={open_},op=write:bucket={open_}").native
    with raises("forbidden"):
        writer.copy(secret, "k", open_, "stolen")
    assert stage.native.list(open_)["objects"] == []


def altered(token):
    """The token with each byte changed in several ways, left out or doubled, and with what decoders like to overlook."""
    for at, byte in enumerate(token):
        position = ALPHABET.find(byte)
        # The neighbour differs in the lowest bits: where the last byte's spare bits are, a lax decoder sees no difference.
        others = {byte.swapcase(), ALPHABET[position ^ 1], "A", "=", ".", "+"}
        for other in sorted(others - {byte}):
            yield token[:at] + other + token[at + 1:]
        yield token[:at] + token[at + 1:]
        yield token[:at] + byte + token[at:]
    for last in ALPHABET:
        if last != token[-1]:
            yield token[:-1] + last
    for tail in ("=", "==", "===", ".", "A", "\t", "."*9, "%00"):
        yield token + tail


def same_token(one, token):
    """Doubling a byte next to its twin, or leaving out one of twins, may give what another change gave; never the token."""
    return one == token or one.strip() == token


@test
def a_token_with_one_byte_changed_is_none(stage):
    us = stage.tenant("tamper")
    us.native.create_bucket("there")
    token = us.native.token()
    refusals = 0
    for one in altered(token):
        if same_token(one, token):
            continue
        answer = stage.http.get(stage.endpoint + "/api/v1/buckets", headers={"Authorization": f"Bearer {one}"})
        assert answer.status_code in (401, 403), f"changed to {one!r} from {token!r} it answers {answer.status_code}"
        refusals += 1
    assert refusals > 6 * len(token)
    ok(stage.http.get(stage.endpoint + "/api/v1/buckets", headers={"Authorization": f"Bearer {token}"}), 200)


@test
def a_signed_address_with_one_byte_changed_is_none(stage):
    us = stage.tenant("tamper")
    us.native.create_bucket("there")
    us.native.put("there", "k", CONTENT)
    for method in ("GET", "PUT"):
        address, token = us.native.sign(method, "there", "k").split("?token=")
        for one in altered(token):
            if same_token(one, token):
                continue
            answer = stage.http.request(method, f"{address}?token={wire.encode(one)}", content=b"overwritten" if method == "PUT" else None)
            assert answer.status_code in (401, 403), f"{method}: changed to {one!r} from {token!r} it answers {answer.status_code}"
        ok(stage.http.request(method, f"{address}?token={token}", content=CONTENT if method == "PUT" else None), 200)
    assert us.native.get("there", "k").content == CONTENT


@test
def a_token_of_one_deployment_is_none_of_another(stage):
    from stage import Stage
    another = Stage(stage.server.binary, stage.folder / "another", {})
    try:
        token = stage.native.token()
        refused(another.http.get(another.endpoint + "/api/v1/buckets", headers={"Authorization": f"Bearer {token}"}), "unauthorized")
        bucket = stage.bucket()
        another.native.create_bucket(bucket)
        another.native.put(bucket, "k", CONTENT)
        address = stage.native.sign("GET", bucket, "k").replace(stage.endpoint, another.endpoint)
        refused(another.http.get(address), "unauthorized")
    finally:
        another.server.kill()
