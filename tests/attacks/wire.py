"""Requests that no client would send: every byte of the request line, the headers and the body is the attack's own.

Owns: signing by SigV4 (header, query, chunks) and SigV2 (query), written from AWS's documentation and independent of the server's code;
sending over plain sockets, whole, in part, slowly or never to the end.
Does not own: what is expected of the answer.
"""

import contextlib
import datetime
import hashlib
import hmac
import base64
import re
import socket
import urllib.parse

REGION, SERVICE = "us-east-1", "s3"
UNSIGNED = "UNSIGNED-PAYLOAD"
CHUNKS, CHUNKS_TRAILER, UNSIGNED_TRAILER = (
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode(text, safe=""):
    return urllib.parse.quote(text, safe=safe + "-._~")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found.group(1).decode() if found else None

    def __str__(self):
        return f"{self.status} {self.code}: {self.body[:300]!r}"


class Key:
    """An access key that signs and sends. The path of a request goes out as it is given: percent-encode it yourself."""

    def __init__(self, host, key, secret):
        self.host, self.key, self.secret = host, key, secret

    def _moment(self, ago_s):
        return datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)

    def _signature(self, text, day):
        key = ("AWS4" + self.secret).encode()
        for part in (day, REGION, SERVICE, "aws4_request"):
            key = mac(key, part)
        return mac(key, text).hex()

    def _sign(self, method, path, query, headers, payload, moment):
        """Canonical request and signature: names of the signed headers, scope, signature."""
        stamp, day = moment.strftime("%Y%m%dT%H%M%SZ"), moment.strftime("%Y%m%d")
        lowered = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
        names = ";".join(name for name, _ in lowered)
        canonical = "\n".join([
            method, encode(urllib.parse.unquote(path), "/"),
            "&".join(sorted(f"{encode(name)}={encode(value)}" for name, value in query)),
            "".join(f"{name}:{value}\n" for name, value in lowered), names, payload])
        scope = f"{day}/{REGION}/{SERVICE}/aws4_request"
        return names, scope, self._signature(f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode())}", day)

    def signed(self, method, path, query=(), headers=None, body=b"", payload=None, ago_s=0):
        """Headers of a signed request. `payload` is x-amz-content-sha256, the body's digest unless told otherwise."""
        moment = self._moment(ago_s)
        headers = {"host": self.host, **(headers or {}), "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ"),
                   "x-amz-content-sha256": payload or sha256(body)}
        names, scope, signature = self._sign(method, path, query, headers, headers["x-amz-content-sha256"], moment)
        return headers | {"authorization": f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"}

    def ask(self, method, path, query=(), headers=None, body=b"", payload=None, ago_s=0, unsigned=None):
        """One signed request; `unsigned` headers are added afterwards."""
        headers = self.signed(method, path, query, headers, body, payload, ago_s) | (unsigned or {})
        return send(self.host, method, target(path, query), headers, body)

    def presign(self, method, path, query=(), headers=None, expires_s=60, ago_s=0):
        """The target of a presigned request; `headers` must be sent with it."""
        moment = self._moment(ago_s)
        headers = {"host": self.host, **(headers or {})}
        names = ";".join(sorted(name.lower() for name in headers))
        query = [*query, ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"), ("X-Amz-Date", moment.strftime("%Y%m%dT%H%M%SZ")),
                 ("X-Amz-Credential", f"{self.key}/{moment:%Y%m%d}/{REGION}/{SERVICE}/aws4_request"),
                 ("X-Amz-Expires", str(expires_s)), ("X-Amz-SignedHeaders", names)]
        _, _, signature = self._sign(method, path, query, headers, UNSIGNED, moment)
        return target(path, [*query, ("X-Amz-Signature", signature)])

    def presign_version_2(self, method, path, expires_s=60):
        """Signature Version 2 signs neither host nor most of the query."""
        expires = str(int(self._moment(-expires_s).timestamp()))
        made = hmac.new(self.secret.encode(), f"{method}\n\n\n{expires}\n{path}".encode(), hashlib.sha1).digest()
        return target(path, [("AWSAccessKeyId", self.key), ("Expires", expires), ("Signature", base64.b64encode(made).decode())])

    def form(self, bucket, conditions, fields, content, ago_s=0):
        """POST of a form whose policy has these conditions, as a browser sends it."""
        import json
        moment = self._moment(ago_s)
        credential = {"x-amz-algorithm": "AWS4-HMAC-SHA256", "x-amz-date": moment.strftime("%Y%m%dT%H%M%SZ"),
                      "x-amz-credential": f"{self.key}/{moment:%Y%m%d}/{REGION}/{SERVICE}/aws4_request"}
        ends = (moment + datetime.timedelta(minutes=10)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        policy = {"expiration": ends, "conditions": [{"bucket": bucket}, *({name: value} for name, value in credential.items()), *conditions]}
        text = base64.b64encode(json.dumps(policy).encode()).decode()
        fields = {**credential, "policy": text, "x-amz-signature": self._signature(text, f"{moment:%Y%m%d}"), **fields}
        edge = "edge-of-the-form"
        parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()]
        parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="../../secret"\r\n\r\n')
        body = "".join(parts).encode() + content + f"\r\n--{edge}--\r\n".encode()
        return send(self.host, "POST", f"/{bucket}", {"host": self.host, "content-type": f"multipart/form-data; boundary={edge}"}, body)

    def chunked(self, path, chunks, payload=CHUNKS, trailer=None, announced=None, wrong_chunk=None):
        """A PUT with aws-chunked framing: headers and body. `trailer` is what comes, `announced` what x-amz-trailer says."""
        size = sum(len(chunk) for chunk in chunks)
        headers = {"x-amz-decoded-content-length": str(size), "content-encoding": "aws-chunked"}
        if announced:
            headers["x-amz-trailer"] = announced
        headers = self.signed("PUT", path, headers=headers, payload=payload)
        previous, stamp = headers["authorization"].rsplit("=", 1)[1], headers["x-amz-date"]
        scope = f"{stamp[:8]}/{REGION}/{SERVICE}/aws4_request"
        body = b""
        for number, chunk in enumerate([*chunks, b""]):
            extension = ""
            if payload != UNSIGNED_TRAILER:
                text = f"AWS4-HMAC-SHA256-PAYLOAD\n{stamp}\n{scope}\n{previous}\n{sha256(b'')}\n{sha256(chunk)}"
                previous = self._signature(text, stamp[:8])
                extension = f";chunk-signature={'0' * 64 if wrong_chunk == number else previous}"
            # The last chunk is followed by the trailer, or by an empty line.
            body += f"{len(chunk):x}{extension}\r\n".encode() + (chunk + b"\r\n" if chunk else b"")
        for name, value in (trailer or {}).items():
            body += f"{name}:{value}\r\n".encode()
        if trailer and payload == CHUNKS_TRAILER:
            lines = "".join(f"{name}:{value}\n" for name, value in trailer.items())
            text = f"AWS4-HMAC-SHA256-TRAILER\n{stamp}\n{scope}\n{previous}\n{sha256(lines.encode())}"
            body += f"x-amz-trailer-signature:{self._signature(text, stamp[:8])}\r\n".encode()
        return headers, body + b"\r\n"


def target(path, query=()):
    return path + ("?" + "&".join(f"{encode(name)}={encode(value)}" for name, value in query) if query else "")


def connect(host):
    name, port = host.rsplit(":", 1)
    return socket.create_connection((name, int(port)), timeout=60)


def head(method, target, headers, length):
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), f"content-length: {length}", "connection: close"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def send(host, method, target, headers, body=b"", announced=None):
    """Sends a request whole, or less of it than announced, and reads what comes back until the connection ends."""
    with connect(host) as stream:
        # A server may answer before it was told everything, and close.
        with contextlib.suppress(ConnectionError):
            stream.sendall(head(method, target, headers, len(body) if announced is None else announced) + body)
            if announced is not None:
                stream.shutdown(socket.SHUT_WR)
        return read(stream)


def whole(data):
    """Whether an answer is complete: a server may leave the connection open for what was announced and never came."""
    lines, end, body = data.partition(b"\r\n\r\n")
    announced = re.search(rb"\r\ncontent-length: *(\d+)", lines, re.IGNORECASE)
    return bool(end and announced and len(body) >= int(announced.group(1)))


def read(stream):
    """The answer, or None when the connection ended without one."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while not whole(data) and (piece := stream.recv(1 << 16)):
            data += piece
    return parse(data)


def parse(data):
    """What was read of an answer, or None when its head is not whole."""
    if b"\r\n\r\n" not in data:
        return None
    first, _, rest = data.partition(b"\r\n")
    lines, _, body = rest.partition(b"\r\n\r\n")
    headers = {name.lower().strip(): value.strip() for name, _, value in (line.partition(":") for line in lines.decode().split("\r\n"))}
    return Answer(int(first.split()[1]), headers, body)
