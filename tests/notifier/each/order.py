"""Everything, in order, whoever is killed: receivers, Holdfast and NATS at random, while several write."""

import contextlib
import dataclasses
import json
import threading
import time

import httpx

import proof
from client import Client, Problem
from hooks import feed, hook, position, put, told_of
from receiver import Delivery, Program, Receiver
from scene import PATIENT, eventually, free_port, test
from stream import Nats

OPERATIONS, OPERATIONS_FULL = 3_000, 50_000
KILLS, KILLS_FULL = 6, 50
WRITERS, KEYS = 4, 300
BUCKETS = ("order-plain", "order.versioned")
WANTED = ("s3:*", "holdfast:Retention:*")
DRAIN_S = 120
# Without the log of everything: this one is for speed.
CHAOS = {name: value for name, value in PATIENT.items() if name != "log.level"}


@dataclasses.dataclass
class Work:
    """What writers do and have done: positions that were acknowledged, by what was asked."""
    left: int
    done: int = 0
    failed: int = 0
    known: dict = dataclasses.field(default_factory=dict)
    errors: list = dataclasses.field(default_factory=list)
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def take(self):
        with self.lock:
            self.left -= 1
            return self.left >= 0


def one_operation(client, chance, versions):
    """A random change of a random key: bucket, key and what it is called, and the position that was acknowledged."""
    bucket, key = chance.choice(BUCKETS), f"k/{chance.randrange(KEYS)}"
    of = client.of(bucket, "/objects", key)
    what = chance.choices(("put", "delete", "tag", "untag", "remove"), (60, 15, 12, 5, 8))[0]
    if what == "put":
        answer = client.ask("PUT", of, content=chance.randbytes(chance.choice((0, 10, 200))))
        if answer.status_code == 200 and (version := answer.json().get("versionId")):
            versions.append((key, version))
    elif what == "delete":
        answer = client.ask("DELETE", of)
    elif what == "remove" and versions:
        bucket, (key, version) = BUCKETS[1], versions.pop(chance.randrange(len(versions)))
        answer = client.ask("DELETE", client.of(bucket, "/objects", key), params={"versionId": version})
    elif what == "untag":
        answer = client.ask("DELETE", client.of(bucket, "/object-tags", key))
    else:
        answer = client.ask("PUT", client.of(bucket, "/object-tags", key), json={"tags": {"n": str(chance.randrange(1000))}})
    if answer.status_code == 404 or "x-holdfast-position" not in answer.headers:
        # There was nothing to change.
        assert answer.status_code < 500, answer.text
        return None
    return position(answer), (bucket, key)


def write(scene, work, number):
    chance, versions = scene.chance(f"writer {number}"), []
    client = Client(scene.endpoint, scene.root.access_key, scene.root.secret_key, http=httpx.Client(timeout=30, trust_env=False))
    while work.take():
        try:
            told = one_operation(client, chance, versions)
            with work.lock:
                work.done += 1
                if told:
                    assert told[0] not in work.known or work.known[told[0]] == told[1], f"position {told[0]} was acknowledged for two writes"
                    work.known[told[0]] = told[1]
        except (httpx.TransportError, Problem):
            # Killed meanwhile: it may have been done or not, and the feed says which.
            with work.lock:
                work.failed += 1
            time.sleep(0.05)
        except Exception as error:
            work.errors.append(f"{type(error).__name__}: {error}")
            return


def prepare(scene):
    scene.native.create_bucket(BUCKETS[0])
    scene.native.create_bucket(BUCKETS[1], versioning="enabled")


def chaos(scene, work, victims, kills):
    """Writers at work while one victim after the other is killed and started again: what was killed."""
    threads = [threading.Thread(target=write, args=(scene, work, number)) for number in range(WRITERS)]
    total, chance, killed = work.left, scene.chance("kills"), []
    # Each victim in turn, in an order of chance, at moments of chance.
    order = [name for _ in range(kills) for name in chance.sample(sorted(victims), len(victims))][:kills]
    moments = sorted(chance.randrange(total // 20, total) for _ in range(kills))
    for thread in threads:
        thread.start()
    for moment, name in zip(moments, order):
        while work.done + work.failed < moment and any(thread.is_alive() for thread in threads):
            time.sleep(0.005)
        victims[name].kill()
        time.sleep(chance.uniform(0, 0.3))
        victims[name].start()
        killed.append(name)
    for thread in threads:
        thread.join(600)
        assert not thread.is_alive(), "a writer does not end"
    assert not work.errors, work.errors
    return killed


def counted(killed):
    return "killed: " + ", ".join(f"{name} {killed.count(name)} times" for name in sorted(set(killed)))


def checked_feed(scene, work):
    """The feed to its end: dense, and with everything that was acknowledged."""
    events = feed(scene.native)
    proof.dense(events)
    at = {event.position: (event.bucket, event.key) for event in events}
    wrong = [(where, asked, at.get(where)) for where, asked in work.known.items() if at.get(where) != asked]
    assert not wrong, f"acknowledged, but not so in the feed: {proof.few(wrong)}"
    assert len(work.known) > work.done / 2, f"of {work.done} operations {len(work.known)} changed something"
    return events


def drained(one):
    def wanted():
        with contextlib.suppress(httpx.TransportError):
            now = one.get()
            assert now["status"] == "active", now
            return now["delivery"]["position"] >= now["delivery"]["headPosition"] and not now["delivery"].get("pending")
    eventually(wanted, f"everything sent ({one.get()['delivery']})", DRAIN_S)


@test(settings=CHAOS, alone=True)
def every_event_in_order_while_receiver_and_server_are_killed(scene):
    full = scene.full
    work, kills = Work(OPERATIONS_FULL if full else OPERATIONS), KILLS_FULL if full else KILLS
    prepare(scene)
    by_key, strictly = (Program(scene.folder, free_port(), name=name) for name in ("by-key", "strictly"))
    made = {}
    for program, mode, form in ((by_key, "key", "cloudevents"), (strictly, "strict", "native")):
        made[program] = hook(scene.native, program.url, mode=mode, format=form, events=list(WANTED), buckets=list(BUCKETS))
        program.secrets = [made[program].secret]
        program.start()
    killed = chaos(scene, work, {"holdfast": scene, "receiver by key": by_key, "receiver strictly": strictly}, kills)
    for one in made.values():
        drained(one)
    wanted = told_of(checked_feed(scene, work), WANTED, BUCKETS)
    said = [f"{work.done} operations, {work.failed} cut off, {len(wanted)} events, {counted(killed)}"]
    for program, one in made.items():
        program.kill()
        came = program.read()
        assert all(each.verified for each in came), "what came did not verify"
        lane = (lambda event: None) if program is strictly else (lambda event: (event.bucket, event.key))
        repeated = proof.everything(came, wanted, lane)
        said.append(f"{one.made['mode']}: {len(came)} deliveries, {repeated} of them repeats")
    assert len(wanted) > work.done / 2 and len(killed) == kills
    print("\n".join(f"          {line}" for line in said), flush=True)


def stream_with(nats, last):
    """The tenant's stream when it holds this position."""
    streams = [one for one in nats.streams() if any(subject.startswith("holdfast.default.") for subject in one.config.subjects)]
    assert len(streams) <= 1, f"one stream per tenant: {streams}"
    for one in streams:
        if one.state.messages and nats.last(one.config.name).position >= last:
            return one.config.name


def held(messages, wanted):
    """A stream holds each of these events once, in order, as its subject and its header say."""
    positions = [message.position for message in messages]
    assert positions == sorted(set(positions)), f"twice or out of order: {proof.few((a, b) for a, b in zip(positions, positions[1:]) if a >= b)}"
    assert len({message.headers["Nats-Msg-Id"].rsplit(":", 1)[0] for message in messages}) == 1, "more than one tenant or epoch"
    by_position = {message.position: message for message in messages}
    assert not (missing := [event.position for event in wanted if event.position not in by_position]), f"missing {proof.few(missing)}"
    for event in wanted:
        message = by_position[event.position]
        # The type is one token, without its vendor.
        kind = event.type.split(":", 1)[1].replace(":", "-")
        assert message.subject.split(".") == ["holdfast", "default", event.bucket.replace(".", "%2E"), kind], (message.subject, event)
        body = json.loads(message.body)
        assert body["specversion"] == "1.0" and int(body["sequence"]) == event.position and proof.ID.fullmatch(body["id"]), body
        assert proof.named(Delivery("", {}, message.body, 0)) == (event.bucket, event.key), (body, event)


@test(settings=CHAOS, alone=True)
def nats_has_each_position_once_whoever_is_killed(scene):
    full = scene.full
    work, kills = Work(OPERATIONS_FULL if full else OPERATIONS), KILLS_FULL if full else KILLS
    nats = Nats(scene.folder).start()
    try:
        # Its address is known now: the server comes back with it.
        scene.kill()
        scene.settings = scene.settings | {"nats.url": nats.url}
        scene.start()
        prepare(scene)
        killed = chaos(scene, work, {"holdfast": scene, "nats": nats}, kills)
        wanted = told_of(checked_feed(scene, work), WANTED, BUCKETS)

        messages = nats.read(eventually(lambda: stream_with(nats, wanted[-1].position), "the last event in the stream", DRAIN_S))
        held(messages, wanted)
        assert len(wanted) > work.done / 2 and len(killed) == kills
        print(f"          {work.done} operations, {work.failed} cut off, {len(messages)} messages, {counted(killed)}", flush=True)
    finally:
        nats.kill()


@test(settings=CHAOS, alone=True)
def nats_that_is_away_holds_nobody_up(scene):
    """A server that starts without its NATS serves, writes and webhooks too; the stream gets everything when there is one."""
    nats = Nats(scene.folder)
    scene.kill()
    scene.settings = scene.settings | {"nats.url": nats.url}
    scene.start()
    prepare(scene)
    with Receiver() as told:
        hook(scene.native, told.url, events=list(WANTED), buckets=list(BUCKETS))
        for number in range(50):
            put(scene.native, BUCKETS[number % 2], f"{number % 5}")
        told.wait(50)
    # Killed while it waits for NATS, it has forgotten nothing.
    scene.kill()
    scene.start()
    wanted = told_of(feed(scene.native), WANTED, BUCKETS)
    assert len(wanted) == 50
    nats.start()
    try:
        held(nats.read(eventually(lambda: stream_with(nats, wanted[-1].position), "the last event in the stream", DRAIN_S)), wanted)
    finally:
        nats.kill()


@test(settings=PATIENT)
def the_proof_itself_finds_what_is_wrong(scene):
    """Deliveries of a log of twelve events, right and then wrong in each way."""
    events = [proof.Event(number, "s3:ObjectCreated:Put", "b", f"k{number % 3}", {}) for number in range(10, 22)]

    def delivery(event, prev, body=None):
        headers = {"webhook-id": f"evt_1_1_{event.position}", "x-holdfast-position": str(event.position), "x-holdfast-event": event.type}
        headers |= {} if prev is None else {"x-holdfast-prev": str(prev)}
        return Delivery("/", headers, json.dumps(body or {"bucket": event.bucket, "key": event.key}).encode(), 0)
    right = [delivery(event, None if event.position == 10 else event.position - 1) for event in events]
    assert proof.everything(right, events) == 0
    # Other keys may flow past, and a step back repeats what follows.
    assert proof.everything([right[1], right[0], *right[2:]], events) == 0
    assert proof.everything([*right[:9], *right[3:]], events) == 6
    wrong = {
        "lost": right[:5] + right[6:],
        "out of order": [right[3], *right[:3], *right[4:]],
        "repeated with other bytes": [*right, delivery(events[11], 20, {"bucket": "b", "key": "k2", "more": 1})],
        "another key": [*right[:11], delivery(events[11], 20, {"bucket": "b", "key": "k1"})],
        "a wrong chain": [*right[:11], delivery(events[11], 19)],
        "no chain": [*right[:11], delivery(events[11], None)],
        "not to be sent": [*right, delivery(proof.Event(22, "s3:ObjectCreated:Put", "b", "k1", {}), 21)],
        "nothing": [],
    }
    for what, deliveries in wrong.items():
        try:
            proof.everything(deliveries, events)
        except AssertionError:
            continue
        raise AssertionError(f"not found: {what}")
    gap = [events[0], *events[2:]]
    try:
        proof.dense(gap)
    except AssertionError:
        return
    raise AssertionError("a gap was not found")
