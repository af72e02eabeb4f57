"""Addresses to which nobody may be made to connect: every spelling, names, names that change their answer, redirects."""

import contextlib
import socket

import botocore.exceptions

from hooks import Hook, feed, hook, put, told_of
from names import Names
from proof import everything
from receiver import Receiver, Trap
from scene import eventually, free_port, test

NAME_SERVER = free_port()
QUICK = {"notifier.dns_servers": f"127.0.0.1:{NAME_SERVER}", "notifier.retry_schedule": "0s,1s,1s,1s,1s,1s,1s,1s,1s,1s,10m,10m",
         "notifier.probe_interval_max_s": 1, "notifier.park_after_attempts": 100, "notifier.timeout_s": 3, "log.level": "debug"}
# The receiver is allowed, its neighbour is the trap.
ALLOWED, TRAPPED = "127.0.0.2", "127.0.0.1"
ONE_ALLOWED = QUICK | {"notifier.allowed_networks": f"{ALLOWED}/32"}

ADDRESSES = """
127.0.0.1 127.0.0.2 127.255.255.254 0.0.0.0 10.0.0.1 172.16.0.1 192.168.0.1 100.64.0.1 169.254.169.254
[::1] [::] [::ffff:127.0.0.1] [::ffff:10.0.0.1] [::ffff:7f00:1] [::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b::a00:1] [fc00::1] [fd00:ec2::254] [fe80::1]
[2002:7f00:1::] localhost localhost. LOCALHOST a.localhost
2130706433 017700000001 0x7f000001 0x7F.0.0.1 0177.0.0.1 0177.0.0.01 127.1 127.0.1 0 127.0.0.1. 127%2e0.0.1 ①②⑦.0.0.1
""".split()
NAMED = {
    "inside.test": ["127.0.0.1"], "six.test": ["::1"], "mapped.test": ["::ffff:127.0.0.1"], "translated.test": ["64:ff9b::7f00:1"], "meta.test": ["169.254.169.254"],
    "private.test": ["10.0.0.1"], "shared.test": ["100.64.0.1"], "unspecified.test": ["0.0.0.0", "::"], "both.test": ["127.0.0.1", "::1"], "local.test": ["fe80::1"],
}


@contextlib.contextmanager
def trapped(port):
    """Whatever listens where nobody may connect, on one port; it is proved to notice."""
    with Trap(TRAPPED, port) as four, (Trap("::1", port) if six() else contextlib.nullcontext()) as other:
        traps = [trap for trap in (four, other) if trap]
        try:
            yield
        finally:
            assert not any(trap.touched for trap in traps), f"connected: {[trap.touched for trap in traps]}"
        socket.create_connection((TRAPPED, port), 5).close()
        eventually(lambda: four.touched, "the trap's own proof")


def six():
    """Whether this machine has an IPv6 loopback."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def refused_or_silent(native, bucket, urls, then=lambda: None):
    """Each address is refused when it is given, or no attempt ever gets an answer: how many were refused. `then` happens before an event does."""
    stored, refused = {}, 0
    for url in urls:
        answer = native.ask("POST", "/webhooks", json={"url": url, "buckets": [bucket], "events": ["s3:*"]})
        assert answer.status_code in (201, 400), f"{url}: {answer.status_code} {answer.text}"
        if answer.status_code == 201:
            stored[url] = Hook(native, answer.json())
        else:
            assert answer.json()["code"] == "invalid_request", answer.text
            refused += 1
    then()
    put(native, bucket, "for nobody")
    for url, one in stored.items():
        failed = eventually(lambda: one.deliveries(status="failed"), f"an attempt at {url}")
        # Whoever connects to where nothing answers waits for the timeout of 3 s; whoever may not does not begin.
        assert all(each.get("statusCode") is None and each["error"] and each["latencyMs"] < 2_500 for each in failed), (url, failed)
        tried = one.test()
        assert tried["delivered"] is False and tried.get("statusCode") is None and tried["error"], (url, tried)
        assert {each["outcome"] for each in one.deliveries()} == {"failed"}, url
        one.delete()
    return refused


@test(settings=QUICK)
def no_spelling_of_an_inner_address_is_ever_connected_to(scene):
    native, bucket, port = scene.native, scene.bucket("inner"), free_port()
    literal, named = ([f"http://{address}:{port}/" for address in addresses] for addresses in (ADDRESSES, NAMED))
    with Names(NAME_SERVER, NAMED) as names, trapped(port):
        refused = refused_or_silent(native, bucket, literal), refused_or_silent(native, bucket, named)
        assert all(names.asked[name, "A"] + names.asked[name, "AAAA"] for name in NAMED), f"the name server was not asked: {names.asked}"
    print(f"          refused when given: {refused[0]} of {len(literal)} spellings, {refused[1]} of {len(named)} names", flush=True)


@test(settings=QUICK)
def a_name_that_turns_inward_later_is_never_connected_to(scene):
    """Names that are nobody's when they are given, and lead inside when an event is to be sent."""
    native, bucket, port = scene.native, scene.bucket("inward"), free_port()
    with Names(NAME_SERVER, dict.fromkeys(NAMED, [])) as names, trapped(port):
        def turn():
            names.answers = NAMED
            names.asked.clear()
        refused = refused_or_silent(native, bucket, [f"http://{name}:{port}/" for name in NAMED], turn)
        assert refused == 0, "a name without an address cannot be told from one that is away for a while"
        assert all(names.asked[name, "A"] + names.asked[name, "AAAA"] for name in NAMED), f"not asked again: {names.asked}"


@test(settings=QUICK)
def no_other_door_lets_an_inner_address_in(scene):
    """Changing an address, replaying to one, a bucket's configuration at either door: refused, or tried without an answer."""
    native, bucket, port = scene.native, scene.bucket("doors"), free_port()
    # Nobody's while it is given, inside when something is sent.
    turning = f"http://turning.test:{port}/"
    with Names(NAME_SERVER, NAMED | {"turning.test": []}) as names, trapped(port):
        put(native, bucket, "before")
        one = hook(native, turning, buckets=[bucket], events=["s3:*"], status="paused")

        def tried(subscription, what):
            """An event, and what became of it."""
            names.answers["turning.test"] = [TRAPPED]
            put(native, bucket, what)
            seen = lambda: native.call("GET", f"/webhooks/{subscription}/deliveries", params={"limit": 1000}).json()["deliveries"]
            failed = eventually(seen, f"an attempt by {what}")
            assert all(each["outcome"] == "failed" and each.get("statusCode") is None and each["error"] for each in failed), failed
            names.answers["turning.test"] = []

        def configured():
            return native.notifications(bucket)["configs"][0]["subscription"]
        given = 0
        for inner in (f"http://{TRAPPED}:{port}/", f"http://[::ffff:127.0.0.1]:{port}/", f"http://inside.test:{port}/", turning):
            answer = one.ask("PATCH", json={"url": inner, "status": "active"})
            assert answer.status_code in (200, 400), answer.text
            if answer.status_code == 200:
                tried(one.id, "change")
            answer = one.ask("POST", "/replay", json={"from": "earliest", "url": inner})
            assert answer.status_code in (202, 400), answer.text
            if answer.status_code == 202:
                tried(one.id, "replay")
                assert one.replayed(answer.json())["delivered"] == 0, one.replayed(answer.json())
                one.ask("DELETE", f"/replays/{answer.json()['id']}")
            answer = native.ask("PUT", f"/buckets/{bucket}/notifications", json={"configs": [{"webhookUrl": inner, "events": ["s3:ObjectCreated:*"]}]})
            assert answer.status_code in (200, 400), answer.text
            if answer.status_code == 200:
                tried(configured(), "configuration")
            try:
                scene.s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [
                    {"QueueArn": f"arn:holdfast:webhook:::{inner}", "Events": ["s3:ObjectCreated:*"]}]})
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "InvalidArgument", error.response
            else:
                tried(configured(), "S3 configuration")
                given += 1
        assert given, "nothing was tried"
        one.delete()
        native.clear_notifications(bucket)


@test(settings=ONE_ALLOWED)
def an_allowed_network_works_and_its_neighbours_do_not(scene):
    native, bucket = scene.native, scene.bucket("allowed")
    with Receiver(host=ALLOWED) as told, Names(NAME_SERVER, {"allowed.test": [ALLOWED], "mixed.test": [ALLOWED, TRAPPED]}), trapped(told.port):
        hook(native, told.url + "address", buckets=[bucket], events=["s3:*"])
        hook(native, f"http://allowed.test:{told.port}/name", buckets=[bucket], events=["s3:*"])
        mixed = hook(native, f"http://mixed.test:{told.port}/mixed", buckets=[bucket], events=["s3:*"])
        for number in range(5):
            put(native, bucket, f"{number}")
        wanted = told_of(feed(native), buckets=[bucket])
        for path in ("/address", "/name"):
            came = told.wait(5, of=lambda: [one for one in told.accepted() if one.path == path])
            everything(came, wanted)
        assert {one.headers["host"] for one in told.deliveries if one.path == "/name"} == {f"allowed.test:{told.port}"}
        # Of two addresses the one that is allowed may be used, or neither.
        eventually(lambda: mixed.deliveries(), "an attempt at two addresses")
        refused_or_silent(native, bucket, [f"http://{TRAPPED}:{told.port}/", f"http://[::ffff:127.0.0.1]:{told.port}/", f"http://[::1]:{told.port}/"])
        mixed.delete()


@test(settings=ONE_ALLOWED)
def a_name_that_changes_its_answer_leads_nowhere_else(scene):
    """The address that was looked at is the one that is connected to, whatever the name says at the next question."""
    native, bucket = scene.native, scene.bucket("changing")

    def by_turns(every):
        return lambda number: [ALLOWED] if number // every % 2 == 0 else [TRAPPED]
    answers = {"turns.test": by_turns(1), "pairs.test": by_turns(2), "once.test": lambda number: [ALLOWED] if number == 0 else [TRAPPED]}
    # The connection ends with each answer, so each attempt asks anew.
    with Receiver((200, {"connection": "close"}), host=ALLOWED) as told, Names(NAME_SERVER, answers) as names, trapped(told.port):
        made = {name: hook(native, f"http://{name}:{told.port}/{name}", buckets=[bucket], events=["s3:*"], mode="strict") for name in answers}
        for number in range(6):
            put(native, bucket, f"{number}")
        for name in ("turns.test", "pairs.test"):
            told.wait(6, 60, of=lambda: [one for one in told.accepted() if one.path == "/" + name])
        for name, one in made.items():
            failed = eventually(lambda: one.deliveries(status="failed"), f"an attempt at {name}")
            assert all(each.get("statusCode") is None and each["error"] for each in failed), failed
            assert names.asked[name, "A"] > 1, f"{name} was asked for {names.asked}"
            one.delete()


@test(settings=ONE_ALLOWED)
def a_redirect_is_a_failure_and_is_not_followed(scene):
    native, bucket = scene.native, scene.bucket("redirected")
    port = free_port()
    codes = (301, 302, 303, 307, 308)

    def redirect(delivery):
        code = int(delivery.path[1:].split("/")[0])
        return (code, {"location": f"http://{TRAPPED}:{port}/"}) if delivery.attempt == 1 else 200
    with Receiver(redirect, host=ALLOWED) as told, trapped(port):
        made = {code: hook(native, f"{told.url}{code}", buckets=[bucket], events=["s3:*"]) for code in codes}
        put(native, bucket, "key")
        told.wait(len(codes))
        for code, one in made.items():
            failed = one.deliveries(status="failed")
            assert [(each["attempt"], each["statusCode"]) for each in failed] == [(1, code)], failed
