"""The keys of service account tokens."""

from __future__ import annotations

import base64

from hack.controlplane import keys


def on_curve(point: keys.Point) -> bool:
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    x, y = point
    return (y * y - (x**3 - 3 * x + b)) % keys.P == 0


def test_multiplication_agrees_with_published_values() -> None:
    """Test vectors of P-256: 2G and 112233445566778899 G."""
    two = keys.multiply(2, keys.G)
    assert two[0] == 0x7CF27B188D034F7E8A52380304B51AC3C08969E277F21B35A60B48FC47669978
    assert two[1] == 0x07775510DB8ED040293D9AC69F7430DBBA7DADE63CE982299E04B79D227873D1
    x, _ = keys.multiply(112233445566778899, keys.G)
    assert x == 0x339150844EC15234807FE862A86BE77977DBFB3AE3D96F4C22795513AEAAB82F


def test_the_highest_factor_gives_the_mirrored_generator() -> None:
    """N - 1 is the last factor that may be drawn: (N - 1) G = -G."""
    assert keys.multiply(keys.N - 1, keys.G) == (keys.G[0], keys.P - keys.G[1])


def test_a_pair_belongs_together_and_is_fresh() -> None:
    """The public point is the private number times G, in both files, and is on the curve."""
    private, public = keys.key_pair()
    secret = int.from_bytes(der(private)[7:39], "big")
    point = (int.from_bytes(der(public)[-64:-32], "big"), int.from_bytes(der(public)[-32:], "big"))
    assert keys.multiply(secret, keys.G) == point
    assert on_curve(point)
    assert der(private)[-64:] == der(public)[-64:]
    assert keys.key_pair()[0] != private


def test_the_structures_have_the_lengths_that_their_headers_say() -> None:
    """The constant bytes around the numbers hold the lengths."""
    for text in keys.key_pair():
        assert len(der(text)) == der(text)[1] + 2


def der(text: str) -> bytes:
    lines = text.splitlines()
    assert lines[0].startswith("-----BEGIN ")
    assert lines[-1].startswith("-----END ")
    return base64.b64decode("".join(lines[1:-1]), validate=True)
