"""Random histories against a naive model: reading as of any position, diff, restore, undo, sweep, kill -9."""

import time

import model
import past
from past import PATIENCE_S, SWEPT_AT_ONCE, pos, said, test, together

# Writes of the long history, in four buckets together.
LONG, LONGER = 10_000, 40_000


# What a moment shows.

def objects_in(state):
    """What a reader sees of each object, wherever its versions stand."""
    return {key: (one.digest, one.size, one.etag, one.type, one.metadata, one.tags) for key, one in model.current(state).items()}


def objects_of(key, bucket, point=None, door="native"):
    """The same, asked of the server."""
    def one(entry):
        got, tags = past.read(key, bucket, entry.key, point=point, door=door), past.tags(key, bucket, entry.key, point=point, door=door)
        assert got is not None and tags is not None, f"{entry.key} of {bucket} is listed as of {point}, and cannot be read"
        assert (got.size, got.etag) == (entry.size, entry.etag), f"{entry} is read as {got}"
        return entry.key, (got.digest, got.size, got.etag, got.type, got.metadata, tags)
    return dict(together(one, past.listing(key, bucket, point)[0], 4))


def same(got, expected, what):
    """Says the first difference of two dictionaries or sequences, and how many there are."""
    if got == expected:
        return
    if isinstance(expected, dict):
        differ = sorted(name for name in got.keys() | expected.keys() if got.get(name) != expected.get(name))
        first = differ[0]
        raise AssertionError(f"{what}: {len(differ)} of {len(expected)} differ, first {first}: {got.get(first)} instead of {expected.get(first)}")
    pairs = [(number, one, other) for number, (one, other) in enumerate(zip(got, expected)) if one != other]
    number, one, other = pairs[0] if pairs else (min(len(got), len(expected)), "the end", "more") if len(got) < len(expected) else (len(expected), got[len(expected)], "the end")
    raise AssertionError(f"{what}: {len(got)} instead of {len(expected)}, at {number} {one} instead of {other}")


def same_listing(got, expected, what):
    same(got[0], expected[0], what)
    same(got[1], expected[1], f"{what}, the second part")


def check_moment(key, made, at, names, chance, reads=6):
    """Asks everything of one moment, by either door: how many requests or listings that were."""
    point, state, bucket = pos(at), made.at(at), made.bucket
    what = f"{bucket} as of {point}"
    for door in ("v2", chance.choice(("v1", "native"))):
        prefix, delimiter, size = chance.choice(("", "", "a/", "a/b", "k1", "ü", "nothing")), chance.choice(("", "", "/", "b")), chance.choice((1, 5, 17, 1000))
        way = chance.choice(("header", "query"))
        got = past.listing(key, bucket, point, prefix, delimiter, size, door, way, resend=chance.random() < 0.3)
        same_listing(got, model.entries(state, prefix, delimiter), f"{what}: {door} with {prefix!r}, {delimiter!r} and pages of {size} by {way}")
    door, prefix, size = chance.choice(("s3", "native")), chance.choice(("", "a/", "k")), chance.choice((60, 333, 1000))
    same_listing(past.versions(key, bucket, point, prefix, size, door), model.listed(state, prefix), f"{what}: versions of {prefix!r} by {door} in pages of {size}")
    later = made.states[-1]
    for _ in range(reads):
        name, door, way = chance.choice(names), chance.choice(("s3", "native")), chance.choice(("header", "query"))
        stack = state.get(name, ())
        # With a version, which may not have been there yet, or without.
        wanted = chance.choice((None, *(one.id for one in stack), *(one.id for one in later.get(name, ()))))
        found = stack[0] if stack and wanted is None else next((one for one in stack if one.id == wanted), None)
        if made.versioning == "off":
            wanted = None
            found = stack[0] if stack else None
        expected = None if found is None or found.marker else found
        for method in ("GET", "HEAD"):
            got = past.read(key, bucket, name, wanted, point, door, way, method)
            read = expected and past.Read(expected.digest if method == "GET" else None, expected.size, expected.etag, expected.id, expected.type, expected.metadata)
            assert got == read, f"{what}: {method} of {name}, version {wanted}, by {door} and {way}: {got} instead of {read}"
        got = past.tags(key, bucket, name, wanted, point, door, way)
        assert got == (expected.tags if expected else None), f"{what}: tags of {name}, version {wanted}, by {door}: {got} instead of {expected and expected.tags}"
        if expected and expected.retention:
            told = past.S3At(key, point, way).get_object_retention(Bucket=bucket, Key=name, VersionId=expected.id)["Retention"]
            assert (told["Mode"], past.stamp(told["RetainUntilDate"])) == expected.retention, f"{what}: retention of {name}: {told} instead of {expected.retention}"
    return 3 + 3 * reads


# The long history: written once, read by two tests that change nothing.

class Histories:
    def __init__(self, scene):
        self.key, total = scene.tenant("past"), LONGER if scene.full else LONG
        began = time.monotonic()
        made = together(lambda kind: model.write(scene, self.key, kind, -(-total // len(model.KINDS)), "long"), model.KINDS, 4)
        took = time.monotonic() - began
        self.models, self.names = [one for one, _ in made], {one.bucket: writer.names for one, writer in made}
        kinds = {}
        for _, writer in made:
            for kind, count in writer.counted.items():
                kinds[kind] = kinds.get(kind, 0) + count
        said(f"{sum(kinds.values())} writes in {took:.0f} s, {sum(kinds.values()) / took:.0f} a second: {kinds}")
        # Any position that a write was answered with, be it of another bucket.
        self.positions = sorted({at for one in self.models for at in one.positions})

    def moments(self, made, chance, count):
        """Positions at which this bucket's state is known."""
        known = [at for at in self.positions if made.knows(at)]
        return sorted(chance.sample(known, min(count, len(known))))


def histories(scene):
    if not hasattr(scene, "histories"):
        scene.histories = Histories(scene)
    return scene.histories


@test
def as_of_any_position_is_what_a_naive_replay_says(scene):
    long, count = histories(scene), 400 if scene.full else 50
    began = time.monotonic()

    def one(made):
        chance = scene.chance(f"moments {made.bucket}")
        # Now first: if the model is wrong, that says so.
        same_listing(past.listing(long.key, made.bucket), model.entries(made.state), f"{made.bucket} now")
        same_listing(past.versions(long.key, made.bucket), model.listed(made.state), f"{made.bucket}, versions now")
        return sum(check_moment(long.key, made, at, long.names[made.bucket], chance) for at in long.moments(made, chance, count))
    asked, took = sum(together(one, long.models, 4)), time.monotonic() - began
    said(f"{count} moments of each of {len(long.models)} buckets, {asked} questions in {took:.0f} s, {1_000 * took / asked:.1f} ms each")


def check_diff(made, changes, since, until, prefix):
    """That the told keys are those that changed, each with what it was and is."""
    what = f"diff of {made.bucket} from {since} to {until} under {prefix!r}"
    a, b = made.at(since), made.at(until)
    then, now = objects_in(a), objects_in(b)
    must = {key for key in then.keys() | now.keys() if then.get(key) != now.get(key) and key.startswith(prefix)}
    may = {key for key in made.changed(min(since, until), max(since, until)) if key.startswith(prefix)}
    assert must <= changes.keys(), f"{what}: {len(must - changes.keys())} of {len(must)} changed keys are missing, such as {sorted(must - changes.keys())[0]}"
    assert changes.keys() <= may, f"{what}: {sorted(changes.keys() - may)[:3]} did not change"
    applied = {key: model.side(a, key) for key in a}
    for key, (before, after) in changes.items():
        expected = model.side(a, key), model.side(b, key)
        if made.versioning == "off":
            # What such a version is called is nobody's business.
            before, after = (one and one._replace(version="null") for one in (before, after))
        assert (before, after) == expected, f"{what}: {key} from {before} to {after} instead of {expected}"
        applied[key] = after
    for key in applied.keys() | b.keys():
        if key.startswith(prefix):
            # An identical object that was written again may go untold.
            one, other = applied.get(key), model.side(b, key)
            assert (one and one[:2]) == (other and other[:2]), f"{what}: applied, {key} is {one} instead of {other}"
    return len(changes)


@test
def a_diff_applied_to_one_moment_gives_the_other(scene):
    long, count = histories(scene), 200 if scene.full else 30
    began, told = time.monotonic(), 0
    for made in long.models:
        chance, native = scene.chance(f"diffs {made.bucket}"), long.key.native
        for _ in range(count):
            since, until = sorted(long.moments(made, chance, 2))
            prefix = chance.choice(("", "", "a/", "ü/", "k1"))
            told += check_diff(made, past.diff(native, made.bucket, pos(since), pos(until), prefix), since, until, prefix)
            assert past.diff(native, made.bucket, pos(since), pos(since)) == {}, f"{made.bucket} differs from itself at {since}"
        # Backwards is no other question: it is refused, or right.
        answer = past.ask(native, "GET", native.of(made.bucket, "/diff"), params={"from": pos(until), "to": pos(since)})
        if answer.status_code != 200:
            past.refused(answer, "invalid_request")
        else:
            check_diff(made, past.diff(native, made.bucket, pos(until), pos(since)), until, since, "")
        # The whole of its history.
        start = made.positions[0]
        told += check_diff(made, past.diff(native, made.bucket, pos(start), "head"), start, made.positions[-1], "")
    took = time.monotonic() - began
    said(f"{(count + 1) * len(long.models)} diffs with {told} changed keys in {took:.1f} s")


# Restore.

def check_plan(told, made, now, then, prefix, what):
    """A dry run names the keys that differ."""
    at, there = objects_in(now), objects_in(then)
    differ = {key: "restore" if key in there else "remove" for key in at.keys() | there.keys() if at.get(key) != there.get(key) and key.startswith(prefix)}
    assert not told.refused, f"{what}: a dry run refuses {told.refused}"
    assert not told.truncated, f"{what}: {len(differ)} changes are no reason to cut a report short"
    # Keys that were written again as they were may be told, others not.
    again = {key: kind for key, kind in told.changes.items() if key not in differ}
    assert {key: kind for key, kind in told.changes.items() if key in differ} == differ, f"{what}: a dry run says {told.changes} instead of {differ}"
    assert all(key in there and key.startswith(prefix) for key in again), f"{what}: {again} need nothing"
    return len(again)


def restores(scene, kind):
    key, chance = scene.tenant("restored"), scene.chance(f"restores {kind}")
    made, writer = model.write(scene, key, kind, 1_500 if scene.full else 300, "restores")
    end, rounds, changed, took = made.positions[-1], 20 if scene.full else 4, 0, 0.0
    native, bucket = key.native, made.bucket
    for number in range(rounds):
        at = chance.choice([one for one in made.positions if made.knows(one)])
        prefix = chance.choice((None, None, "a/", "ü/")) if number else None
        what, then = f"restore of {bucket} to {at} under {prefix!r}", made.at(at)
        before = past.versions(key, bucket)[0]
        check_plan(past.plan(native, bucket, "restore", point=pos(at), **({"prefix": prefix} if prefix else {})), made, made.at(end), then, prefix or "", what)
        same(objects_of(key, bucket), objects_in(made.at(end)), f"{what}: after the dry run")
        began = time.monotonic()
        done = past.restore(native, bucket, pos(at), prefix)
        took += time.monotonic() - began
        changed += done.ended["restored"] + done.ended["removed"]
        assert not past.count(done.ended["refused"]), f"{what}: {done.ended}"
        expected = {name: one for name, one in objects_in(made.at(end)).items() if prefix and not name.startswith(prefix)}
        expected |= {name: one for name, one in objects_in(then).items() if name.startswith(prefix or "")}
        same(objects_of(key, bucket, door=chance.choice(("s3", "native"))), expected, what)
        if not prefix:
            same_listing(past.listing(key, bucket, size=7), model.entries(then), f"{what}: listed")
        if kind in ("versioned", "locked"):
            after = {(one.key, one.version) for one in past.versions(key, bucket)[0]}
            gone = [one for one in before if (one.key, one.version) not in after]
            assert not gone, f"{what}: versions went, such as {gone[0]}"
        # The past is as it was.
        check_moment(key, made, at, writer.names, chance, 2)
        check_moment(key, made, end, writer.names, chance, 2)
        # There and back, by restoring or by undoing.
        if chance.random() < 0.5:
            past.restore(native, bucket, pos(end))
        else:
            past.undo(native, bucket, requestId=done.request_id)
        same(objects_of(key, bucket), objects_in(made.at(end)), f"{what}: undone")
        again = past.plan(native, bucket, "restore", point=pos(end))
        assert set(again.changes.values()) <= {"restore"}, f"{what}: undone, {again} is left to do"
    return f"{kind} {changed} keys in {took:.1f} s"


@test
def restore_gives_the_moment_and_restoring_back_undoes_it_without_versions(scene):
    said(restores(scene, "unversioned"))


@test
def restore_gives_the_moment_and_restoring_back_undoes_it_with_versions(scene):
    said(restores(scene, "versioned"))


@test
def restore_gives_the_moment_and_restoring_back_undoes_it_when_suspended(scene):
    said(restores(scene, "suspended"))


@test
def restore_gives_the_moment_and_keeps_locked_versions(scene):
    said(restores(scene, "locked"))


# Undo.

class Undone:
    """What undoing some writes must make of each key, by the model. A key is `open` where the contract leaves more than one answer:
    others wrote between two writes of the cause."""

    def __init__(self, made, cause, force=False):
        cause, self.now = set(cause), objects_in(made.state)
        self.target, self.refused, self.open = {}, set(), {}
        for key in {key for write in made.writes if write.position in cause for key in write.keys}:
            touching = [write for write in made.writes if key in write.keys]
            first = next(number for number, write in enumerate(touching) if write.position in cause)
            last = len(touching)
            while last and touching[last - 1].position in cause:
                last -= 1
            if last <= first:
                self.target[key] = self.before(made, touching[first], key)
            elif last < len(touching):
                self.open[key] = [self.before(made, touching[last], key), self.now.get(key)]
            elif force:
                self.target[key] = self.before(made, touching[first], key)
            elif self.before(made, touching[first], key) == self.now.get(key):
                # It is as if undone already: refused or not, nothing is to do.
                self.open[key] = [self.now.get(key)]
            else:
                self.refused.add(key)
        # Nothing to undo is no conflict.
        self.idle = {key for key, one in self.target.items() if one == self.now.get(key)}

    @staticmethod
    def before(made, write, key):
        number = made.positions.index(write.position)
        return objects_in(made.states[number - 1]).get(key)

    def check_plan(self, told, what):
        assert self.refused <= told.refused.keys() <= self.refused | self.open.keys(), f"{what}: refuses {sorted(told.refused)} instead of {sorted(self.refused)}"
        assert all(told.refused.values()), f"{what}: a refusal without a reason: {told.refused}"
        wanted = {key: "restore" if one else "remove" for key, one in self.target.items() if key not in self.idle}
        assert {key: kind for key, kind in told.changes.items() if key in wanted} == wanted, f"{what}: a dry run says {told.changes} instead of {wanted}"
        assert told.changes.keys() <= wanted.keys() | self.open.keys() | self.idle, f"{what}: {sorted(told.changes.keys() - wanted.keys())} are not its own"

    def check(self, got, what):
        for key in got.keys() | self.now.keys():
            allowed = self.open.get(key) or [self.target[key] if key in self.target else self.now.get(key)]
            assert got.get(key) in allowed, f"{what}: {key} is {got.get(key)} instead of {' or '.join(map(str, allowed))}"


CURRENT_ONLY = ("put", "delete", "copy", "multipart", "batch", "tag", "untag")


def two_actors(scene, kind, count):
    """A bucket that two users wrote into by turns: both keys, the model, and a writer whose writes touch what is current alone."""
    alice = scene.tenant("undone")
    bob = past.user(scene, alice.tenant, "bob")
    made = model.bucket_of(scene, alice, kind)
    chance = scene.chance(f"undo {kind}")
    writer = model.Writer(made, chance, 120, versions=False)
    for number in range(count):
        if kind == "suspended" and number == count // 2:
            writer.suspend(alice)
        writer.step(bob if chance.random() < 0.25 else alice)
    return alice, bob, made, writer, chance


def undo_and_back(key, made, expected, what, **cause):
    """Undoes a cause, compares, undoes the undoing: as before."""
    native, bucket = key.native, made.bucket
    told = past.plan(native, bucket, "undo", **cause)
    expected.check_plan(told, what)
    same(objects_of(key, bucket), expected.now, f"{what}: after the dry run")
    done = past.undo(native, bucket, **cause)
    expected.check(objects_of(key, bucket), what)
    assert past.count(done.ended["refused"]) >= len(expected.refused), f"{what}: refused {done.ended['refused']} instead of {len(expected.refused)}"
    past.undo(native, bucket, requestId=done.request_id)
    same(objects_of(key, bucket), expected.now, f"{what}: undone, and that undone")
    # Both wrote these keys, so that what was before is now what others changed since.
    aside = key.stage.bucket("aside", key)
    at = past.position(native.call("PUT", native.of(aside, "/objects", "k"), content=b"x"))
    made.note(at, made.state, model.Write(at, done.request_id, "undo", tuple(told.changes), "undo"))
    return done.ended["restored"] + done.ended["removed"], len(expected.refused)


def undoes(scene, kind):
    alice, bob, made, writer, chance = two_actors(scene, kind, 1_200 if scene.full else 250)
    told = {}

    def run(name, cause_positions, **cause):
        changed, refused = undo_and_back(alice, made, Undone(made, cause_positions), f"undo of {name} in {made.bucket}", **cause)
        told[name] = tuple(a + b for a, b in zip(told.get(name, (0, 0)), (changed, refused)))
    # Young ones, that not everything has been written over since.
    recent = made.writes[-40:]
    for write in chance.sample(recent, 4):
        run("a request", [write.position], requestId=write.request)
    while not writer.batch(alice):
        writer.put(alice)
    run("a batch", [made.writes[-1].position], requestId=made.writes[-1].request)
    some = chance.sample([write for write in recent if write.kind != "batch"], 10)
    run("positions", [write.position for write in some], positions=sorted(write.position for write in some))
    # Since a write into another bucket: whether `since` counts itself is not asked.
    for actor, named in ((alice, alice.access_key), (bob, bob.access_key), (bob, bob.user)):
        aside = scene.bucket("aside", alice)
        since = past.position(alice.native.call("PUT", alice.native.of(aside, "/objects", "k"), content=b"x"))
        for _ in range(25):
            writer.step(chance.choice((alice, bob)))
        cause = [write.position for write in made.writes if write.position > since and write.actor == actor.access_key]
        run("an actor" if named != bob.user else "a user", cause, actor=named, since=pos(since))
    said(f"{kind}: changed and refused keys of {told}")


@test
def undo_reverses_its_cause_and_nothing_else_without_versions(scene):
    undoes(scene, "unversioned")


@test
def undo_reverses_its_cause_and_nothing_else_with_versions(scene):
    undoes(scene, "versioned")


@test
def undo_reverses_its_cause_and_nothing_else_when_suspended(scene):
    undoes(scene, "suspended")


@test
def undo_reverses_its_cause_and_nothing_else_under_object_lock(scene):
    undoes(scene, "locked")


@test
def undo_with_force_also_takes_what_others_wrote_since(scene):
    alice = scene.tenant("forced")
    bob = past.user(scene, alice.tenant, "bob")
    for kind in model.KINDS[:2]:
        made = model.bucket_of(scene, alice, kind)
        writer = model.Writer(made, scene.chance(f"force {kind}"), 10)
        for name in writer.names:
            writer.put(alice, name)
        for name in writer.names[:6]:
            writer.put(alice, name)
        cause = [write.position for write in made.writes[-6:]]
        for name in writer.names[2:4]:
            writer.put(bob, name)
        writer.delete(bob, writer.names[4])
        mild = Undone(made, cause)
        assert len(mild.refused) == 3, "the test is wrong"
        undo_and_back(alice, made, mild, f"undo in {made.bucket}", positions=cause)
        undo_and_back(alice, made, Undone(made, cause, force=True), f"forced undo in {made.bucket}", positions=cause, force=True)


# Sweep.

def shown_contents(*states):
    return {one.digest for state in states for stack in state.values() for one in stack}


@test(settings=SWEPT_AT_ONCE)
def sweep_keeps_what_anything_shows_and_removes_what_nothing_does(scene):
    key = scene.tenant("swept")
    native, freed, checked, gone = key.native, 0, 0, 0
    for kind in model.KINDS[:3]:
        chance = scene.chance(f"sweep {kind}")
        made = model.bucket_of(scene, key, kind)
        past.set_window(native, made.bucket, "0")
        # The bucket beside it shows everything that ever was in it.
        beside = scene.bucket("beside", key)
        past.set_window(native, beside, "forever")
        writer = model.Writer(made, chance, 30, versions=kind != "unversioned")
        showing, elsewhere = {}, {}
        for number in range(1_000 if scene.full else 320):
            if kind == "suspended" and number == 100:
                writer.suspend(key)
            writer.step(key)
            if writer.versions and number % 5 == 4:
                # Else little would be lost: what was overwritten is a version still.
                writer.delete_version(key)
            at = made.positions[-1]
            if number in (60, 130):
                told = past.snapshot(native, made.bucket, f"s{number}")
                assert told["position"] >= at, f"a snapshot of now at {told['position']}, after a write at {at}"
                showing[made.bucket, f"snap:s{number}"] = made.state
            if number in (80, 200):
                past.view(native, f"{made.bucket}-view{number}", made.bucket, "head")
                showing[f"{made.bucket}-view{number}", None] = made.state
            if number in (110, 230):
                past.fork(native, f"{made.bucket}-fork{number}", made.bucket, "head")
                showing[f"{made.bucket}-fork{number}", None] = made.state
            if number % 30 == 29:
                name = chance.choice(sorted(model.current(made.state)))
                put = key.s3.copy_object(Bucket=beside, Key=f"{number}", CopySource={"Bucket": made.bucket, "Key": name})
                key.s3.delete_object(Bucket=beside, Key=f"{number}")
                elsewhere[f"{number}", pos(past.position(put))] = made.state[name][0]
            if number % 40 == 39:
                freed += past.sweep(scene)
        freed += past.sweep(scene)
        showing[made.bucket, None] = made.state
        for (bucket, point), state in showing.items():
            same(objects_of(key, bucket, point), objects_in(state), f"{bucket} as of {point}, swept")
            checked += len(model.current(state))
        for (name, point), version in elsewhere.items():
            got = past.read(key, beside, name, point=point)
            assert got and got.digest == version.digest, f"{name} in {beside} as of {point}: {got} instead of {version}"
        kept = shown_contents(*showing.values()) | {one.digest for one in elsewhere.values()}
        lost = {}
        for at, state in zip(made.positions, made.states):
            for name, version in model.current(state).items():
                # Short contents come again by chance.
                if version.digest not in kept and version.size > 16:
                    lost[version.digest] = (name, at)
        assert len(lost) > 5, f"of {len(made.positions)} positions only {len(lost)} contents are lost: the test is wrong"
        for name, at in chance.sample(sorted(lost.values()), min(20, len(lost))):
            past.refused_as_gone(key, made.bucket, name, pos(at))
            gone += 1
    assert freed > 0, "nothing was freed"
    said(f"{checked} objects still read, {gone} are gone as they should, {freed} bytes freed")


# Kill -9.

@test(alone=True)
def a_killed_restore_or_undo_leaves_each_key_old_or_new_and_goes_on(scene):
    key, chance, count = scene.tenant("killed"), scene.chance("kills"), 10_000 if scene.full else 1_500
    native, bucket = key.native, scene.bucket("killed", key)
    names = [f"d{number % 17}/k{number:05}" for number in range(count)]
    together(lambda name: native.put(bucket, name, f"old {name}".encode()), names)
    start = past.position(native.call("PUT", native.of(bucket, "/objects", "a mark"), content=b"stays"))
    together(lambda name: native.put(bucket, name, f"new {name}".encode()), names[:count // 2])
    together(lambda name: native.delete(bucket, name), names[count // 2:count * 3 // 4])
    together(lambda name: native.put(bucket, f"{name} too", b"new"), names[::4])
    old, new = dict((one.key, one) for one in past.listing(key, bucket, pos(start))[0]), dict((one.key, one) for one in past.listing(key, bucket)[0])
    assert len(old) == count + 1 and len(new) == count + 1 - count // 4 + len(names[::4]), f"{len(old)} and {len(new)} objects"
    began = time.monotonic()
    done = past.restore(native, bucket, pos(start))
    whole_s = time.monotonic() - began
    same(dict((one.key, one) for one in past.listing(key, bucket)[0]), old, "restored without a kill")
    past.undo(native, bucket, requestId=done.request_id)
    kinds, halves, request = [], 0, None
    for number in range(20 if scene.full else 6):
        if request is None:
            begun, before, after = past.begin(native, bucket, "restore", point=pos(start)), new, old
        else:
            begun, before, after = past.begin(native, bucket, "undo", requestId=request), old, new
        time.sleep(chance.random() * whole_s * 0.9)
        scene.kill()
        scene.start()
        listed = dict((one.key, one) for one in past.listing(key, bucket)[0])
        odd = [name for name in listed.keys() | old.keys() | new.keys() if listed.get(name) not in (old.get(name), new.get(name))]
        assert not odd, f"after kill {number} {len(odd)} keys are neither old nor new, such as {odd[0]}: {listed.get(odd[0])}"
        for name in chance.sample(sorted(listed), 30):
            # It may have changed since it was listed: the task goes on.
            for method in ("GET", "HEAD"):
                got = past.read(key, bucket, name, method=method)
                assert (got and (name, got.etag, got.size)) in (old.get(name), new.get(name)), f"after kill {number} {method} of {name} is {got}"
        halves += listed not in (old, new)
        ended = begun.wait(native, PATIENCE_S)
        kinds.append("restore" if request is None else "undo")
        same(dict((one.key, one) for one in past.listing(key, bucket)[0]), after, f"{kinds[-1]} {number} from {len(before)} keys, killed and gone on with: {ended}")
        request = begun.request_id if request is None else None
    for name in chance.sample(sorted(new), 50):
        got = past.read(key, bucket, name)
        assert got.digest == past.digest(b"stays" if name == "a mark" else b"new" if name.endswith("too") else (b"new " if new[name] != old.get(name) else b"old ") + name.encode()), name
    said(f"{len(kinds)} kills of {count * 3 // 4 + len(names[::4])} keys, {halves} found half done; undisturbed {whole_s:.1f} s")
