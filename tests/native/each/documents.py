"""Liveness, and the OpenAPI documents of both APIs: complete, without what needs a token, the same bytes as the repository's."""

import re

from contract import COVERED, ERRORS, NAMED, NOT_PROVOKED, OPEN, OPERATIONS, covers, ok, refused
from stage import ROOT, test

METHODS = ("get", "put", "post", "delete", "head", "patch", "options")


def plain(path):
    """A path without names of parameters: documents may call them as they like, wildcards included."""
    path = path.removeprefix("/api/v1").removeprefix("/admin/api/v1")
    return re.sub(r"\{[^}]*\}|\*", "{}", path)


def operations(document):
    """Every operation by method and path."""
    base = document.get("servers", [{}])[0].get("url", "")
    assert base.endswith("/api/v1") != any(path.startswith(("/api/v1", "/admin/api/v1")) for path in document["paths"]), \
        "paths begin at the server's address: /api/v1 stands in one of both"
    return {f"{method.upper()} {plain(path)}": item[method] for path, item in document["paths"].items() for method in METHODS if method in item}


def served(stage, what="native"):
    """The document, asked for without a token."""
    url = stage.endpoint + "/api/v1" if what == "native" else stage.admin_url + "/admin/api/v1"
    return ok(stage.http.get(url + "/openapi.json"), 200)


@test
@covers("GET /healthz")
def healthz_needs_no_token(stage):
    ok(stage.http.get(stage.endpoint + "/api/v1/healthz"), 200)


@test
def health_and_readiness_stand_beside_the_apis(stage):
    assert stage.http.get(stage.endpoint + "/health").status_code == 200
    ready = stage.http.get(stage.endpoint + "/readyz").json()
    assert ready["status"] == "ok" and {one["name"] for one in ready["components"]} >= {"database", "storage"}, ready
    assert all(one["status"] in ("ok", "failed", "unchecked") for one in ready["components"]), ready


@test
@covers("GET /openapi.json")
def the_document_has_every_operation_of_the_contract(stage):
    document = served(stage).json()
    assert document["openapi"].startswith("3."), document["openapi"]
    found = operations(document)
    missing = [one for one in OPERATIONS if plain(one) not in found]
    assert not missing, f"not in the document: {missing}"
    for name, operation in NAMED.items():
        assert found[plain(operation)]["operationId"] == name, f"{operation} is {found[plain(operation)]['operationId']}"


@test
def operation_ids_are_unique_in_both_documents(stage):
    for what in ("native", "admin"):
        named = [operation.get("operationId") for operation in operations(served(stage, what).json()).values()]
        assert len(named) > 10 and all(named) and len(set(named)) == len(named), f"{what}: {sorted(map(str, named))}"


@test
def the_document_says_what_needs_a_token(stage):
    document = served(stage).json()
    scheme = document["components"]["securitySchemes"]["nativeToken"]
    assert (scheme["type"], scheme["scheme"]) == ("http", "bearer"), scheme
    found = operations(document)
    for operation in OPERATIONS:
        needs = found[plain(operation)].get("security", document.get("security", []))
        named = any("nativeToken" in one for one in needs)
        assert named != (operation in OPEN), f"{operation}: {needs}"


@test
def nothing_but_the_open_routes_works_without_a_token(stage):
    document = served(stage).json()
    still_open = {plain(one) for one in OPEN}
    for operation in operations(document):
        if operation not in still_open and "nativeToken" in str(operations(document)[operation].get("security", document.get("security", []))):
            method, path = operation.split(" ", 1)
            refused(stage.http.request(method, stage.endpoint + "/api/v1" + path.replace("{}", "1")), "unauthorized")


@test
def admin_operations_need_a_token(stage):
    document = served(stage, "admin").json()
    for operation, told in operations(document).items():
        if told.get("security", document.get("security")):
            method, path = operation.split(" ", 1)
            refused(stage.http.request(method, stage.admin_url + "/admin/api/v1" + path.replace("{}", "1")), "unauthorized")


@test
def what_is_served_is_what_is_committed(stage):
    committed = {path.read_bytes() for path in (ROOT / "schemas" / "openapi").glob("*.json")}
    for what in ("native", "admin"):
        assert served(stage, what).content in committed, f"the served document of {what} is none of those in schemas/openapi"


@test
def the_reference_pages_load_nothing_from_elsewhere(stage):
    for base, path in ((stage.endpoint, "/api/v1/docs"), (stage.admin_url, "/admin/docs")):
        page = stage.http.get(base + path, follow_redirects=True)
        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html"), f"{path}: {page.status_code}"
        for address in re.findall(r"""(?:src|href)=["']([^"'#]+)""", page.text):
            if address.startswith(("http:", "https:", "//")) and not address.startswith(base):
                raise AssertionError(f"{path} names {address}")
            if "." in address.rsplit("/", 1)[-1]:
                asset = stage.http.get(str(page.url.join(address)))
                assert asset.status_code == 200, f"{path}: {address} answers {asset.status_code}"


@test
def every_operation_and_every_code_has_a_test(stage):
    """Last word on the tables: the tests of all files are known by now."""
    assert COVERED["operations"] == set(OPERATIONS), f"without a test: {set(OPERATIONS) - COVERED['operations']}"
    without = ERRORS.keys() - COVERED["errors"] - NOT_PROVOKED.keys()
    assert not without, f"without a test: {without}"
