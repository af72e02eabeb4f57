"""Signatures that the official libraries verify, and secrets that are shown once."""

import base64
import json
import re
import time

from contract import ok, refused
from hooks import Following, Hook, feed, hook, hooks, put, remove, tag, told_of
from proof import ID, everything, javascript, raw, signed, verifies
from receiver import Receiver
from scene import PATIENT, eventually, test

OVERLAP_S = 3


def operations(scene, native, bucket, count=8):
    """Writes of every kind: how many events a subscription to s3:* is told of."""
    for number in range(count):
        put(native, bucket, f"in/ünïcode +&%{number}.txt", b"content %d" % number)
    tag(native, bucket, "in/ünïcode +&%0.txt", colour="blue")
    remove(native, bucket, "in/ünïcode +&%1.txt")
    return count + 2


@test(settings=PATIENT)
def every_delivery_verifies_in_python_and_javascript(scene):
    native, bucket = scene.native, scene.bucket("signed")
    with Receiver() as told:
        made = {form: hook(native, told.url + form, format=form, buckets=[bucket], events=["s3:*"]) for form in ("cloudevents", "s3", "native")}
        count = operations(scene, native, bucket)
        came = told.wait(3 * count)
    pairs = [(one, made[one.path.removeprefix("/")].secret) for one in came]
    for one, secret in pairs:
        signed(one, secret)
        assert abs(int(one.headers["webhook-timestamp"]) - one.came) < 5, one.headers
        assert ID.fullmatch(one.id) and one.id.endswith(f"_{one.position}") and one.attempt == 1 and one.replay is None, one.headers
        assert re.fullmatch(r"Holdfast/\S+", one.headers["user-agent"]), one.headers
        wanted = "application/cloudevents+json" if one.path == "/cloudevents" else "application/json"
        assert one.headers["content-type"].split(";")[0] == wanted, one.headers
    assert javascript(scene.options.npm, pairs) == [True] * len(pairs)
    for form, one in made.items():
        assert len(raw(one.secret)) == 32
        everything([each for each in came if each.path == "/" + form], told_of(feed(native), buckets=[bucket]))
    # Neither takes what somebody else signed, or what was changed.
    other = [(one, made["s3" if one.path != "/s3" else "native"].secret) for one, _ in pairs]
    assert not any(verifies(one, secret) for one, secret in other)
    assert javascript(scene.options.npm, other) == [False] * len(pairs)


@test(settings=PATIENT)
def both_secrets_sign_until_the_overlap_ends(scene):
    native, bucket = scene.native, scene.bucket("rotated")
    with Receiver() as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        first = told.wait_for(put(native, bucket, "before"))
        signed(first, one.secret)
        assert len(first.headers["webhook-signature"].split(" ")) == 1, first.headers
        rotated = one.rotate(overlapSeconds=OVERLAP_S)
        old, new = one.secrets
        assert old != new and len(raw(new)) == 32 and rotated["id"] == one.id and rotated["previousSecretExpiresAt"], rotated.keys()
        assert one.get()["previousSecretExpiresAt"] == rotated["previousSecretExpiresAt"]
        during = told.wait_for(put(native, bucket, "during"))
        ends = time.monotonic() + OVERLAP_S + 0.5
        assert len(during.headers["webhook-signature"].split(" ")) == 2, during.headers
        signed(during, new)
        assert verifies(during, old)
        pairs = [(during, new), (during, old)]
        time.sleep(max(0, ends - time.monotonic()))
        after = told.wait_for(put(native, bucket, "after"))
        signed(after, new)
        assert not verifies(after, old) and len(after.headers["webhook-signature"].split(" ")) == 1, after.headers
        assert "previousSecretExpiresAt" not in one.get()
        assert javascript(scene.options.npm, [*pairs, (after, new), (after, old)]) == [True, True, True, False]
        # Without an overlap the old one ends at once.
        one.rotate(overlapSeconds=0)
        last = told.wait_for(put(native, bucket, "last"))
        signed(last, one.secret)
        assert not verifies(last, new)
    for wrong in ({"overlapSeconds": -1}, {"overlapSeconds": 2_592_001}, {"overlapSeconds": "1"}, {"overlap": 1}):
        refused(one.ask("POST", "/rotate-secret", json=wrong), "invalid_request")


@test(settings=PATIENT)
def a_retry_is_signed_anew_and_verifies(scene):
    native, bucket = scene.native, scene.bucket("again")
    with Receiver(lambda delivery: 500 if delivery.attempt == 1 else 200) as told:
        one = hook(native, told.url, buckets=[bucket], events=["s3:*"])
        put(native, bucket, "key")
        told.wait(1)
        first, second = told.deliveries
        assert (first.attempt, second.attempt, first.id, first.body) == (1, 2, second.id, second.body)
        for each in (first, second):
            signed(each, one.secret)


@test(settings=PATIENT)
def a_buckets_secret_is_had_by_rotating_it(scene):
    native, bucket = scene.native, scene.bucket("configured")
    with Receiver() as told:
        config = native.notify(bucket, [{"id": "mine", "webhookUrl": told.url, "events": ["s3:ObjectCreated:*"]}])["configs"][0]
        assert config["hasSecret"] is True and config["subscription"].startswith("wh_") and "signingSecret" not in config, config
        rotated = ok(native.ask("POST", f"/buckets/{bucket}/notifications/mine/rotate-secret", json={"overlapSeconds": 0}), 200)
        assert rotated.headers["cache-control"] == "no-store" and rotated.json()["id"] == "mine", rotated.headers
        secret = rotated.json()["signingSecret"]
        came = told.wait_for(put(native, bucket, "key"))
        signed(came, secret)
        # Set once more, a configuration keeps its secret and its subscription.
        again = native.notify(bucket, [{"id": "mine", "webhookUrl": told.url + "again", "events": ["s3:ObjectCreated:*"]}])["configs"][0]
        assert again["subscription"] == config["subscription"], again
        came = told.wait_for(put(native, bucket, "key"))
        assert came.path == "/again"
        signed(came, secret)
    refused(native.ask("POST", f"/buckets/{bucket}/notifications/other/rotate-secret"), "not_found")
    weak = scene.key(f"op=read:bucket={bucket},op=write:bucket={bucket}")
    refused(weak.native.ask("POST", f"/buckets/{bucket}/notifications/mine/rotate-secret"), "forbidden")


def traces(secret):
    """How a secret may show: as it is, without its name, with another alphabet, in hexadecimal."""
    key = raw(secret)
    plain = base64.b64encode(key).decode()
    return {plain.rstrip("="), base64.urlsafe_b64encode(key).decode().rstrip("="), key.hex(), key.hex().upper(), plain.replace("/", "\\/").rstrip("=")}


@test(settings=PATIENT)
def a_secret_is_shown_once_and_never_again(scene):
    native, bucket = scene.native, scene.bucket("secret")
    with Receiver(lambda delivery: 500 if "poison" in delivery.body.decode() and delivery.attempt == 1 else 200) as told:
        answer = ok(native.ask("POST", "/webhooks", json={"url": told.url, "buckets": [bucket], "events": ["*"], "name": "kept"}), 201)
        assert answer.headers["cache-control"] == "no-store" and int(answer.headers["x-holdfast-position"]) > 0, answer.headers
        assert answer.json()["hasSecret"] is True
        # Asked again with the same idempotency key, the secret is not told again.
        document, same = {"url": told.url, "events": ["s3:ObjectAcl:Put"]}, {"Idempotency-Key": "made-once"}
        once = ok(native.ask("POST", "/webhooks", json=document, headers=same), 201).json()
        again = native.ask("POST", "/webhooks", json=document, headers=same)
        assert again.status_code == 409 and once["signingSecret"] not in again.text, again
        assert len([each for each in hooks(native) if (each["url"], each["events"]) == (told.url, ["s3:ObjectAcl:Put"])]) == 1
        one = Hook(native, answer.json())
        rotated = ok(one.ask("POST", "/rotate-secret", json={"overlapSeconds": 600}), 200)
        assert rotated.headers["cache-control"] == "no-store", rotated.headers
        one.secrets.append(rotated.json()["signingSecret"])
        native.notify(bucket, [{"id": "mine", "webhookUrl": told.url, "events": ["s3:ObjectCreated:*"]}])
        secrets = [once["signingSecret"], *one.secrets, native.call("POST", f"/buckets/{bucket}/notifications/mine/rotate-secret").json()["signingSecret"]]
        count = operations(scene, native, bucket)
        put(native, bucket, "poison")
        told.wait(count)
        replay = one.replay(**{"from": "earliest"})
        eventually(lambda: one.replayed(replay)["status"] == "done", "the replay")
        position = told.deliveries[0].position
        answers = [
            one.ask("GET"), one.ask("PATCH", json={"name": "still kept"}), one.ask("PATCH", json={"signingSecret": secrets[0]}), one.ask("PATCH", json={"hasSecret": False}),
            native.ask("GET", "/webhooks"), one.ask("GET", "/deliveries"), one.ask("GET", "/parked"), one.ask("GET", "/replays"),
            one.ask("POST", "/test"), one.ask("POST", "/dry-run", json={}), one.ask("POST", f"/parked/{position}/replay"), one.ask("POST", "/replay", json={}),
            one.ask("POST", "/rotate-secret", json={"overlapSeconds": -1}), native.ask("POST", "/webhooks", json={"url": "no address", "signingSecret": secrets[0]}),
            native.ask("GET", f"/buckets/{bucket}/notifications"), native.ask("PUT", f"/buckets/{bucket}/notifications", json={"configs": [
                {"id": "mine", "webhookUrl": told.url, "events": ["s3:ObjectCreated:*"]}]}),
            native.ask("GET", "/webhooks/wh_" + "0" * 32), scene.operator.get("/audit", params={"tenant": "default", "limit": 1000}), scene.http.get(scene.admin_url + "/metrics")]
        assert [answer.status_code for answer in answers[:2]] == [200, 200] and answers[0].json()["hasSecret"] is True, answers[:2]
        assert all(hooked["hasSecret"] is True for hooked in hooks(native))
        # What is not a member of a webhook cannot be set.
        assert [answer.status_code for answer in answers[2:4]] == [400, 400], answers[2:4]
        texts = {f"{answer.request.method} {answer.request.url.path} {answer.status_code}": answer.text + str(answer.headers) for answer in answers}
        texts["feed"] = "\n".join(json.dumps(event.document) for event in feed(native))
        with Following(native, **{"from": "earliest"}) as following:
            texts["feed as it goes on"] = "\n".join(json.dumps(event.document) for _, _, event in following.take(len(texts["feed"].splitlines())))
        texts["S3 configuration"] = json.dumps(scene.s3.get_bucket_notification_configuration(Bucket=bucket), default=str)
        for each in told.deliveries:
            texts[f"delivery {each.id} {each.attempt}"] = str(each.headers) + each.body.decode()
    one.delete()
    texts["gone"] = one.ask("GET").text
    texts["log"] = scene.log()
    assert "DEBUG" in texts["log"].upper(), "the log should tell everything"
    for name, text in texts.items():
        assert "whsec_" not in text, f"{name} shows a secret: {text[max(0, text.index('whsec_') - 200):][:400]}"
        for secret in secrets:
            assert not any(trace in text for trace in traces(secret)), f"{name} shows a secret"
    # Sealed at rest: no file has it, as text or as bytes.
    looked = 0
    for path in scene.server.data.rglob("*"):
        if path.is_file():
            content, looked = path.read_bytes(), looked + 1
            for secret in secrets:
                assert raw(secret) not in content and secret.removeprefix("whsec_").encode() not in content, f"{path.name} holds a secret"
    assert looked > 3, "no files were looked at"


@test(settings=PATIENT)
def a_test_delivery_is_signed_and_says_what_it_is(scene):
    native = scene.native
    with Receiver(204) as told:
        for form in ("cloudevents", "s3", "native"):
            one = hook(native, told.url + form, format=form, events=["s3:ObjectRemoved:*"])
            answer = one.test()
            assert answer["delivered"] is True and answer["statusCode"] == 204 and answer["latencyMs"] >= 0, answer
            came = [each for each in told.deliveries if each.path == "/" + form]
            assert len(came) == 1, told.told()
            signed(came[0], one.secret)
            assert came[0].type == "holdfast:Test" and re.fullmatch(r"evt_\w+_test_[0-9a-f]+", came[0].id) and answer["webhookId"] == came[0].id, came[0].headers
            if form == "s3":
                assert came[0].document["Service"] == "Amazon S3" and came[0].document["Event"] == "s3:TestEvent", came[0].document
        told.rule = 500
        answer = one.test()
        assert answer["delivered"] is False and answer["statusCode"] == 500 and answer.get("error"), answer
        assert len(told.deliveries) == 4, "a test is one attempt"
    answer = one.test()
    assert answer["delivered"] is False and answer.get("statusCode") is None and answer["error"], answer
