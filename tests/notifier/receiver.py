#!/usr/bin/env python3
"""Whoever is told: an HTTP receiver that keeps what came, in this process for tests that look on, or as a program that may be killed.

usage: receiver.py --port PORT --journal FILE [--secret WHSEC]...

Owns: reading requests, keeping them in the order in which they came whole, answering as the test's rule says. The program writes each
down before it answers, and refuses what the official library does not verify.
Does not own: what should have come (proof.py).
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

@dataclasses.dataclass
class Delivery:
    """One request. `came` and `answered` are seconds of the system's clock; `answered` is none while the receiver thinks."""
    path: str
    headers: dict
    body: bytes
    came: float
    answered: float | None = None
    status: int | None = None
    verified: bool | None = None

    def number(self, name):
        value = self.headers.get(name)
        return None if value is None else int(value)

    id = property(lambda self: self.headers.get("webhook-id"))
    position = property(lambda self: self.number("x-holdfast-position"))
    prev = property(lambda self: self.number("x-holdfast-prev"))
    attempt = property(lambda self: self.number("x-holdfast-attempt"))
    type = property(lambda self: self.headers.get("x-holdfast-event"))
    replay = property(lambda self: self.headers.get("x-holdfast-replay"))

    @functools.cached_property
    def document(self):
        return json.loads(self.body)

    def line(self):
        """As a line of a journal."""
        told = {"path": self.path, "headers": self.headers, "body": self.body.decode(), "came": self.came, "verified": self.verified}
        return (json.dumps(told) + "\n").encode()

    @classmethod
    def read(cls, line):
        told = json.loads(line)
        return cls(told["path"], told["headers"], told["body"].encode(), told["came"], told["came"], 200, told["verified"])


class Gate:
    """An answer that is held back until the test opens it, or for so many seconds."""

    def __init__(self, answer=200, for_s=float("inf")):
        self.answer, self.opens_at = answer, time.monotonic() + for_s

    def open(self):
        self.opens_at = 0

    @property
    def opened(self):
        return time.monotonic() >= self.opens_at


async def serve(reader, writer, decide):
    """One connection: each request whole, then its answer. `decide` gives a status, a status with headers, or a Gate."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            method, path, _ = head[0].split(" ")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
            assert method == "POST" and "transfer-encoding" not in headers, head
            body = await reader.readexactly(int(headers.get("content-length", 0)))
            delivery = Delivery(path, headers, body, time.time())
            answer = decide(delivery)
            if isinstance(answer, Gate):
                gate = answer
                while not gate.opened:
                    await asyncio.sleep(0.005)
                answer = gate.answer
            status, extra = answer if isinstance(answer, tuple) else (answer, {})
            delivery.status, delivery.answered = status, time.time()
            lines = [f"HTTP/1.1 {status} Told", *(f"{name}: {value}" for name, value in extra.items()), *(["content-length: 0"] if status != 204 else [])]
            writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
            await writer.drain()
    except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
        # Whoever told went away, or the receiver does.
        pass
    finally:
        writer.close()


class Receiver:
    """A receiver in a thread of this process, away until it is entered. `rule` is an answer, or a function of the delivery that gives one, and
    may be changed at any time."""

    def __init__(self, rule=200, host="127.0.0.1", port=0):
        self.rule, self.host, self.deliveries = rule, host, []
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.port = self.socket.getsockname()[1]
        self.url = f"http://{host}:{self.port}/"
        self.loop, self.started, self.ended = asyncio.new_event_loop(), threading.Event(), None
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._serve()), daemon=True)

    def _decide(self, delivery):
        self.deliveries.append(delivery)
        return self.rule(delivery) if callable(self.rule) else self.rule

    async def _serve(self):
        self.ended = asyncio.Event()
        server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, self._decide), sock=self.socket, limit=1 << 20, backlog=1024)
        self.started.set()
        await self.ended.wait()
        server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # Connections end in the next turn of the loop.
        await asyncio.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        assert self.started.wait(10), "the receiver did not start"
        return self

    def __exit__(self, *_):
        self.loop.call_soon_threadsafe(self.ended.set)
        self.thread.join(10)

    def accepted(self):
        """What was answered with 2xx."""
        return [one for one in list(self.deliveries) if one.status and 200 <= one.status < 300]

    def wait(self, count, patience_s=30, of=None):
        """Waits until so many were accepted, or came of whatever `of` gives: they."""
        of, ends = of or self.accepted, time.monotonic() + patience_s
        while len(found := of()) < count:
            assert time.monotonic() < ends, f"{len(found)} of {count} deliveries came within {patience_s} s; all that came: {self.told()}"
            time.sleep(0.01)
        return found

    def wait_for(self, position, patience_s=30):
        """Waits until this position was accepted."""
        return self.wait(1, patience_s, lambda: [one for one in self.accepted() if one.position == position])[0]

    def told(self):
        """What came, in an assertion's message."""
        return [(one.position, one.type, one.attempt, one.status) for one in self.deliveries[-20:]]


class Trap:
    """A socket to which nobody may ever connect."""

    def __init__(self, host, port, answer=b""):
        self.touched, self.ends, self.answer = [], False, answer
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind((host, port))
        self.socket.listen(64)
        self.socket.settimeout(0.05)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        while not self.ends:
            with contextlib.suppress(TimeoutError, OSError):
                stream, peer = self.socket.accept()
                self.touched.append((time.time(), peer))
                stream.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.ends = True
        self.thread.join(5)
        self.socket.close()


class Program:
    """The receiver as a program on one port and one journal, started and killed at will."""

    def __init__(self, folder, port, secrets=(), name="receiver"):
        self.journal, self.port, self.secrets, self.process = pathlib.Path(folder) / f"{name}.jsonl", port, secrets, None
        self.url, self.kills = f"http://127.0.0.1:{port}/", 0

    def start(self):
        secrets = [part for secret in self.secrets for part in ("--secret", secret)]
        self.process = subprocess.Popen([sys.executable, __file__, "--port", str(self.port), "--journal", str(self.journal), *secrets],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"ready\n", "the receiver did not start"
        return self

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.kills += 1

    def read(self):
        """Every delivery of the journal. A line that was being written when it was killed is none: nobody was told that it came."""
        found, torn = [], 0
        for line in self.journal.read_bytes().split(b"\n") if self.journal.exists() else ():
            if line:
                try:
                    found.append(Delivery.read(line))
                except ValueError:
                    torn += 1
        assert torn <= self.kills, f"{torn} torn lines of {self.kills} kills"
        return found


async def program(options):
    # Here, because tests that look on do without it.
    from standardwebhooks.webhooks import Webhook, WebhookVerificationError
    verifiers = [Webhook(secret) for secret in options.secret]
    journal = os.open(options.journal, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    # A line that was torn by a kill must not swallow the next one.
    os.write(journal, b"\n")

    def decide(delivery):
        def verifies(one):
            with contextlib.suppress(WebhookVerificationError):
                one.verify(delivery.body, delivery.headers, json_parse=False)
                return True
        delivery.verified = any(verifies(one) for one in verifiers) if verifiers else None
        os.write(journal, delivery.line())
        return 401 if delivery.verified is False else 200

    server = await asyncio.start_server(lambda reader, writer: serve(reader, writer, decide), "127.0.0.1", options.port, limit=1 << 20, backlog=4096)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    print("ready", flush=True)
    await ended.wait()
    server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", type=pathlib.Path, required=True)
    parser.add_argument("--secret", action="append", default=[])
    asyncio.run(program(parser.parse_args()))
