"""Bodies that are cut off, framed wrongly, slow, or given up: nothing of them is ever to be seen."""

import base64
import contextlib
import socket
import struct
import threading
import time
import zlib

from field import attack, expect, put, text
from wire import CHUNKS, CHUNKS_TRAILER, UNSIGNED, UNSIGNED_TRAILER, Answer, connect, head, read, send

MIB = 1 << 20


def crc32(data):
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


def refused_or_closed(answer):
    """Whoever stops in the middle may be told so, or find the connection closed. He is not told that it worked."""
    assert answer is None or (answer.status, answer.code) == (400, "IncompleteBody"), str(answer)


@attack
def a_body_that_ends_early_is_nothing(field):
    bucket = field.bucket("bodies-early")
    put(field.admin, f"/{bucket}/k", b"before")
    content = b"0123456789abcdef" * 8_192
    with field.unchanged(bucket):
        headers = field.admin.signed("PUT", f"/{bucket}/k", payload=UNSIGNED)
        for sent in (0, 1, len(content) // 2, len(content) - 1):
            refused_or_closed(send(field.host, "PUT", f"/{bucket}/k", headers, content[:sent], announced=len(content)))
        for form, trailer in ((CHUNKS, None), (UNSIGNED_TRAILER, {"x-amz-checksum-crc32": crc32(content)}), (CHUNKS_TRAILER, {"x-amz-checksum-crc32": crc32(content)})):
            announced = "x-amz-checksum-crc32" if trailer else None
            headers, body = field.admin.chunked(f"/{bucket}/k", [content[:MIB // 16], content[MIB // 16 :]], form, trailer, announced)
            for cut in (1, len(body) // 2, body.rfind(b"0", 0, len(body) - 40), len(body) - 5):
                refused_or_closed(send(field.host, "PUT", f"/{bucket}/k", headers, body[:cut], announced=len(body)))
                # The same framing, cut off, in a request that is complete in itself.
                answer = expect(send(field.host, "PUT", f"/{bucket}/k", headers, body[:cut]), 400)
                assert answer.code in ("IncompleteBody", "InvalidRequest", "MalformedTrailerError"), str(answer)


@attack
def chunks_are_what_was_signed(field):
    bucket = field.bucket("bodies-chunks")
    put(field.admin, f"/{bucket}/k", b"before")
    chunks = [b"a" * 65_536, b"b" * 65_536, b"c" * 100]
    with field.unchanged(bucket):
        for wrong in range(4):
            headers, body = field.admin.chunked(f"/{bucket}/k", chunks, wrong_chunk=wrong)
            expect(send(field.host, "PUT", f"/{bucket}/k", headers, body), 403, "SignatureDoesNotMatch")
        headers, body = field.admin.chunked(f"/{bucket}/k", chunks)
        expect(send(field.host, "PUT", f"/{bucket}/k", headers, body.replace(b"aaaa", b"aaab", 1)), 403, "SignatureDoesNotMatch")
        # Another object with the chunks of this one.
        expect(send(field.host, "PUT", f"/{bucket}/other", headers, body), 403, "SignatureDoesNotMatch")
        for length in ("1", str(sum(map(len, chunks)) + 1), str(sum(map(len, chunks)) - 1)):
            unsigned = field.admin.signed("PUT", f"/{bucket}/k", headers={"x-amz-decoded-content-length": length, "content-encoding": "aws-chunked"}, payload=UNSIGNED_TRAILER)
            framed = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
            expect(send(field.host, "PUT", f"/{bucket}/k", unsigned, framed), 400, "IncompleteBody")
        for frame in (b"fffffffffffffffff\r\nx", b"-1\r\nx\r\n0\r\n\r\n", b"x\r\n", b"5\nhello\r\n0\r\n\r\n", b"8000000000000000\r\nx", b"0" * 70_000):
            headers = field.admin.signed("PUT", f"/{bucket}/k", headers={"x-amz-decoded-content-length": "5", "content-encoding": "aws-chunked"}, payload=UNSIGNED_TRAILER)
            answer = expect(send(field.host, "PUT", f"/{bucket}/k", headers, frame), 400)
            assert answer.code in ("InvalidRequest", "IncompleteBody", "EntityTooLarge"), str(answer)


@attack
def a_trailer_that_was_announced_comes_and_is_right(field):
    bucket = field.bucket("bodies-trailer")
    put(field.admin, f"/{bucket}/k", b"before")
    content, right = b"checked at the end" * 1_000, None
    right, wrong = crc32(content), crc32(b"other")
    name = "x-amz-checksum-crc32"
    with field.unchanged(bucket):
        for form in (UNSIGNED_TRAILER, CHUNKS_TRAILER):
            for trailer, announced, status, codes in [
                    (None, name, 400, ("MalformedTrailerError", "InvalidRequest", "IncompleteBody")), ({name: wrong}, name, 400, "BadDigest"),
                    ({name: "x"}, name, 400, "InvalidRequest"), ({name: ""}, name, 400, ("InvalidRequest", "MalformedTrailerError")),
                    ({"x-amz-checksum-sha1": right}, name, 400, "MalformedTrailerError"), ({name: right, "x-amz-meta-a": "b"}, name, 400, "MalformedTrailerError"),
                    ({name: right}, None, 400, ("MalformedTrailerError", "InvalidRequest")), ({"x-amz-meta-a": "b"}, "x-amz-meta-a", 400, "InvalidRequest")]:
                headers, body = field.admin.chunked(f"/{bucket}/k", [content], form, trailer, announced)
                expect(send(field.host, "PUT", f"/{bucket}/k", headers, body), status, codes)
        headers, body = field.admin.chunked(f"/{bucket}/k", [content], CHUNKS_TRAILER, {name: right}, name)
        signature = body.rfind(b"x-amz-trailer-signature:") + 24
        expect(send(field.host, "PUT", f"/{bucket}/k", headers, body[:signature] + b"0" * 64 + body[signature + 64 :]), 403, "SignatureDoesNotMatch")
        changed = body.replace(right.encode(), wrong.encode())
        expect(send(field.host, "PUT", f"/{bucket}/k", headers, changed), 403, "SignatureDoesNotMatch")
    for form in (UNSIGNED_TRAILER, CHUNKS_TRAILER):
        headers, body = field.admin.chunked(f"/{bucket}/k", [content], form, {name: right}, name)
        expect(send(field.host, "PUT", f"/{bucket}/k", headers, body), 200)
        got = expect(field.admin.ask("GET", f"/{bucket}/k"), 200)
        assert got.body == content and "aws-chunked" not in got.headers.get("content-encoding", ""), got.headers


def give_up(stream):
    """Closes with a reset: what is still under way is thrown away."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.close()


@attack
def uploads_that_are_given_up_leave_nothing(field):
    bucket = field.bucket("bodies-given-up")
    put(field.admin, f"/{bucket}/k", b"before")
    upload = text(expect(field.admin.ask("POST", f"/{bucket}/parts", [("uploads", "")]), 200), "UploadId")
    query = f"?partNumber=1&uploadId={upload}"
    with field.standing(), field.unchanged(bucket):
        def one(number):
            path, query_list = (f"/{bucket}/k", []) if number % 2 else (f"/{bucket}/parts", [("partNumber", "1"), ("uploadId", upload)])
            headers = field.admin.signed("PUT", path, query_list, payload=UNSIGNED)
            stream = connect(field.host)
            with contextlib.suppress(ConnectionError):
                stream.sendall(head("PUT", path + ("" if number % 2 else query), headers, 64 * MIB) + bytes([number]) * (5 * MIB))
            give_up(stream)
        threads = [threading.Thread(target=one, args=(number,)) for number in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        parts = expect(field.admin.ask("GET", f"/{bucket}/parts", [("uploadId", upload)]), 200)
        assert b"<Part>" not in parts.body, parts.body
    assert field.admin.ask("GET", f"/{bucket}/k").body == b"before"


@attack
def slow_uploads_keep_nobody_waiting(field):
    """Two hundred that send a byte now and then: others are served meanwhile, and what never ends is never there."""
    bucket = field.bucket("bodies-slow")
    put(field.admin, f"/{bucket}/k", b"before")
    with field.standing(), field.unchanged(bucket):
        streams = []
        for number in range(200):
            stream = connect(field.host)
            headers = field.admin.signed("PUT", f"/{bucket}/slow-{number}", payload=UNSIGNED)
            whole = head("PUT", f"/{bucket}/slow-{number}", headers, 10 * MIB)
            # A part of them is slow in the headers already.
            stream.sendall(whole + b"x" if number % 4 else whole[: len(whole) // 2])
            streams.append(stream)
        slowest = 0
        for _ in range(10):
            began = time.monotonic()
            expect(field.admin.ask("GET", f"/{bucket}/k"), 200)
            slowest = max(slowest, time.monotonic() - began)
            for number, stream in enumerate(streams):
                if number % 4:
                    with contextlib.suppress(ConnectionError):
                        stream.sendall(b"x")
            time.sleep(0.1)
        assert slowest < 2, f"a read took {slowest:.1f} s beside slow uploads"
        for stream in streams:
            give_up(stream)


@attack
def lengths_that_cannot_be_are_refused(field):
    bucket = field.bucket("bodies-lengths")
    with field.standing(), field.unchanged(bucket):
        headers = field.admin.signed("PUT", f"/{bucket}/k", payload=UNSIGNED)
        with connect(field.host) as stream:
            stream.sendall(head("PUT", f"/{bucket}/k", headers, (5 << 30) + 1))
            expect(read(stream), 400, "EntityTooLarge")
        for lines in ("content-length: -1\r\n", "content-length: 1e3\r\n", "content-length: 1\r\ncontent-length: 2\r\n", "content-length: 18446744073709551616\r\n",
                      "content-length: 5\r\ntransfer-encoding: chunked\r\n"):
            with connect(field.host) as stream:
                given = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                stream.sendall(f"PUT /{bucket}/k HTTP/1.1\r\n{given}{lines}connection: close\r\n\r\n".encode())
                stream.shutdown(socket.SHUT_WR)
                answer = read(stream)
                assert answer is None or answer.status in (400, 411), f"{lines!r}: {answer}"
        assert isinstance(field.admin.ask("GET", f"/{bucket}"), Answer)
