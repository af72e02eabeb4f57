"""A stolen key overwrites everything in the shortest time, and one request puts it back."""

import time

import past
from past import SWEPT_AT_ONCE, said, test, together

# Longer than what rides along in the log, so that a copy would be seen in the files of content.
BODY = 20_000


def whole(key, bucket):
    """Name to everything a reader sees of it."""
    def one(entry):
        answer = key.native.get(bucket, entry.key)
        headers = {name: value for name, value in answer.headers.items() if name.startswith("x-lockwell-meta-") or name in ("content-type", "cache-control", "content-disposition", "etag")}
        assert len(answer.content) == entry.size, f"{entry} was read as {len(answer.content)} bytes"
        return entry.key, (past.digest(answer.content), tuple(sorted(headers.items())), past.tags(key, bucket, entry.key, door="native"))
    return dict(together(one, past.listing(key, bucket)[0]))


def attacked(scene, key, thief, bucket, names, what, attack, **cause):
    """Lets it happen and undoes it: all is as before, and no content was copied."""
    before, native = whole(key, bucket), key.native
    mark = past.position(native.call("PUT", native.of(bucket, "/objects", "z/after"), content=b"of somebody else"))
    before["z/after"] = whole(key, bucket)["z/after"]
    began = time.monotonic()
    together(lambda name: attack(thief, name), names)
    attack_s = time.monotonic() - began
    hit = whole(key, bucket)
    assert sum(hit.get(name) != one for name, one in before.items()) == len(names), "the attack did not take everything"
    cause = {name: cause[name] if cause[name] is not None else past.pos(mark) for name in cause}
    dry = past.plan(native, bucket, "undo", **cause)
    assert dry.restored + dry.removed >= len(names) and not dry.refused, f"a dry run says {dry.restored}, {dry.removed}, {dry.refused}"
    held = past.blob_bytes(scene)
    began = time.monotonic()
    done = past.undo(native, bucket, **cause)
    undo_s = time.monotonic() - began
    grown = past.blob_bytes(scene) - held
    assert grown <= 0, f"undoing {len(names)} objects of {BODY} bytes made the files of content {grown} bytes longer"
    assert done.ended["restored"] >= len(names) and not past.count(done.ended["refused"]), done.ended
    after = whole(key, bucket)
    differ = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    assert not differ, f"{len(differ)} objects are not what they were, first {differ[0]}: {after.get(differ[0])} instead of {before.get(differ[0])}"
    said(f"{what}: {len(names)} objects taken in {attack_s:.1f} s, undone in {undo_s:.1f} s, {len(names) / undo_s:.0f} a second, content grew by {grown} bytes")


def stage_of(scene, versioning):
    key = scene.tenant("victim")
    thief = past.user(scene, key.tenant, "careless", "op=read,op=write,op=delete")
    bucket = scene.bucket("victim", key, **({"versioning": versioning} if versioning else {}))
    chance, names = scene.chance(f"victim {versioning}"), [f"files/{number % 50}/{number:05}.doc" for number in range(20_000 if scene.full else 2_000)]
    bodies = {name: chance.randbytes(BODY) for name in names[:2_000]}

    def put(name):
        number = int(name[-9:-4])
        headers = {"Content-Type": f"application/x-{number % 7}", "X-Lockwell-Meta-Author": f"somebody {number}", "X-Lockwell-Tagging": f"number={number}&kind=document",
                   "Cache-Control": f"max-age={number}"}
        # Each content is its own: the last bytes say whose.
        key.native.put(bucket, name, bodies[names[number % 2_000]] + name.encode(), headers)
    together(put, names)
    return key, thief, bucket, names


@test(settings={"storage.segment_mib": 16})
def what_a_stolen_key_overwrote_is_put_back_by_one_undo(scene):
    key, thief, bucket, names = stage_of(scene, None)
    attacked(scene, key, thief, bucket, names, "overwritten", lambda thief, name: thief.native.put(bucket, name, b"pay us " + name.encode()),
             actor=thief.access_key, since=None)


@test(settings={"storage.segment_mib": 16})
def what_a_stolen_key_deleted_and_renamed_is_put_back_by_one_undo(scene):
    key, thief, bucket, names = stage_of(scene, "enabled")

    def attack(thief, name):
        thief.native.put(bucket, f"{name}.locked", b"pay us " + name.encode())
        thief.native.delete(bucket, name)
    attacked(scene, key, thief, bucket, names, "deleted", attack, actor=thief.user, since=None)


@test(settings=SWEPT_AT_ONCE)
def a_sweep_after_the_attack_takes_nothing_that_the_window_shows(scene):
    key, thief, bucket, names = stage_of(scene, None)

    def attack(thief, name):
        thief.native.put(bucket, name, b"pay us " + name.encode())
        if name == names[-1]:
            past.sweep(scene)
    attacked(scene, key, thief, bucket, names, "overwritten and swept", attack, actor=thief.access_key, since=None)
