"""The retention clock from outside: a server that is started ten years ahead ends no retention before an operator says that it is right.

Needs libfaketime (Debian: faketime), which lies to the server about the wall clock and leaves its other clocks alone.
"""

import datetime
import pathlib

from contract import ok, refused
from kit import Server, run
from stage import in_days, moment, stamp, test

DAYS = 3650
NEAR = datetime.timedelta(minutes=1)


def lying(folder, binary, days):
    """The program, with a wall clock that is so many days ahead."""
    library = next(iter(sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    assert library, "libfaketime is missing: apt-get install faketime"
    script = folder / f"ahead-{days}"
    script.write_text(f'#!/bin/sh\nLD_PRELOAD={library} FAKETIME=+{days}d FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1 exec {binary} "$@"\n')
    script.chmod(0o755)
    return script


def restart(scene, binary, days):
    """Stops the server and starts it so many days ahead, over the same data."""
    server = scene.server
    server.stop()
    scene.server = Server(lying(scene.folder, binary, days), scene.folder, {}, server.port, server.admin_port)


def clock(scene):
    return scene.manage("GET", "/clock")


def figure(scene, name):
    text = scene.http.get(scene.admin_url + "/metrics").text
    return int(next(line for line in text.splitlines() if line.startswith(f"holdfast_clock_{name} ")).split()[1])


def wrong(scene, wall):
    answer = scene.operator.post("/clock/acknowledge", json={"wall": stamp(wall)})
    assert answer.status_code == 400 and answer.json()["code"] == "invalid_request" and "5 minutes" in answer.json()["message"], answer.text


def put_retained(scene, bucket, key, mode, days):
    version = scene.native.put(bucket, key, b"kept")["versionId"]
    scene.native.retain(bucket, key, mode, stamp(in_days(days)))
    return version


def remove(scene, bucket, key, version):
    return scene.native.ask("DELETE", f"/buckets/{bucket}/objects/{key}", params={"versionId": version})


@test(alone=True)
def ten_years_ahead_nothing_expires_until_it_is_acknowledged(scene):
    binary = pathlib.Path(scene.server.binary).resolve()
    bucket = scene.bucket("clock", objectLockEnabled=True)
    day = put_retained(scene, bucket, "day", "COMPLIANCE", 1)
    governed = put_retained(scene, bucket, "governed", "GOVERNANCE", 1)
    decades = put_retained(scene, bucket, "decades", "COMPLIANCE", 20 * 365)
    before = clock(scene)
    assert not before["frozen"] and moment(before["wallTime"]) - moment(before["retentionTime"]) < NEAR, before

    restart(scene, binary, DAYS)
    frozen = clock(scene)
    assert frozen["frozen"] and moment(frozen["wallTime"]) - moment(frozen["retentionTime"]) > datetime.timedelta(days=DAYS - 1), frozen
    assert moment(frozen["judgedTime"]) <= moment(frozen["retentionTime"]), frozen
    assert figure(scene, "frozen") == 1 and figure(scene, "behind_seconds") > (DAYS - 1) * 86400
    log = scene.server.log_path.read_text(errors="replace")
    assert "expiry is frozen" in log and "holdfast admin clock --acknowledge" in log, log[-2000:]
    assert scene.http.get(scene.endpoint + "/readyz").status_code == 200, "frozen, and ready: reads and writes go on"
    for key, version in (("day", day), ("governed", governed), ("decades", decades)):
        refused(remove(scene, bucket, key, version), "object_locked")
    assert scene.native.put(bucket, "meanwhile", b"x")["versionId"]
    scene.native.call("PUT", f"/buckets/{bucket}/object-lock", json={"objectLockEnabled": True, "rule": {"defaultRetention": {"mode": "COMPLIANCE", "days": 1}}})
    answer = scene.native.ask("PUT", f"/buckets/{bucket}/objects/waits", content=b"x")
    assert answer.status_code == 503 and answer.json()["code"] == "unavailable" and "clock" in answer.json()["message"], answer.text

    # A restart alone changes nothing, and nobody acknowledges blindly: this machine's own time is not the server's.
    restart(scene, binary, DAYS)
    assert clock(scene)["frozen"]
    now = datetime.datetime.now(datetime.timezone.utc)
    for wall in (now, now + datetime.timedelta(days=DAYS, minutes=10), now + datetime.timedelta(days=DAYS, minutes=-10)):
        wrong(scene, wall)
    refused(remove(scene, bucket, "day", day), "object_locked")

    ahead = now + datetime.timedelta(days=DAYS)
    told = run(binary, "admin", "clock", f"--acknowledge={stamp(ahead)}", "--data", scene.server.data, env=scene.server.environment)
    assert '"frozen": false' in told, told
    after = clock(scene)
    assert not after["frozen"] and abs(moment(after["wallTime"]) - moment(after["retentionTime"])) < NEAR, after
    assert figure(scene, "frozen") == 0 and abs(figure(scene, "behind_seconds")) < 60
    for key, version in (("day", day), ("governed", governed)):
        ok(remove(scene, bucket, key, version), 200, 204)
    refused(remove(scene, bucket, "decades", decades), "object_locked")
    scene.native.put(bucket, "waits", b"x")

    restart(scene, binary, DAYS)
    assert not clock(scene)["frozen"], "a restart honours it"
    refused(remove(scene, bucket, "decades", decades), "object_locked")

    # Back at the right time again: the clock waits, and what was retained stays.
    restart(scene, binary, 0)
    back = clock(scene)
    assert not back["frozen"] and moment(back["retentionTime"]) - moment(back["wallTime"]) > datetime.timedelta(days=DAYS - 1), back
    refused(remove(scene, bucket, "decades", decades), "object_locked")
