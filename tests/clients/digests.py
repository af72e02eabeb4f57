"""The five checksums, two of which Python has no function for, as headers and documents carry them."""

import base64
import hashlib
import zlib


def reflected_crc(polynomial, bits):
    """A CRC as zlib computes one, for polynomials that Python brings no function for."""
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (polynomial if byte & 1 else 0)
        table.append(byte)
    ones = (1 << bits) - 1

    def of(data):
        crc = ones
        for byte in data:
            crc = table[(crc ^ byte) & 255] ^ (crc >> 8)
        return (crc ^ ones).to_bytes(bits // 8, "big")
    return of


DIGESTS = {
    "CRC32": lambda data: zlib.crc32(data).to_bytes(4, "big"),
    "CRC32C": reflected_crc(0x82F63B78, 32),
    "CRC64NVME": reflected_crc(0x9A6C9329AC4BC9B5, 64),
    "SHA1": lambda data: hashlib.sha1(data).digest(),
    "SHA256": lambda data: hashlib.sha256(data).digest(),
}


def text(algorithm, data):
    """As headers carry it: the digest, most significant byte first, in base64."""
    return base64.b64encode(DIGESTS[algorithm](data)).decode()


def our_own_arithmetic_is_right():
    assert DIGESTS["CRC32C"](b"123456789").hex() == "e3069283"
    assert DIGESTS["CRC64NVME"](b"123456789").hex() == "ae8b14860a799888"
