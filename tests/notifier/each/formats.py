"""What is sent, in each of the three forms; what filters let through; a bucket's own configuration, by both doors."""

import datetime
import re
import urllib.parse

import botocore.exceptions
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

from contract import refused
from hooks import feed, hook, put, remove, tag, told_of
from proof import everything, named
from receiver import Receiver
from scene import PATIENT, eventually, moment, stamp, test

ODD = "in/ünïcode +&%~.txt"


def fresh(text):
    """A time that was just now."""
    assert abs(datetime.datetime.now(datetime.timezone.utc) - moment(text)) < datetime.timedelta(minutes=2), text
    return True


def changes(native, bucket):
    """One event of each type that a client can make of an object."""
    put(native, bucket, ODD, b"twelve bytes")
    tag(native, bucket, ODD, colour="blue")
    native.clear_tags(bucket, ODD)
    native.copy(bucket, ODD, bucket, "copy")
    upload = native.create_upload(bucket, "parts")
    native.complete(bucket, "parts", upload, [native.upload_part(bucket, "parts", upload, 1, b"part")])
    marker = native.delete(bucket, ODD)
    native.delete(bucket, ODD, versionId=marker.get("deleteMarkerVersionId") or marker["versionId"])
    return ["ObjectCreated:Put", "ObjectTagging:Put", "ObjectTagging:Delete", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload",
            "ObjectRemoved:DeleteMarkerCreated", "ObjectRemoved:Delete"]


def sent_in(scene, form):
    """What a subscription with this form is sent of one event of each type, in order, with the feed's events."""
    native, bucket = scene.native, scene.bucket(form, versioning="enabled")
    with Receiver() as told:
        hook(native, told.url, buckets=[bucket], events=["s3:*"], format=form, mode="strict")
        types = changes(native, bucket)
        came = told.wait(len(types))
        events = told_of(feed(native), buckets=[bucket])
    everything(came, events)
    assert [one.type for one in came] == ["s3:" + kind for kind in types], [one.type for one in came]
    return bucket, came, events


@test(settings=PATIENT)
def cloudevents_are_valid_and_say_what_happened(scene):
    bucket, came, events = sent_in(scene, "cloudevents")
    for one, event in zip(came, events):
        # The library refuses what lacks an attribute or gives one a form that it may not have.
        read = from_http_event(HTTPMessage(one.headers, one.body))
        document = one.document
        assert document["specversion"] == "1.0" and read.get_id() == one.id and fresh(document["time"]), document
        assert read.get_source() == f"/tenants/default/buckets/{bucket}" and read.get_subject() == event.key, document
        assert re.fullmatch(r"io\.holdfast(\.[a-z]+)+\.v1", read.get_type()), document
        assert int(document["sequence"]) == one.position and isinstance(document["data"], dict), document
        assert document.get("datacontenttype", "application/json") == "application/json", document
    assert came[0].document["type"] == "io.holdfast.object.created.v1", came[0].document
    assert len({one.document["sequence"] for one in came}) == len(came)


@test(settings=PATIENT)
def s3_records_are_as_aws_sends_them(scene):
    bucket, came, events = sent_in(scene, "s3")
    sequencers = []
    for one, event in zip(came, events):
        assert list(one.document) == ["Records"] and len(one.document["Records"]) == 1, one.document
        record = one.document["Records"][0]
        assert record["eventVersion"] == "2.1" and record["eventSource"] == "aws:s3" and record["awsRegion"] == "us-east-1", record
        assert record["eventName"] == event.type.removeprefix("s3:") and fresh(record["eventTime"]), record
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["eventTime"]), record
        assert record["userIdentity"]["principalId"] and record["requestParameters"]["sourceIPAddress"] and "x-amz-request-id" in record["responseElements"], record
        about = record["s3"]
        assert about["s3SchemaVersion"] == "1.0", about
        assert about["bucket"]["name"] == bucket and about["bucket"]["arn"] == f"arn:aws:s3:::{bucket}" and about["bucket"]["ownerIdentity"]["principalId"], about
        thing = about["object"]
        assert urllib.parse.unquote_plus(thing["key"]) == event.key and " " not in thing["key"] and thing["key"].isascii(), thing
        assert thing["versionId"], thing
        assert re.fullmatch(r"[0-9a-fA-F]{16}", thing["sequencer"]) and int(thing["sequencer"], 16) == one.position, thing
        sequencers.append(thing["sequencer"])
    assert sequencers == sorted(sequencers), "as text they are in order"
    first = came[0].document["Records"][0]["s3"]["object"]
    assert first["size"] == 12 and re.fullmatch(r"[0-9a-f]{32}", first["eTag"]), first


@test(settings=PATIENT)
def native_bodies_are_the_feeds_own(scene):
    _, came, events = sent_in(scene, "native")
    for one, event in zip(came, events):
        assert one.document == event.document, (one.document, event.document)


@test(settings=PATIENT)
def every_pattern_and_filter_lets_through_what_it_says(scene):
    native, bucket, other = scene.native, scene.bucket("filtered"), scene.bucket("filtered")
    with Receiver() as told:
        filters = {
            "all": {"buckets": [bucket], "events": ["s3:*"]}, "created": {"buckets": [bucket], "events": ["s3:ObjectCreated:*"]},
            "two": {"buckets": [bucket], "events": ["s3:ObjectRemoved:*", "s3:ObjectTagging:Put"]}, "both": {"buckets": [bucket, other], "events": ["s3:ObjectCreated:Put"]},
            "prefix": {"buckets": [bucket], "prefix": "in/"}, "suffix": {"buckets": [bucket], "suffix": ".jpg"}, "prefix-suffix": {"buckets": [bucket], "prefix": "in/", "suffix": ".jpg"},
            "least": {"buckets": [bucket], "events": ["s3:ObjectCreated:*"], "minSizeBytes": 100}, "most": {"buckets": [bucket], "events": ["s3:ObjectCreated:*"], "maxSizeBytes": 99},
            "exactly": {"buckets": [bucket], "events": ["s3:ObjectCreated:*"], "minSizeBytes": 100, "maxSizeBytes": 100},
        }
        made = {name: hook(native, told.url + name, mode="strict", **members) for name, members in filters.items()}
        for where, key, size in ((bucket, "in/a.jpg", 100), (bucket, "in/b.txt", 99), (other, "in/a.jpg", 100), (bucket, "out/a.jpg", 101), (bucket, "in/", 0), (bucket, ".jpg", 5)):
            put(native, where, key, b"x" * size)
        tag(native, bucket, "in/a.jpg", colour="blue")
        remove(native, bucket, "out/a.jpg")
        remove(native, bucket, "in/b.txt")
        wait_for_all(made.values())
        events = feed(native)
        sizes = {event.position: size_of(event) for event in events}
        for name, members in filters.items():
            came = [one for one in told.accepted() if one.path == "/" + name]
            wanted = told_of(events, members.get("events", ["*"]), members["buckets"], members.get("prefix", ""), members.get("suffix", ""))
            wanted = [event for event in wanted if members.get("minSizeBytes", 0) <= sizes[event.position] <= members.get("maxSizeBytes", 1 << 40)]
            everything(came, wanted, lambda event: None)
        counts = {name: len([one for one in told.accepted() if one.path == "/" + name]) for name in filters}
        assert counts == {"all": 8, "created": 5, "two": 3, "both": 6, "prefix": 5, "suffix": 5, "prefix-suffix": 2, "least": 2, "most": 3, "exactly": 1}, counts
        # What was filtered out moves the cursor all the same.
        changed = made["created"].patch(events=["s3:ObjectRemoved:*"], prefix="in/", suffix=None, minSizeBytes=None)
        assert changed["events"] == ["s3:ObjectRemoved:*"] and changed["prefix"] == "in/" and "suffix" not in changed, changed
        put(native, bucket, "in/later.txt")
        last = remove(native, bucket, "in/later.txt")
        told.wait(1, of=lambda: [one for one in told.accepted() if (one.path, one.position) == ("/created", last)])
        assert made["created"].patch(prefix=None).get("prefix") is None


def size_of(event):
    """How large what was created is."""
    return event.document.get("detail", {}).get("sizeBytes", 0)


def wait_for_all(made):
    for one in made:
        eventually(lambda: (now := one.delivery())["position"] >= now["headPosition"], f"everything sent: {one.delivery()}")


@test(settings=PATIENT)
def what_cannot_be_a_webhook_is_refused(scene):
    native = scene.native
    fine = {"url": "https://hooks.example.com/in"}
    for wrong in ({}, {"url": "no address"}, {"url": "ftp://hooks.example.com/"}, {"url": ""}, {"url": 7}, fine | {"events": []}, fine | {"events": ["s3:NoSuchEvent:*"]},
                  fine | {"events": ["s3:Object*"]}, fine | {"events": "s3:*"}, fine | {"format": "xml"}, fine | {"mode": "random"}, fine | {"status": "disabled"},
                  fine | {"start": "sometime"}, fine | {"start": "-2y"}, fine | {"minSizeBytes": -1}, fine | {"unknown": 1}, fine | {"secret": "mine"}, fine | {"buckets": "b"},
                  fine | {"minSizeBytes": 2, "maxSizeBytes": 1}, [], "text"):
        refused(native.ask("POST", "/webhooks", json=wrong), "invalid_request")
    refused(native.ask("POST", "/webhooks", json=fine | {"start": "pos:999999999"}), "point_in_future")
    one = hook(native, fine["url"], status="paused", name="a name")
    assert {"url": fine["url"], "name": "a name", "format": "cloudevents", "mode": "key", "events": ["*"], "status": "paused", "hasSecret": True}.items() <= one.get().items(), one.get()
    for wrong in ({"url": None}, {"url": "ftp://a/"}, {"id": "wh_" + "0" * 32}, {"status": "disabled"}, {"events": []}, {"start": "earliest"}, {"secret": "x"}, {"unknown": 1}):
        refused(one.ask("PATCH", json=wrong), "invalid_request")
    assert "name" not in one.patch(name=None)
    assert fresh(one.get()["createdAt"]) and fresh(one.get()["updatedAt"]) and re.fullmatch(r"wh_[0-9a-f]{32}", one.id), one.get()
    one.delete()
    refused(one.ask("GET"), "not_found")
    refused(one.ask("DELETE"), "not_found")


@test(settings=PATIENT)
def boto3_configures_a_bucket_and_its_receiver_is_told(scene):
    native, s3, bucket = scene.native, scene.s3, scene.bucket("queue")
    with Receiver() as told:
        arn = f"arn:holdfast:webhook:::{told.url}in?a=b"
        asked = {"QueueConfigurations": [
            {"Id": "created", "QueueArn": arn, "Events": ["s3:ObjectCreated:*"], "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "in/"}, {"Name": "suffix", "Value": ".jpg"}]}}},
            {"Id": "removed", "QueueArn": f"arn:holdfast:webhook:::{told.url}removed", "Events": ["s3:ObjectRemoved:Delete", "s3:ObjectTagging:*"]}]}
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=asked)
        answered = s3.get_bucket_notification_configuration(Bucket=bucket)
        assert lowered(answered["QueueConfigurations"]) == lowered(asked["QueueConfigurations"]), answered
        shown = native.notifications(bucket)["configs"]
        assert [(one["id"], one["webhookUrl"], one["format"], one["mode"], one["status"], one["hasSecret"]) for one in shown] == [
            ("created", told.url + "in?a=b", "s3", "key", "active", True), ("removed", told.url + "removed", "s3", "key", "active", True)], shown
        wanted = [put(native, bucket, "in/a.jpg"), put(native, bucket, "in/a.jpg")]
        for key in ("in/b.txt", "out/a.jpg"):
            put(native, bucket, key)
        s3.put_object(Bucket=bucket, Key="in/by-s3.jpg", Body=b"x")
        wanted += [tag(native, bucket, "in/b.txt", colour="blue"), remove(native, bucket, "in/a.jpg")]
        came = told.wait(5)
        assert {one.position for one in came} >= set(wanted) and len(came) == 5, told.told()
        for one in came:
            record = one.document["Records"][0]
            assert record["s3"]["configurationId"] == ("created" if one.path == "/in?a=b" else "removed"), record
            assert int(record["s3"]["object"]["sequencer"], 16) == one.position, record
        of_key = [one for one in came if named(one) == (bucket, "in/a.jpg") and one.path == "/in?a=b"]
        sequencers = [one.document["Records"][0]["s3"]["object"]["sequencer"] for one in of_key]
        assert len(sequencers) == 2 and sequencers == sorted(sequencers), sequencers
        # The subscription looks on like a webhook, and is none.
        subscription = shown[0]["subscription"]
        delivered = native.call("GET", f"/webhooks/{subscription}/deliveries").json()["deliveries"]
        assert len(delivered) == 3 and {one["outcome"] for one in delivered} == {"delivered"}, delivered
        for method, rest in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate-secret")):
            refused(native.ask(method, f"/webhooks/{subscription}{rest}", json={"mode": "key"} if method == "PATCH" else None), "not_found")
        # Cleared, nobody is told any more.
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
        assert "QueueConfigurations" not in s3.get_bucket_notification_configuration(Bucket=bucket)
        put(native, bucket, "in/c.jpg")
        marker = hook(native, told.url + "marker", buckets=[bucket], start="-30s", events=["s3:ObjectCreated:*"])
        told.wait(1, of=lambda: [one for one in told.accepted() if one.path == "/marker" and named(one)[1] == "in/c.jpg"])
        assert len([one for one in told.deliveries if one.path != "/marker"]) == 5, told.told()
        marker.delete()


def lowered(configurations):
    """A configuration without what may differ: the order of rules, and how their names are written."""
    return [one | {"Filter": sorted((rule["Name"].lower(), rule["Value"]) for rule in one.get("Filter", {}).get("Key", {}).get("FilterRules", []))} for one in configurations]


@test(settings=PATIENT)
def any_kind_of_configuration_may_name_a_webhook_and_none_of_aws(scene):
    s3, bucket = scene.s3, scene.bucket("kinds")
    with Receiver() as told:
        arn = "arn:holdfast:webhook:::" + told.url
        for kind, name in (("QueueConfigurations", "QueueArn"), ("TopicConfigurations", "TopicArn"), ("LambdaFunctionConfigurations", "LambdaFunctionArn")):
            s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={kind: [{name: arn + kind, "Events": ["s3:ObjectCreated:*"]}]})
            position = put(scene.native, bucket, kind)
            assert told.wait_for(position).path == "/" + kind
        before = scene.native.notifications(bucket)
        for kind, name, wrong in (("QueueConfigurations", "QueueArn", "arn:aws:sqs:us-east-1:123456789012:q"), ("TopicConfigurations", "TopicArn", "arn:aws:sns:us-east-1:123456789012:t"),
                                  ("LambdaFunctionConfigurations", "LambdaFunctionArn", "arn:aws:lambda:us-east-1:123456789012:function:f")):
            try:
                s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={kind: [{name: wrong, "Events": ["s3:ObjectCreated:*"]}]})
            except botocore.exceptions.ClientError as error:
                assert error.response["Error"]["Code"] == "NotImplemented" and error.response["ResponseMetadata"]["HTTPStatusCode"] == 501, error.response
            else:
                raise AssertionError(f"{wrong} was taken")
        assert scene.native.notifications(bucket) == before


@test(settings=PATIENT)
def a_bucket_may_choose_form_and_mode(scene):
    native, bucket = scene.native, scene.bucket("chosen")
    with Receiver() as told:
        stored = native.notify(bucket, [{"id": form, "webhookUrl": told.url + form, "events": [event], "format": form, "mode": mode}
                                        for form, mode, event in (("cloudevents", "strict", "object-created"), ("native", "unordered", "object-removed"))])["configs"]
        assert [(one["format"], one["mode"], one["events"]) for one in stored] == [("cloudevents", "strict", ["s3:ObjectCreated:*"]), ("native", "unordered", ["s3:ObjectRemoved:*"])], stored
        put(native, bucket, "key")
        remove(native, bucket, "key")
        came = {one.path: one.document for one in told.wait(2)}
        assert came["/cloudevents"]["specversion"] == "1.0" and "Records" not in came["/native"], came
        # Without the configuration its subscription is gone.
        native.notify(bucket, stored_without(stored, "native"))
        refused(native.ask("GET", f"/webhooks/{stored[1]['subscription']}/deliveries"), "not_found")


def stored_without(stored, name):
    return [{member: one[member] for member in ("id", "webhookUrl", "events", "format", "mode")} for one in stored if one["id"] != name]


@test(settings=PATIENT)
def what_happens_to_buckets_and_webhooks_is_told_too(scene):
    native = scene.native
    with Receiver() as told:
        one = hook(native, told.url, events=["holdfast:Bucket:*", "holdfast:Webhook:*", "holdfast:Retention:*", "holdfast:LegalHold:*"], mode="strict", format="cloudevents")
        bucket = scene.bucket("told", objectLockEnabled=True)
        put(native, bucket, "held")
        native.hold(bucket, "held", "ON")
        native.hold(bucket, "held", "OFF")
        native.retain(bucket, "held", "GOVERNANCE", stamp(datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=1)))
        other = hook(native, told.url + "other", status="paused", events=["s3:ObjectAcl:Put"])
        other.patch(name="renamed")
        other.rotate()
        other.delete()
        gone = scene.bucket("gone")
        native.delete_bucket(gone)
        wanted = ["holdfast:LegalHold:On", "holdfast:LegalHold:Off", "holdfast:Retention:Set", "holdfast:Webhook:Created", "holdfast:Webhook:Updated", "holdfast:Webhook:SecretRotated",
                  "holdfast:Webhook:Deleted", "holdfast:Bucket:Created", "holdfast:Bucket:Deleted"]
        told.wait(1, of=lambda: [each for each in told.accepted() if each.type == "holdfast:Bucket:Deleted"])
        types = [each.type for each in told.accepted()]
        assert [kind for kind in types if kind in wanted][-len(wanted):] == wanted, types
        deleted = next(each for each in told.accepted() if each.type == "holdfast:Bucket:Deleted")
        assert gone in deleted.document["source"], deleted.document
        one.delete()
