"""A client of the native API as an application's author would write it: from the public description of the API alone.

Owns: the token (minted, kept until shortly before it expires, minted once more after a 401), addresses of objects, problems as exceptions.
Does not own: what is expected of an answer. Names of fields that the description leaves open are read leniently.
"""

import base64
import time
import urllib.parse

import httpx

# A token this close to its end is not used any more.
MARGIN_S = 30


class Problem(Exception):
    """An application/problem+json answer."""

    def __init__(self, answer):
        try:
            told = answer.json()
        except ValueError:
            told = {}
        self.answer, self.status = answer, answer.status_code
        self.code, self.message, self.request_id = told.get("code"), told.get("message"), told.get("requestId")
        super().__init__(f"{answer.request.method} {answer.request.url.path}: {self.status} {self.code}: {self.message or answer.content[:200]!r}")


def escape(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-_~")


def key_path(key):
    """A key as the rest of a path: slashes stay. A segment of dots is escaped, or libraries would resolve it away."""
    return "/".join(segment.replace(".", "%2E") if segment in (".", "..") else escape(segment, ".") for segment in key.split("/"))


class Client:
    def __init__(self, endpoint, access_key, secret_key, basic=True, http=None):
        self.endpoint, self.base = endpoint, endpoint + "/api/v1"
        self.access_key, self.secret_key, self.basic = access_key, secret_key, basic
        self.http = http or httpx.Client(timeout=60, trust_env=False)
        self.held, self.until, self.minted = None, 0, 0

    # The token.

    def mint(self):
        """Asks for a token: the answer's document."""
        if self.basic:
            pair = base64.b64encode(f"{self.access_key}:{self.secret_key}".encode()).decode()
            answer = self.http.post(self.base + "/auth/token", headers={"Authorization": f"Basic {pair}"})
        else:
            answer = self.http.post(self.base + "/auth/token", json={"accessKeyId": self.access_key, "secretKey": self.secret_key})
        if answer.status_code != 200:
            raise Problem(answer)
        self.minted += 1
        return answer.json()

    def token(self):
        if not self.held or time.monotonic() > self.until:
            told = self.mint()
            self.held = told.get("accessToken") or told.get("access_token") or told["token"]
            self.until = time.monotonic() + told.get("expiresIn", 3600) - MARGIN_S
        return self.held

    def ask(self, method, path, *, headers=None, **rest):
        """One request with the token; after a 401 once more with a new one. The answer, whatever it is."""
        for attempt in (1, 2):
            held = self.token()
            answer = self.http.request(method, self.base + path, headers={**(headers or {}), "Authorization": f"Bearer {held}"}, **rest)
            if answer.status_code != 401 or attempt == 2:
                return answer
            self.held = None

    def call(self, method, path, **rest):
        """As `ask`, but a problem is raised."""
        answer = self.ask(method, path, **rest)
        if answer.status_code >= 400:
            raise Problem(answer)
        return answer

    def of(self, bucket, kind="", key=None):
        return f"/buckets/{escape(bucket, '.')}{kind}" + ("" if key is None else "/" + key_path(key))

    # Buckets.

    def buckets(self):
        return self.call("GET", "/buckets").json()["buckets"]

    def create_bucket(self, name, **options):
        return self.call("POST", "/buckets", json={"name": name, **options}).json()

    def bucket(self, name):
        return self.call("GET", self.of(name)).json()

    def delete_bucket(self, name):
        self.call("DELETE", self.of(name))

    def versioning(self, bucket):
        return self.call("GET", self.of(bucket, "/versioning")).json()

    def set_versioning(self, bucket, status):
        return self.call("PUT", self.of(bucket, "/versioning"), json={"status": status}).json()

    # Objects.

    def put(self, bucket, key, body, headers=None, **rest):
        return self.call("PUT", self.of(bucket, "/objects", key), content=body, headers=headers, **rest).json()

    def get(self, bucket, key, headers=None, **query):
        return self.call("GET", self.of(bucket, "/objects", key), headers=headers, params=query)

    def head(self, bucket, key, headers=None, **query):
        return self.call("HEAD", self.of(bucket, "/objects", key), headers=headers, params=query)

    def delete(self, bucket, key, **query):
        """What was deleted, empty when the answer says nothing."""
        answer = self.call("DELETE", self.of(bucket, "/objects", key), params=query)
        return answer.json() if answer.content else {}

    def list(self, bucket, **query):
        return self.call("GET", self.of(bucket, "/objects"), params=query).json()

    def batch_delete(self, bucket, keys):
        return self.call("POST", self.of(bucket, "/objects:batchDelete"), json={"objects": [{"key": key} for key in keys]}).json()

    def copy(self, source_bucket, source_key, bucket, key, **options):
        document = {"sourceBucket": source_bucket, "sourceKey": source_key, **options}
        return self.call("POST", self.of(bucket, "/object-copy", key), json=document).json()

    # Versions, tags, locks.

    def versions(self, bucket, **query):
        return self.call("GET", self.of(bucket, "/versions"), params=query).json()

    def tags(self, bucket, key, **query):
        return self.call("GET", self.of(bucket, "/object-tags", key), params=query).json()

    def set_tags(self, bucket, key, tags, **query):
        return self.call("PUT", self.of(bucket, "/object-tags", key), json={"tags": tags}, params=query).json()

    def clear_tags(self, bucket, key, **query):
        return self.call("DELETE", self.of(bucket, "/object-tags", key), params=query)

    def retention(self, bucket, key, **query):
        return self.call("GET", self.of(bucket, "/object-retention", key), params=query).json()

    def retain(self, bucket, key, mode, until, **query):
        return self.call("PUT", self.of(bucket, "/object-retention", key), json={"mode": mode, "retainUntil": until}, params=query).json()

    def legal_hold(self, bucket, key, **query):
        return self.call("GET", self.of(bucket, "/object-legal-hold", key), params=query).json()

    def hold(self, bucket, key, status, **query):
        return self.call("PUT", self.of(bucket, "/object-legal-hold", key), json={"status": status}, params=query).json()

    # Multipart.

    def create_upload(self, bucket, key, **options):
        return self.call("POST", self.of(bucket, "/multipart", key), json=options or None).json()["uploadId"]

    def upload_part(self, bucket, key, upload, number, body, headers=None):
        return self.call("PUT", self.of(bucket, f"/multipart/{upload}/parts/{number}", key), content=body, headers=headers).json()

    def parts(self, bucket, key, upload, **query):
        return self.call("GET", self.of(bucket, f"/multipart/{upload}/parts", key), params=query).json()

    def complete(self, bucket, key, upload, parts, headers=None):
        """`parts` as `upload_part` answered them."""
        document = {"parts": [{"partNumber": part["partNumber"], "etag": part["etag"]} for part in parts]}
        return self.call("POST", self.of(bucket, f"/multipart/{upload}/complete", key), json=document, headers=headers).json()

    def abort(self, bucket, key, upload):
        return self.call("DELETE", self.of(bucket, f"/multipart/{upload}", key))

    def uploads(self, bucket, **query):
        return self.call("GET", self.of(bucket, "/multipart"), params=query).json()["uploads"]

    # Signed addresses, notifications.

    def sign(self, method, bucket, key, ttl_s=None, **options):
        """An address that works without a token."""
        document = {"method": method, "bucket": bucket, "key": key, **options} | ({} if ttl_s is None else {"ttlSeconds": ttl_s})
        # A server that was not told its public address gives a path.
        return urllib.parse.urljoin(self.endpoint, self.call("POST", "/sign-url", json=document).json()["url"])

    def notifications(self, bucket):
        return self.call("GET", self.of(bucket, "/notifications")).json()

    def notify(self, bucket, configs):
        return self.call("PUT", self.of(bucket, "/notifications"), json={"configs": configs}).json()

    def clear_notifications(self, bucket):
        return self.call("DELETE", self.of(bucket, "/notifications"))
