"""One application's day, by the client that knows nothing but the public description of the API."""

import httpx

from client import Client
from contract import refused
from digests import DIGESTS, our_own_arithmetic_is_right, text
from stage import in_days, moment, raises, stamp, test

MIB = 1 << 20


@test
def story(stage):
    our_own_arithmetic_is_right()
    us = stage.tenant("story")
    client = Client(stage.endpoint, us.access_key, us.secret_key, basic=False)
    client.create_bucket("photos", versioning="enabled", objectLockEnabled=True)
    assert client.bucket("photos")["name"] == "photos"
    assert [bucket["name"] for bucket in client.buckets()] == ["photos"]

    upload_once(client)
    versions_and_tags(client)
    locks(client)
    multipart(client)
    browser(client)
    notifications(client)
    client.create_bucket("scratch")
    batch(client)
    client.delete_bucket("scratch")
    assert client.minted == 1, "the token was minted again"


def upload_once(client):
    """Create only, safe to send again, checked by the server; then read in part."""
    body = b"".join(b"line %d of the first photo\n" % number for number in range(1_000))
    headers = {"If-None-Match": "*", "Idempotency-Key": "first-photo", "X-Lockwell-Checksum-CRC64NVME": text("CRC64NVME", body), "Content-Type": "image/x-test"}
    stored = client.put("photos", "2026/first photo.jpg", body, headers)
    assert stored["checksums"]["crc64nvme"] == text("CRC64NVME", body), stored
    again = client.put("photos", "2026/first photo.jpg", body, headers)
    assert (again["etag"], again["versionId"]) == (stored["etag"], stored["versionId"]), "sent again it was stored again"
    with raises("idempotency_key_reused"):
        client.put("photos", "2026/first photo.jpg", b"another", headers | {"X-Lockwell-Checksum-CRC64NVME": text("CRC64NVME", b"another")})
    with raises("precondition_failed"):
        client.put("photos", "2026/first photo.jpg", body, {"If-None-Match": "*"})
    with raises("idempotency_requires_checksum"):
        client.put("photos", "2026/first photo.jpg", body, {"Idempotency-Key": "no-digest"})
    whole = client.get("photos", "2026/first photo.jpg")
    assert whole.content == body and whole.headers["content-type"] == "image/x-test"
    part = client.get("photos", "2026/first photo.jpg", {"Range": "bytes=100-1099"})
    assert part.status_code == 206 and part.content == body[100:1100] and part.headers["content-range"] == f"bytes 100-1099/{len(body)}"
    copied = client.copy("photos", "2026/first photo.jpg", "photos", "2026/copy.jpg", requireAbsent=True)
    assert copied["etag"] == stored["etag"] and copied["versionId"]
    assert client.get("photos", "2026/copy.jpg").content == body
    with raises("precondition_failed"):
        client.copy("photos", "2026/first photo.jpg", "photos", "2026/copy.jpg", requireAbsent=True)
    assert [one["key"] for one in client.list("photos", prefix="2026/")["objects"]] == ["2026/copy.jpg", "2026/first photo.jpg"]


def versions_and_tags(client):
    first = client.put("photos", "diary", b"monday")
    second = client.put("photos", "diary", b"tuesday", {"If-Match": first["etag"]})
    with raises("precondition_failed"):
        client.put("photos", "diary", b"wednesday", {"If-Match": first["etag"]})
    assert client.get("photos", "diary", versionId=first["versionId"]).content == b"monday"
    listed = [one for one in client.versions("photos", prefix="diary")["versions"]]
    assert [(one["versionId"], one["isLatest"]) for one in listed] == [(second["versionId"], True), (first["versionId"], False)]
    gone = client.delete("photos", "diary")
    assert gone["deleteMarker"] is True, gone
    with raises("not_found"):
        client.get("photos", "diary")
    client.delete("photos", "diary", versionId=gone.get("deleteMarkerVersionId") or gone["versionId"])
    assert client.get("photos", "diary").content == b"tuesday"
    client.set_tags("photos", "diary", {"kind": "text", "year": "2026"})
    assert client.tags("photos", "diary")["tags"] == {"kind": "text", "year": "2026"}
    client.clear_tags("photos", "diary")
    assert client.tags("photos", "diary")["tags"] == {}


def locks(client):
    kept = client.put("photos", "contract", b"signed")
    until = in_days(30)
    client.retain("photos", "contract", "GOVERNANCE", stamp(until))
    assert moment(client.retention("photos", "contract")["retainUntil"]) == until
    with raises("retention_violation"):
        client.retain("photos", "contract", "GOVERNANCE", stamp(in_days(10)))
    until = in_days(40)
    client.retain("photos", "contract", "GOVERNANCE", stamp(until))
    assert moment(client.retention("photos", "contract")["retainUntil"]) == until
    with raises("object_locked"):
        client.delete("photos", "contract", versionId=kept["versionId"])
    client.hold("photos", "diary", "ON")
    assert client.legal_hold("photos", "diary")["status"] == "ON"
    with raises("object_locked"):
        client.delete("photos", "diary", versionId=client.head("photos", "diary").headers["x-lockwell-version-id"])
    client.hold("photos", "diary", "OFF")
    assert client.legal_hold("photos", "diary")["status"] == "OFF"


def multipart(client):
    pieces = [bytes([number]) * (5 * MIB) for number in (1, 2)] + [b"the end"]
    upload = client.create_upload("photos", "film", contentType="video/x-test", metadata={"director": "somebody"})
    parts = [client.upload_part("photos", "film", upload, number, piece, {"X-Lockwell-Checksum-SHA256": text("SHA256", piece)})
             for number, piece in enumerate(pieces, 1)]
    assert [part["partNumber"] for part in client.parts("photos", "film", upload)["parts"]] == [1, 2, 3]
    assert [one["uploadId"] for one in client.uploads("photos")] == [upload]
    done = client.complete("photos", "film", upload, parts)
    assert done["etag"].strip('"').endswith("-3") and client.uploads("photos") == []
    film = client.get("photos", "film")
    assert DIGESTS["SHA256"](film.content) == DIGESTS["SHA256"](b"".join(pieces)) and film.headers["content-type"] == "video/x-test"
    given_up = client.create_upload("photos", "film 2")
    client.upload_part("photos", "film 2", given_up, 1, b"begun")
    client.abort("photos", "film 2", given_up)
    assert client.uploads("photos") == []


def browser(client):
    """Whoever holds a signed address needs no token: here a page of another origin."""
    there = {"Origin": "https://app.example.com"}
    answer = httpx.put(client.sign("PUT", "photos", "from a browser.txt", 60), content=b"dragged and dropped", headers=there | {"Content-Type": "text/plain"})
    assert answer.status_code == 200, answer.text
    got = httpx.get(client.sign("GET", "photos", "from a browser.txt"), headers=there)
    assert got.status_code == 200 and got.content == b"dragged and dropped" and got.headers["content-type"] == "text/plain"
    part = httpx.get(client.sign("GET", "photos", "from a browser.txt"), headers=there | {"Range": "bytes=-7"})
    assert part.status_code == 206 and part.content == b"dropped"
    refused(httpx.put(client.sign("GET", "photos", "from a browser.txt"), content=b"overwritten"), "forbidden")


def notifications(client):
    assert client.notifications("photos")["configs"] == []
    stored = client.notify("photos", [{"webhookUrl": "https://hooks.example.com/photos", "events": ["s3:ObjectCreated:*"], "filters": [{"name": "prefix", "value": "2026/"}]}])
    assert stored["configs"][0]["webhookUrl"] == "https://hooks.example.com/photos" and stored["configs"][0]["hasSecret"] is True
    assert client.notifications("photos")["configs"] == stored["configs"]
    client.clear_notifications("photos")
    assert client.notifications("photos")["configs"] == []


def batch(client):
    for key in ("a", "b", "c/d"):
        client.put("scratch", key, key.encode())
    told = client.batch_delete("scratch", ["a", "b", "c/d", "never there"])
    assert sorted(one["key"] for one in told["deleted"]) == ["a", "b", "c/d", "never there"] and not told["errors"], told
    assert client.list("scratch")["objects"] == []
