"""A bucket's notification configuration: webhooks alone, their secrets never shown."""

import json

from contract import covers, ok, refusal, refused
from stage import test

HOOK = {"webhookUrl": "https://hooks.example.com/in?a=b", "events": ["s3:ObjectCreated:*"]}


@test
@covers("GET /buckets/{bucket}/notifications", "PUT /buckets/{bucket}/notifications", "DELETE /buckets/{bucket}/notifications")
def an_empty_configuration_is_set_shown_and_cleared(stage):
    bucket = stage.bucket()
    path = f"/buckets/{bucket}/notifications"
    assert ok(stage.native.ask("GET", path), 200).json()["configs"] == []
    assert ok(stage.native.ask("PUT", path, json={"configs": []}), 200).json()["configs"] == []
    for _ in range(2):
        ok(stage.native.ask("DELETE", path), 204)
    for method in ("GET", "PUT", "DELETE"):
        refused(stage.native.ask(method, "/buckets/never-there/notifications", json={"configs": []} if method == "PUT" else None), "not_found")


@test
def a_webhook_is_taken(stage):
    bucket = stage.bucket()
    ok(stage.native.ask("PUT", f"/buckets/{bucket}/notifications", json={"configs": [HOOK]}), 200)


@test
@refusal("not_implemented", "invalid_request")
def targets_that_are_refused(stage):
    bucket = stage.bucket()
    stored = stage.native.notify(bucket, [HOOK])
    path = f"/buckets/{bucket}/notifications"
    for target in ({"snsTopicArn": "arn:aws:sns:us-east-1:1:t"}, {"sqsQueueArn": "arn:aws:sqs:us-east-1:1:q"}, {"lambdaFunctionArn": "arn:aws:lambda:us-east-1:1:function:f"}, {"type": "sns"}):
        refused(stage.native.ask("PUT", path, json={"configs": [{"events": ["s3:ObjectCreated:*"], **target}]}), "not_implemented")
    for document in ({}, [], {"configs": 7}, {"configs": [{}]}, {"configs": [HOOK | {"webhookUrl": "no address"}]}, {"configs": [HOOK | {"webhookUrl": "ftp://hooks.example.com/"}]},
                     {"configs": [HOOK | {"events": []}]}, {"configs": [HOOK | {"events": ["s3:NoSuchEvent:*"]}]}, {"configs": [HOOK | {"filters": [{"name": "infix", "value": "x"}]}]}):
        refused(stage.native.ask("PUT", path, json=document), "invalid_request")
    assert stage.native.notifications(bucket)["configs"] == stored["configs"]


@test
def a_configuration_is_set_shown_replaced_and_cleared(stage):
    bucket = stage.bucket()
    path = f"/buckets/{bucket}/notifications"
    stored = ok(stage.native.ask("PUT", path, json={"configs": [HOOK, HOOK | {"events": ["s3:ObjectRemoved:*"], "id": "mine"}]}), 200).json()
    assert [(one["webhookUrl"], one["events"], one["hasSecret"]) for one in stored["configs"]] == [
        (HOOK["webhookUrl"], ["s3:ObjectCreated:*"], True), (HOOK["webhookUrl"], ["s3:ObjectRemoved:*"], True)], stored
    assert stored["configs"][1]["id"] == "mine" and stored["configs"][0]["id"], stored
    assert ok(stage.native.ask("GET", path), 200).json()["configs"] == stored["configs"]
    assert ok(stage.native.ask("PUT", path, json={"configs": []}), 200).json()["configs"] == []
    stage.native.notify(bucket, [HOOK])
    ok(stage.native.ask("DELETE", path), 204)
    assert stage.native.notifications(bucket)["configs"] == []


@test
def events_and_filters_in_every_spelling(stage):
    bucket = stage.bucket()
    for asked, answered in ((["object-created"], ["s3:ObjectCreated:*"]), (["object-removed", "s3:ObjectCreated:Put"], ["s3:ObjectRemoved:*", "s3:ObjectCreated:Put"])):
        assert stage.native.notify(bucket, [HOOK | {"events": asked}])["configs"][0]["events"] == answered
    both = [{"name": "prefix", "value": "in/"}, {"name": "suffix", "value": ".jpg"}]
    for filters in (both, {"prefix": "in/", "suffix": ".jpg"}):
        stored = stage.native.notify(bucket, [HOOK | {"filters": filters}])["configs"][0]["filters"]
        assert sorted(stored, key=lambda one: one["name"]) == both, stored


@test
def a_secret_is_never_on_the_wire(stage):
    bucket = stage.bucket()
    answers = [stage.native.notify(bucket, [HOOK]), stage.native.notifications(bucket)]
    for one in answers:
        names = {name for config in one["configs"] for name in config}
        assert names >= {"webhookUrl", "events", "hasSecret"} and not any("secret" in name.lower() and name != "hasSecret" for name in names), one
        assert "whsec_" not in json.dumps(one)
