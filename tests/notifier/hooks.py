"""A client of webhooks and of the change feed, from their public description.

Owns: paths and documents of their operations, a webhook with the secrets that were shown, reading the feed to its end.
Does not own: asking with a token (tests/native/client.py), what is expected.
"""

import json
import time

from client import Problem, escape
from proof import Event

# A feed that never ends is a mistake: no test writes so much.
PAGES_MAX = 100_000


class Hook:
    """A webhook, or a bucket's subscription, as whoever owns it sees it. `secrets` are those that were shown, the last one in force."""

    def __init__(self, native, document):
        self.native, self.made, self.id = native, document, document["id"]
        self.secrets = [document["signingSecret"]] if "signingSecret" in document else []
        self.path = f"/webhooks/{self.id}"

    @property
    def secret(self):
        return self.secrets[-1]

    def ask(self, method, rest="", **more):
        return self.native.ask(method, self.path + rest, **more)

    def call(self, method, rest="", **more):
        return self.native.call(method, self.path + rest, **more)

    def get(self):
        return self.call("GET").json()

    def delivery(self):
        return self.get()["delivery"]

    def patch(self, **members):
        return self.call("PATCH", json=members).json()

    def delete(self):
        return self.call("DELETE")

    def rotate(self, **members):
        told = self.call("POST", "/rotate-secret", json=members or None).json()
        self.secrets.append(told["signingSecret"])
        return told

    def test(self):
        return self.call("POST", "/test").json()

    def deliveries(self, **query):
        return self.call("GET", "/deliveries", params=query).json()["deliveries"]

    def parked(self):
        return self.call("GET", "/parked").json()["parked"]

    def replay(self, **members):
        answer = self.call("POST", "/replay", json=members)
        assert answer.status_code == 202, answer
        return answer.json()

    def replays(self):
        return self.call("GET", "/replays").json()["replays"]

    def replayed(self, replay):
        """What has become of a replay."""
        return next(one for one in self.replays() if one["id"] == replay["id"])

    def dry_run(self, **members):
        return self.call("POST", "/dry-run", json=members).json()


def hook(native, url, **members):
    """A new webhook."""
    answer = native.call("POST", "/webhooks", json={"url": url, **members})
    assert answer.status_code == 201, answer
    return Hook(native, answer.json())


def hooks(native):
    return native.call("GET", "/webhooks").json()["webhooks"]


def page(native, **query):
    return native.call("GET", "/events", params=query).json()


def feed(native, start="earliest", **query):
    """Every event from there to the end: pages until one brings nothing."""
    events = []
    for _ in range(PAGES_MAX):
        told = page(native, **{"from": start, "limit": 1000, **query})
        events += [Event.of(document) for document in told["events"]]
        if not told["events"] and told["next"] == start:
            return events
        start = told["next"]
    raise AssertionError(f"the feed did not end: {start}")


def told_of(events, patterns=("s3:*",), buckets=None, prefix="", suffix=""):
    """Those that a subscription with this filter is told of."""
    def covers(pattern, name):
        return pattern == name or pattern.endswith("*") and name.startswith(pattern[:-1])
    return [one for one in events if any(covers(pattern, one.type) for pattern in patterns) and (not buckets or one.bucket in buckets)
            and (not (prefix or suffix) or one.key is not None and one.key.startswith(prefix) and one.key.endswith(suffix))]


# Writing: each gives the position of its event.

def position(answer):
    if answer.status_code >= 400:
        raise Problem(answer)
    return int(answer.headers["x-holdfast-position"])


def put(native, bucket, key, body=b"content"):
    return position(native.ask("PUT", native.of(bucket, "/objects", key), content=body))


def remove(native, bucket, key, **query):
    return position(native.ask("DELETE", native.of(bucket, "/objects", key), params=query))


def tag(native, bucket, key, **tags):
    return position(native.ask("PUT", native.of(bucket, "/object-tags", key), json={"tags": tags}))


class Following:
    """The feed as server-sent events, read as they come."""

    def __init__(self, native, last=None, patience_s=30, **query):
        headers = {"Authorization": f"Bearer {native.token()}", "Accept": "text/event-stream"} | ({"Last-Event-ID": last} if last else {})
        text = "&".join(f"{escape(name)}={escape(str(value))}" for name, value in query.items())
        self.request = native.http.build_request("GET", f"{native.base}/events?{text}", headers=headers, timeout=patience_s)
        self.answer = native.http.send(self.request, stream=True)
        self.lines = self.answer.iter_lines()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.answer.close()

    def take(self, count, patience_s=60):
        """The next so many events, each with id and type of its frame."""
        found, frame, ends = [], {}, time.monotonic() + patience_s
        while len(found) < count:
            assert time.monotonic() < ends, f"{len(found)} of {count} events within {patience_s} s"
            line = next(self.lines)
            if line:
                name, _, value = line.partition(":")
                frame[name] = frame.get(name, "") + value.removeprefix(" ")
            elif "data" in frame:
                found.append((frame.get("id"), frame.get("event"), Event.of(json.loads(frame["data"]))))
                frame = {}
            else:
                frame = {}
        return found
