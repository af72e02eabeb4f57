"""A name server for tests: names of the test's own, whose answers may change from question to question.

Owns: answering over UDP and TCP, counting who asked for what.
"""

import collections
import ipaddress

from dnslib import AAAA, QTYPE, RCODE, RR, A
from dnslib.server import DNSServer


class Names:
    """Answers for the names it was told, with NXDOMAIN for others. An answer is a list of addresses, or a function of how often the name's
    addresses of that family were asked for before. `answers` may be changed at any time."""

    def __init__(self, port, answers):
        self.port, self.answers, self.asked, self.servers = port, answers, collections.Counter(), []

    def resolve(self, request, handler):
        reply, name, kind = request.reply(), str(request.q.qname).rstrip(".").lower(), QTYPE[request.q.qtype]
        if name not in self.answers:
            reply.header.rcode = RCODE.NXDOMAIN
            return reply
        answer = self.answers[name]
        if callable(answer):
            answer = answer(self.asked[name, kind])
        self.asked[name, kind] += 1
        for address in answer:
            packed = tuple(ipaddress.ip_address(address).packed)
            if kind == {4: "A", 16: "AAAA"}[len(packed)]:
                reply.add_answer(RR(request.q.qname, request.q.qtype, ttl=0, rdata=A(packed) if kind == "A" else AAAA(packed)))
        return reply

    def __enter__(self):
        self.servers = [DNSServer(self, address="127.0.0.1", port=self.port, tcp=tcp, logger=Quiet()) for tcp in (False, True)]
        for server in self.servers:
            server.start_thread()
        return self

    def __exit__(self, *_):
        for server in self.servers:
            server.stop()
            server.server.server_close()


class Quiet:
    """Nothing is printed."""

    def __getattr__(self, name):
        return lambda *_, **__: None
