"""The key pair that signs service account tokens, made without any crypto library or program.

In: nothing. Out: PEM texts (an elliptic curve key on P-256, SEC 1 and SubjectPublicKeyInfo). Called by
`cluster.py`. The standard library has no key generation, and `openssl` is not on every machine; these keys guard a
throw-away cluster on loopback, so the plain double-and-add below, not safe against timing, is good enough.
"""

from __future__ import annotations

import base64
import secrets
import textwrap

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
# Everything of these two structures is of fixed length, so the bytes around the numbers are constants.
PRIVATE_HEAD = bytes.fromhex("30770201010420")
PRIVATE_MIDDLE = bytes.fromhex("a00a06082a8648ce3d030107a14403420004")
PUBLIC_HEAD = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")

Point = tuple[int, int]


def key_pair() -> tuple[str, str]:
    """A fresh private and public key, both PEM."""
    secret = 1 + secrets.randbelow(N - 1)
    x, y = multiply(secret, G)
    point = x.to_bytes(32, "big") + y.to_bytes(32, "big")
    private = PRIVATE_HEAD + secret.to_bytes(32, "big") + PRIVATE_MIDDLE + point
    return pem("EC PRIVATE KEY", private), pem("PUBLIC KEY", PUBLIC_HEAD + point)


def pem(label: str, der: bytes) -> str:
    """The text form of a DER structure."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


def multiply(factor: int, point: Point) -> Point:
    """`factor` times `point`; factor is in 1..N-1, so the result is never the point at infinity."""
    total: Point | None = None
    while factor:
        if factor & 1:
            total = point if total is None else add(total, point)
        point = add(point, point)
        factor >>= 1
    if total is None:
        raise ValueError("the factor must be positive")
    return total


def add(one: Point, other: Point) -> Point:
    """The sum of two points of the curve y^2 = x^3 - 3x + b that are not each other's negative."""
    if one == other:
        slope = (3 * one[0] * one[0] - 3) * pow(2 * one[1], -1, P) % P
    else:
        slope = (other[1] - one[1]) * pow(other[0] - one[0], -1, P) % P
    x = (slope * slope - one[0] - other[0]) % P
    return x, (slope * (one[0] - x) - one[1]) % P
