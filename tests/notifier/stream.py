"""NATS for tests: a server of their own that may be killed and comes back, and everything that its streams hold.

Owns: finding the program, starting it on a port and a folder, reading streams to the end.
Does not own: getting the program (tests/nats/install), what should be in a stream.
"""

import asyncio
import dataclasses
import os
import pathlib
import shutil
import socket
import subprocess
import time

from kit import ROOT, free_port, run


def program():
    """The nats-server that is named, that tests/nats/install gets, or that is installed."""
    if named := os.environ.get("HOLDFAST_NATS_SERVER"):
        return named
    install = ROOT / "tests" / "nats" / "install"
    if install.exists():
        return run(install).strip().splitlines()[-1]
    found = [str(path) for path in sorted((ROOT / "target" / "nats").rglob("nats-server")) if os.access(path, os.X_OK) and path.is_file()]
    found = found or [path for path in [shutil.which("nats-server")] if path]
    assert found, "there is no nats-server: set HOLDFAST_NATS_SERVER, or run tests/nats/install"
    return found[0]


@dataclasses.dataclass
class Message:
    stream: str
    sequence: int
    subject: str
    headers: dict
    body: bytes

    @property
    def position(self):
        """`<tenant>:<epoch>:<position>`"""
        return int(self.headers["Nats-Msg-Id"].split(":")[2])


class Nats:
    def __init__(self, folder, port=None):
        self.program, self.folder, self.port = program(), pathlib.Path(folder), port or free_port()
        self.url, self.process = f"nats://127.0.0.1:{self.port}", None

    def start(self):
        with open(self.folder / "nats.log", "ab") as log:
            self.process = subprocess.Popen([self.program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "nats")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        ends = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return self
            except OSError:
                assert self.process.poll() is None and time.monotonic() < ends, (self.folder / "nats.log").read_text()[-2000:]
                time.sleep(0.02)

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def streams(self):
        """Each stream's name and configuration."""
        return asyncio.run(self._with(lambda manager: manager.streams_info()))

    def read(self, stream):
        """Every message of a stream, in the order of its sequence."""
        return asyncio.run(self._read(stream))

    def last(self, stream):
        """The last message of a stream."""
        async def ask(jetstream):
            sequence = (await jetstream.stream_info(stream)).state.last_seq
            told = await jetstream.get_msg(stream, sequence)
            return Message(stream, sequence, told.subject, dict(told.headers or {}), told.data)
        return asyncio.run(self._with(ask))

    async def _with(self, what):
        import nats
        client = await nats.connect(self.url, connect_timeout=5, max_reconnect_attempts=5)
        try:
            return await what(client.jetstream())
        finally:
            await client.close()

    async def _read(self, stream):
        async def all_of(jetstream):
            last = (await jetstream.stream_info(stream)).state
            found, wanted = [], last.messages
            consumer = await jetstream.pull_subscribe("", stream=stream)
            while len(found) < wanted:
                for message in await consumer.fetch(min(500, wanted - len(found)), timeout=10):
                    found.append(Message(stream, message.metadata.sequence.stream, message.subject, dict(message.headers or {}), message.data))
                    await message.ack()
            return found
        return await self._with(all_of)
