"""What must hold of what came: nothing missing, in order, repeats alike, the chain of positions whole, signatures right.

Owns: comparing deliveries with the change feed, reading positions, buckets and keys out of every form.
Does not own: reading the feed (hooks.py), receiving (receiver.py).
"""

import base64
import collections
import dataclasses
import hashlib
import hmac
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

ID = re.compile(r"evt_(\w+)_(\d+)_(\d+)")


@dataclasses.dataclass(frozen=True)
class Event:
    """An event as the change feed shows it. Those of no bucket or no object have none."""
    position: int
    type: str
    bucket: str | None
    key: str | None
    document: dict = dataclasses.field(compare=False, repr=False)

    @classmethod
    def of(cls, document):
        return cls(document["position"], document["type"], document.get("bucket"), document.get("key"), document)


def named(delivery):
    """Bucket and key that a body names, whatever its form."""
    document = delivery.document
    if "Records" in document:
        about = document["Records"][0]["s3"]
        return about["bucket"]["name"], urllib.parse.unquote_plus(about["object"]["key"])
    if "specversion" in document:
        bucket = re.fullmatch(r"/tenants/[^/]+/buckets/([^/]+)", document["source"])
        return bucket and bucket.group(1), document.get("subject")
    return document.get("bucket"), document.get("key")


def few(things):
    things = list(things)
    return f"{len(things)}: {things[:10]}"


def dense(events):
    """The feed has every position, once and in order: from its first to its last."""
    positions = [event.position for event in events]
    assert positions and positions == list(range(positions[0], positions[0] + len(positions))), \
        f"not dense: {few((a, b) for a, b in zip(positions, positions[1:]) if b != a + 1)}"


def once_each(deliveries, events):
    """Each of these events came, and no other. What came more than once did so with the same id and the same bytes. First receipts, in order."""
    first, ids = {}, {}
    for one in deliveries:
        form = ID.fullmatch(one.id or "")
        assert form and int(form.group(3)) == one.position, f"id {one.id} of position {one.position}"
        known = first.setdefault(one.position, one)
        assert known.id == one.id, f"position {one.position} came as {known.id} and {one.id}"
        assert known.body == one.body and known.type == one.type, f"{one.id} came as {known.body} and as {one.body}"
        ids.setdefault(one.id, one.position)
    assert len(ids) == len(first), "one id for two positions"
    assert len({ID.fullmatch(one).group(1, 2) for one in ids}) <= 1, "ids of more than one tenant or epoch"
    wanted = {event.position: event for event in events}
    assert wanted, "no events: this test would prove nothing"
    assert not (missing := wanted.keys() - first.keys()), f"missing {few(sorted(missing))}"
    assert not (more := first.keys() - wanted.keys()), f"not to be sent: {few(sorted(more))}"
    for position, one in first.items():
        event = wanted[position]
        assert one.type == event.type, f"{one.id} is of type {one.type}, the feed says {event.type}"
        assert named(one) == (event.bucket, event.key), f"{one.id} names {named(one)}, the feed {event.bucket}, {event.key}"
    return list(first.values())


def in_order(deliveries, events, lane):
    """Each receipt is the one that follows the last of its lane, or a step back from where all is sent once more in order."""
    where, lanes = {event.position: lane(event) for event in events}, collections.defaultdict(list)
    for event in events:
        lanes[where[event.position]].append(event.position)
    rank = {position: number for positions in lanes.values() for number, position in enumerate(sorted(positions))}
    at = collections.defaultdict(lambda: -1)
    for one in deliveries:
        mine, number = where[one.position], rank[one.position]
        assert number <= at[mine] + 1, f"{mine}: {one.position} came before {sorted(lanes[mine])[at[mine] + 1:number]}"
        at[mine] = number


def chained(deliveries, events):
    """X-Holdfast-Prev of each is the position of the event that the subscription was sent before."""
    positions = sorted(event.position for event in events)
    before = dict(zip(positions, [None, *positions]))
    wrong = [(one.position, one.prev, before[one.position]) for one in deliveries if one.prev != before[one.position]]
    assert not wrong, f"position, Prev, what it should be: {few(wrong)}"


def everything(deliveries, events, lane=lambda event: (event.bucket, event.key)):
    """All of the above: how many came more than once."""
    once = once_each(deliveries, events)
    in_order(deliveries, events, lane)
    chained(deliveries, events)
    return len(deliveries) - len(once)


def verifies(delivery, secret):
    """Whether the official library takes it for what this secret signed."""
    try:
        Webhook(secret).verify(delivery.body, delivery.headers)
        return True
    except WebhookVerificationError:
        return False


def raw(secret):
    """The bytes of a secret."""
    assert secret.startswith("whsec_"), "a secret begins with whsec_"
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def x_signature(delivery, secret):
    signed = delivery.headers["x-webhook-timestamp"].encode() + b"." + delivery.body
    return "sha256=" + hmac.new(raw(secret), signed, hashlib.sha256).hexdigest()


def signed(delivery, secret):
    """Both signatures are by this secret."""
    assert verifies(delivery, secret), f"{delivery.headers} does not verify"
    assert delivery.headers["x-webhook-timestamp"] == delivery.headers["webhook-timestamp"], delivery.headers
    assert delivery.headers["x-signature"] == x_signature(delivery, secret), delivery.headers


def javascript(npm, pairs):
    """What the official JavaScript package says of deliveries with secrets: a list of truths."""
    assert (npm / "node_modules" / "standardwebhooks").exists(), f"the JavaScript package is not in {npm}: README.md says how it comes there"
    # Modules are found beside the script, so it runs from where they are installed.
    script = shutil.copy(pathlib.Path(__file__).with_name("verify.mjs"), npm / "verify.mjs")
    lines = "".join(json.dumps({"secret": secret, "headers": one.headers, "body": one.body.decode(), "came": one.came}) + "\n" for one, secret in pairs)
    done = subprocess.run(["node", script], input=lines, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"node exited {done.returncode}: {done.stderr[-2000:]}"
    return [json.loads(line)["verified"] for line in done.stdout.splitlines()]
