"""64 clients at once at a limit: what fits is stored, not one more and not one less."""

import threading

import botocore.exceptions
from contract import ok, refusal, refused
from digests import text
from stage import raises, test

CLIENTS, LIMIT, SIZE = 64, 100, 1_000
# Each asks this often: more in all than fit.
EACH = 3


def together(work):
    """Every client's own work at once, begun together: what each of their attempts came to."""
    start, outcomes, failures = threading.Barrier(CLIENTS), [], []

    def one(number):
        try:
            attempts = work(number)
            start.wait(60)
            for attempt in attempts:
                outcomes.append(attempt())
        except Exception as error:
            failures.append(error)
            start.abort()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    return outcomes


def counted(outcomes, attempts=CLIENTS * EACH):
    stored = sum(outcomes)
    assert len(outcomes) == attempts and stored == LIMIT, f"{stored} of {len(outcomes)} were stored, the limit is {LIMIT}"


def natively(send):
    """An attempt that either works or is refused for the quota."""
    def attempt():
        answer = send()
        if answer.status_code == 507:
            refused(answer, "quota_exceeded")
            return False
        ok(answer, 200)
        return True
    return attempt


def by_s3(send):
    def attempt():
        try:
            send()
            return True
        except botocore.exceptions.ClientError as error:
            assert (error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]) == (403, "QuotaExceeded"), error
            return False
    return attempt


class Racers:
    """A tenant with a bucket, and clients with connections of their own at either door."""

    def __init__(self, stage, door, **quota):
        self.stage, self.door, self.key = stage, door, stage.tenant("race")
        self.bucket = stage.bucket("race", self.key)
        self.clients = [self.key.another_client() if door == "native" else self.key.connect(max_pool_connections=1) for _ in range(CLIENTS)]
        if quota:
            stage.quota(self.key, **quota)

    def puts(self, number):
        """Attempts to store objects of SIZE bytes, all different."""
        client = self.clients[number]
        for one in range(EACH):
            key, body = f"{number}-{one}", f"{number} {one} ".encode().ljust(SIZE, b"x")
            if self.door == "native":
                yield natively(lambda key=key, body=body: client.ask("PUT", f"/buckets/{self.bucket}/objects/{key}", content=body))
            else:
                yield by_s3(lambda key=key, body=body: client.put_object(Bucket=self.bucket, Key=key, Body=body))

    def check(self, objects):
        listed = self.key.native.list(self.bucket)["objects"]
        assert len(listed) == objects and all(one["size"] == SIZE for one in listed), f"{len(listed)} are listed"
        usage = self.stage.manage("GET", f"/tenants/{self.key.tenant}/usage")
        assert (usage["objects"], usage["logicalBytes"]) == (objects, objects * SIZE), usage


def race_of_puts(stage, door, **quota):
    racers = Racers(stage, door, **quota)
    counted(together(lambda number: list(racers.puts(number))))
    racers.check(LIMIT)
    return racers


@test
@refusal("quota_exceeded")
def native_puts_race_into_a_quota_of_objects(stage):
    racers = race_of_puts(stage, "native", objects=LIMIT)
    native, bucket = racers.key.native, racers.bucket
    # Full: an object that is there may be replaced, another may not come, and what goes makes room.
    there = native.list(bucket)["objects"][0]["key"]
    native.put(bucket, there, b"y" * SIZE)
    with raises("quota_exceeded"):
        native.put(bucket, "one more", b"y" * SIZE)
    with raises("quota_exceeded"):
        native.copy(bucket, there, bucket, "one more")
    native.delete(bucket, there)
    native.put(bucket, "one more", b"y" * SIZE)
    racers.check(LIMIT)
    stage.manage("DELETE", f"/tenants/{racers.key.tenant}/quota")
    native.put(bucket, "no limit any more", b"y" * SIZE)


@test
def native_puts_race_into_a_quota_of_bytes(stage):
    racers = race_of_puts(stage, "native", bytes=LIMIT * SIZE)
    # Nothing fits that is larger than what is left: not even when it replaces something.
    there = racers.key.native.list(racers.bucket)["objects"][0]["key"]
    with raises("quota_exceeded"):
        racers.key.native.put(racers.bucket, there, b"y" * (SIZE + 1))
    racers.check(LIMIT)
    racers.key.native.put(racers.bucket, "nothing", b"")


@test
def s3_puts_race_into_a_quota_of_objects(stage):
    race_of_puts(stage, "s3", objects=LIMIT)


@test
def s3_puts_race_into_a_quota_of_bytes(stage):
    race_of_puts(stage, "s3", bytes=LIMIT * SIZE)


@test
def both_doors_race_into_one_quota(stage):
    racers = Racers(stage, "native", objects=LIMIT)
    s3 = [racers.key.connect(max_pool_connections=1) for _ in range(CLIENTS // 2)]
    for number, client in enumerate(s3):
        racers.clients[number] = client

    def work(number):
        racers_door = Racers.__new__(Racers)
        racers_door.__dict__ |= racers.__dict__ | {"door": "s3" if number < len(s3) else "native"}
        return list(racers_door.puts(number))
    counted(together(work))
    racers.check(LIMIT)


def race_of_completions(stage, door):
    racers = Racers(stage, door)
    native, s3, bucket = racers.key.native, racers.key.s3, racers.bucket
    uploads = {}
    for number in range(CLIENTS):
        for one in range(EACH):
            key = f"{number}-{one}"
            upload = native.create_upload(bucket, key)
            uploads[key] = upload, native.upload_part(bucket, key, upload, 1, key.encode().ljust(SIZE, b"x"))["etag"]
    if door == "s3":
        uploads = {one["Key"]: (one["UploadId"], uploads[one["Key"]][1]) for one in s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}
    stage.quota(racers.key, objects=LIMIT)

    def work(number):
        client = racers.clients[number]
        for one in range(EACH):
            key = f"{number}-{one}"
            upload, tag = uploads[key]
            if door == "native":
                yield natively(lambda key=key, upload=upload, tag=tag: client.ask("POST", f"/buckets/{bucket}/multipart/{upload}/complete/{key}", json={"parts": [{"partNumber": 1, "etag": tag}]}))
            else:
                yield by_s3(lambda key=key, upload=upload, tag=tag: client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}))
    counted(together(lambda number: list(work(number))))
    assert len(native.list(bucket)["objects"]) == LIMIT
    # What was refused is still an upload, and completes when there is room.
    left = [one for one in native.uploads(bucket)]
    assert len(left) == CLIENTS * EACH - LIMIT, len(left)
    stage.quota(racers.key, objects=LIMIT + 1)
    native.complete(bucket, left[0]["key"], left[0]["uploadId"], [{"partNumber": 1, "etag": uploads[left[0]["key"]][1]}])


@test
def native_completions_race_into_a_quota_of_objects(stage):
    race_of_completions(stage, "native")


@test
def s3_completions_race_into_a_quota_of_objects(stage):
    race_of_completions(stage, "s3")


def race_of_parts(stage, door):
    """Staged parts count: what is left to complete always fits."""
    racers = Racers(stage, door, bytes=LIMIT * SIZE)
    native, bucket = racers.key.native, racers.bucket
    uploads = [native.create_upload(bucket, str(number)) for number in range(CLIENTS)]
    # Each door may call an upload by a name of its own.
    theirs = {one["Key"]: one["UploadId"] for one in racers.key.s3.list_multipart_uploads(Bucket=bucket)["Uploads"]}

    def work(number):
        client, upload = racers.clients[number], uploads[number] if door == "native" else theirs[str(number)]
        for part in range(1, EACH + 1):
            body = f"{number} {part} ".encode().ljust(SIZE, b"x")
            if door == "native":
                yield natively(lambda part=part, body=body: client.ask("PUT", f"/buckets/{bucket}/multipart/{upload}/parts/{part}/{number}", content=body))
            else:
                yield by_s3(lambda part=part, body=body: client.upload_part(Bucket=bucket, Key=str(number), UploadId=upload, PartNumber=part, Body=body))
    counted(together(lambda number: list(work(number))))
    completed = 0
    for number, upload in enumerate(uploads):
        parts = native.parts(bucket, str(number), upload)["parts"]
        if parts:
            native.complete(bucket, str(number), upload, parts[:1])
            completed += 1
    racers.check(completed)


@test
def native_parts_race_into_a_quota_of_bytes(stage):
    race_of_parts(stage, "native")


@test
def s3_parts_race_into_a_quota_of_bytes(stage):
    race_of_parts(stage, "s3")


@test
def one_create_only_upload_of_many_wins(stage):
    """If-None-Match and If-Match decide exactly as well."""
    racers = Racers(stage, "native")
    native, bucket = racers.key.native, racers.bucket

    def attempt(number, headers):
        return lambda: racers.clients[number].ask("PUT", f"/buckets/{bucket}/objects/k", content=b"%d" % number, headers=headers).status_code
    outcomes = together(lambda number: [attempt(number, {"If-None-Match": "*"})])
    assert sorted(outcomes) == [200] + [412] * (CLIENTS - 1), outcomes
    tag = native.head(bucket, "k").headers["etag"]
    # Each writes what no other writes, and nobody what is there already: the tag fits once.
    native.put(bucket, "k", b"before", {"If-Match": tag})
    tag = native.head(bucket, "k").headers["etag"]
    outcomes = together(lambda number: [attempt(number, {"If-Match": tag})])
    assert sorted(outcomes) == [200] + [412] * (CLIENTS - 1), outcomes


@test
def one_idempotency_key_stores_once(stage):
    racers = Racers(stage, "native")
    racers.key.native.set_versioning(racers.bucket, "enabled")
    headers = {"Idempotency-Key": "everybody", "X-Lockwell-Checksum-SHA256": text("SHA256", b"once")}

    def attempt(number):
        return lambda: racers.clients[number].ask("PUT", f"/buckets/{racers.bucket}/objects/k", content=b"once", headers=headers)
    answers = together(lambda number: [attempt(number)])
    for answer in answers:
        if answer.status_code != 200:
            refused(answer, "idempotency_in_progress")
    assert len(racers.key.native.versions(racers.bucket)["versions"]) == 1
