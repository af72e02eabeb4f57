"""Another tenant's webhooks are not there; whoever may not administer gets none."""

import time

from contract import refused
from hooks import hook, hooks, put
from receiver import Receiver
from scene import PATIENT, eventually, test

# Every operation of a webhook, with a body that would be taken.
OPERATIONS = (
    ("GET", "", None), ("PATCH", "", {"name": "mine"}), ("DELETE", "", None), ("POST", "/rotate-secret", {"overlapSeconds": 0}), ("POST", "/test", None), ("GET", "/deliveries", None),
    ("GET", "/parked", None), ("POST", "/parked/{position}/replay", None), ("DELETE", "/parked/{position}", None), ("POST", "/replay", {"from": "earliest"}), ("GET", "/replays", None),
    ("DELETE", "/replays/{replay}", None), ("POST", "/dry-run", {}))


@test(settings=PATIENT)
def another_tenants_webhook_is_not_there(scene):
    owner, stranger = scene.tenant("owner"), scene.tenant("stranger")
    bucket = scene.bucket("owned", owner)
    with Receiver() as told:
        one = hook(owner.native, told.url, events=["s3:*"])
        config = owner.native.notify(bucket, [{"id": "mine", "webhookUrl": told.url + "bucket", "events": ["s3:ObjectCreated:*"]}])["configs"][0]
        position = put(owner.native, bucket, "key")
        told.wait(2)
        replay = one.replay(**{"from": "earliest"})
        eventually(lambda: one.replayed(replay)["status"] == "done", "the replay")
        came, before = len(told.deliveries), one.get()
        mine = hook(stranger.native, told.url + "stranger", events=["s3:*"])
        assert [each["id"] for each in hooks(stranger.native)] == [mine.id] and one.id in [each["id"] for each in hooks(owner.native)]
        for webhook in (one.id, config["subscription"], "wh_" + "0" * 32):
            for method, rest, body in OPERATIONS:
                path = f"/webhooks/{webhook}" + rest.format(position=position, replay=replay["id"])
                refused(stranger.native.ask(method, path, json=body), "not_found")
        # A replay of another webhook is not this one's.
        refused(mine.ask("DELETE", f"/replays/{replay['id']}"), "not_found")
        for method, rest in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/mine/rotate-secret")):
            refused(stranger.native.ask(method, f"/buckets/{bucket}/notifications{rest}", json={"configs": []} if method == "PUT" else None), "not_found")
        now = one.get()
        assert {name: now[name] for name in now if name != "delivery"} == {name: before[name] for name in before if name != "delivery"}, (before, now)
        put(owner.native, bucket, "key")
        told.wait(came + 2)
        assert {each.path for each in told.deliveries} == {"/", "/bucket"}, told.told()


@test(settings=PATIENT)
def a_disabled_tenant_is_told_nothing_until_it_is_enabled(scene):
    """Neither by the server that it was disabled on nor after a restart; then it is told of everything."""
    owner = scene.tenant("disabled")
    bucket = scene.bucket("disabled", owner)
    with Receiver() as told:
        told.rule = 503
        one = hook(owner.native, told.url, events=["s3:ObjectCreated:*"])
        written = [put(owner.native, bucket, f"key-{number}") for number in range(3)]
        told.wait(1, of=lambda: told.deliveries)
        scene.manage("POST", f"/tenants/{owner.tenant}/disable", json={"reason": "a test says so"})
        # What was under way when it was disabled ends.
        time.sleep(1)
        told.rule, before = 200, len(told.deliveries)
        # Retries are due every second.
        time.sleep(4)
        assert len(told.deliveries) == before, told.told()
        scene.kill()
        scene.start()
        time.sleep(2)
        assert len(told.deliveries) == before, f"told after a restart: {told.told()}"
        scene.manage("POST", f"/tenants/{owner.tenant}/enable")
        told.wait_for(written[-1])
        written.append(put(owner.native, bucket, "key-0"))
        told.wait_for(written[-1])
        assert sorted(each.position for each in told.accepted()) == written, told.told()
        assert one.get()["status"] == "active", one.get()


@test(settings=PATIENT)
def webhooks_are_for_administrators(scene):
    native = scene.native
    weak = scene.key("op=read,op=write,op=delete").native
    with Receiver() as told:
        one = hook(native, told.url, events=["s3:ObjectAcl:Put"])
        refused(weak.ask("GET", "/webhooks"), "forbidden")
        refused(weak.ask("POST", "/webhooks", json={"url": told.url}), "forbidden")
        refused(weak.ask("POST", "/webhooks/dry-run", json={}), "forbidden")
        for method, rest, body in OPERATIONS:
            refused(weak.ask(method, one.path + rest.format(position=1, replay="1"), json=body), "forbidden")
        assert scene.http.get(scene.endpoint + "/api/v1/webhooks").status_code == 401
        assert not told.deliveries
        one.delete()
