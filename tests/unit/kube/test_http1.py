"""Our HTTP/1.1 against the standard library's: what both read must be the same; what is broken must not be believed."""

from __future__ import annotations

import http.client
import io
import itertools
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kaspr_controller.kube import errors, http1
from kaspr_controller.kube.http1 import Answer, request_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def answer(data: bytes) -> Answer:
    return Answer(io.BufferedReader(io.BytesIO(data)))


class Drip(io.RawIOBase):
    """A socket that delivers the bytes in the given pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        super().__init__()
        self._pieces = [piece for piece in pieces if piece]

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        size = min(len(piece), len(buffer))
        buffer[:size] = piece[:size]
        if size < len(piece):
            self._pieces.insert(0, piece[size:])
        return size


class Wire:
    """What the standard library wants to read from."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def library(data: bytes) -> tuple[int, bytes, bool]:
    """The answer as `http.client` reads it: status, body, whether the connection goes on."""
    response = http.client.HTTPResponse(Wire(data), method="GET")  # type: ignore[arg-type]
    response.begin()
    return response.status, response.read(), not response.will_close


token = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ-", min_size=1, max_size=12).map(lambda name: "X-" + name)
value = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
bodies = st.binary(max_size=300)


@st.composite
def wire_answers(draw: st.DrawFn) -> bytes:
    """Answers as servers and proxies send them, in every framing."""
    status = draw(st.sampled_from([200, 201, 204, 304, 400, 404, 409, 500, 503]))
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    body = draw(bodies)
    lines = [f"HTTP/{version} {status}{draw(st.sampled_from([' OK', ' ', '', ' Not Found At All']))}"]
    lines += [f"{name}: {text}" for name, text in draw(st.lists(st.tuples(token, value), max_size=5))]
    if draw(st.booleans()):
        lines.append(f"Connection: {draw(st.sampled_from(['close', 'keep-alive', 'Close']))}")
    framing = draw(st.sampled_from(["sized", "chunked", "close"]))
    if version == "1.0" and framing == "chunked":
        framing = "sized"
    if status in {204, 304}:  # no body by definition; the library trips over a framing that promises one
        framing, body = "close", b""
    if framing == "sized":
        lines.append(f"{draw(st.sampled_from(['Content-Length', 'content-length']))}:{len(body)}")
        payload = body
    elif framing == "chunked":
        lines.append("Transfer-Encoding: chunked")
        payload = chunked(body, draw(st.lists(st.integers(1, 100), max_size=6)))
    else:
        payload = body
    interim = b"HTTP/1.1 100 Continue\r\n\r\n" if draw(st.booleans()) else b""
    return interim + "\r\n".join([*lines, "", ""]).encode("latin-1") + payload


def chunked(body: bytes, sizes: list[int]) -> bytes:
    out = b""
    for size in sizes:
        piece, body = body[:size], body[size:]
        if piece:
            out += f"{len(piece):x};ext=1\r\n".encode() + piece + b"\r\n"
    if body:
        out += f"{len(body):X}\r\n".encode() + body + b"\r\n"
    return out + b"0\r\nX-Trailer: t\r\n\r\n"


@given(wire_answers())
def test_every_answer_is_read_as_the_library_reads_it(data: bytes) -> None:
    """Status, body and whether the connection goes on."""
    status, body, goes_on = library(data)
    ours = answer(data)
    assert (ours.status, ours.read()) == (status, body)
    if "HTTP/1.0" not in data.decode("latin-1"):
        assert ours.reusable == goes_on
    assert not (ours.reusable and not goes_on)


@given(wire_answers(), st.lists(st.integers(0, 600), max_size=12))
def test_how_the_network_cuts_the_bytes_does_not_matter(data: bytes, cuts: list[int]) -> None:
    """The same body, whole or piece by piece."""
    expected = answer(data).read()
    marks = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    pieces = [data[begin:end] for begin, end in itertools.pairwise(marks)]
    ours = Answer(io.BufferedReader(Drip(pieces)))
    assert b"".join(iter(ours.read_piece, b"")) == expected
    assert ours.read_piece() == b""


@given(wire_answers(), st.integers(0, 1000))
def test_an_answer_that_ends_early_is_never_taken_for_whole(data: bytes, cut: int) -> None:
    """Any prefix: an error, or, where only the end of the connection ends a body, no reusable connection."""
    cut %= len(data) + 1
    assume(cut < len(data))
    try:
        ours = answer(data[:cut])
        body = ours.read()
    except errors.TransportError:
        return
    whole = answer(data)
    assert body == whole.read() or not ours.reusable


@given(st.binary(max_size=200))
def test_noise_is_an_error_of_ours(noise: bytes) -> None:
    """Nothing but a transport error may leave this module."""
    for data in (noise, b"HTTP/1.1 200 OK\r\n" + noise, CHUNKED + noise):
        try:
            answer(data).read()
        except errors.TransportError:
            continue


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2x0 OK\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 900 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nNo colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        CHUNKED + b"xyz\r\n{}\r\n",
        CHUNKED + b"-2\r\n{}\r\n",
        CHUNKED + b"0x2\r\n{}\r\n",
        CHUNKED + b"2\r\n{}garbage\r\n0\r\n\r\n",
        CHUNKED + b"FFFFFFFFFF\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * (http1.HEADER_LIMIT + 1) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * http1.LINE_LIMIT + b"\r\n\r\n",
    ],
)
def test_what_is_not_plainly_http_is_refused(data: bytes) -> None:
    """Two programs that read such an answer differently are how one is deceived."""
    with pytest.raises(errors.ProtocolError):
        answer(data).read()


@pytest.mark.parametrize("size", range(len(PLAIN)))
def test_each_early_end_is_a_lost_connection(size: int) -> None:
    """The request may have been carried out."""
    with pytest.raises((errors.ConnectionLost, errors.ProtocolError)) as caught:
        answer(PLAIN[:size]).read()
    if size == 0 or size > len("HTTP/1.1 200 OK\r\n"):
        assert type(caught.value) is errors.ConnectionLost


def test_an_event_is_delivered_before_the_next_byte_is_due() -> None:
    """The line break after a chunk may come a minute later, with the next event."""

    class Blocks(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            raise TimeoutError

    class Once(Drip):
        def readinto(self, buffer: Any) -> int:
            return super().readinto(buffer) or Blocks().readinto(buffer)

    ours = Answer(io.BufferedReader(Once([CHUNKED + b"6\r\nevent\n"])))
    assert ours.read_piece() == b"event\n"
    with pytest.raises(TimeoutError):
        ours.read_piece()


def test_headers_keep_all_their_values() -> None:
    """The server sends one Warning header per warning; names do not mind their case."""
    ours = answer(
        b'HTTP/1.1 200 OK\r\nWarning: 299 - "a"\r\nwarning:  299 - "b" \r\nContent-Length: 0\r\n\r\n'
    )
    assert ours.headers["warning"] == ['299 - "a"', '299 - "b"']
    assert ours.header("warning") == '299 - "a"'
    assert ours.header("retry-after") is None


def test_a_request_is_what_the_library_would_send() -> None:
    """Head and body in one piece."""
    assert request_bytes("PATCH", "/x?a=b", "h:1", {"Accept": "application/json"}, b"{}") == (
        b"PATCH /x?a=b HTTP/1.1\r\nHost: h:1\r\nAccept: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert request_bytes("GET", "/", "h", {}, None) == b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
    assert b"Content-Length: 0\r\n" in request_bytes("POST", "/", "h", {}, b"")


@pytest.mark.parametrize("text", ["a\r\nX: y", "a\nX: y", "a\rX: y", "ä→"])
def test_no_header_can_smuggle_another(text: str) -> None:
    """A token file with a line break in it must not become two headers."""
    with pytest.raises(errors.BadRequest) as caught:
        request_bytes("GET", "/", "h", {"Authorization": text}, None)
    assert text not in str(caught.value)
    if text != "ä→":
        with pytest.raises(errors.BadRequest):
            request_bytes("GET", "/" + text, "h", {}, None)
