"""HTTP/1.1 as far as one client speaks it to an API server: a request as bytes, an answer from a buffered reader.

`request_bytes` writes, `Answer` reads; the connection owns the reader and its deadlines. Used by one thread at a time. Own
code, because the general parsers cost more than everything else in a request (docs/design/0002-transport.md); strict,
because an answer that is read wrongly would be believed: what is not plainly HTTP/1.1 raises ProtocolError, what ends
early ConnectionLost, and a connection is reusable only after a body that was read to its mark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kaspr_controller.kube import errors

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping

LINE_LIMIT = 64 * 1024
"""Longest line of a head in bytes; Go's own limit is a megabyte for all of them."""

HEADER_LIMIT = 200
BODY_LIMIT = 1 << 30
"""Longest body, or chunk, in bytes that is believed: 200 times the largest list that is reasonable."""

_PIECE = 64 * 1024
_NO_BODY = frozenset({204, 304})
_SWITCHING = 101
_FINAL = 200
_VERSIONS = (b"HTTP/1.1", b"HTTP/1.0")
_DIGITS = {10: b"0123456789", 16: b"0123456789abcdefABCDEF"}
_EARLY = "the connection ended before the answer did"


def request_bytes(
    method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None
) -> bytes:
    """A request, to be sent as one piece.

    Raises:
        errors.BadRequest: a header or the target holds a line break, or what does not fit into Latin-1.
    """
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    text = "\r\n".join(lines)
    if text.count("\n") != len(lines) - 1 or text.count("\r") != len(lines) - 1:
        raise errors.BadRequest("a request header holds a line break")
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise errors.BadRequest("a request header holds characters beyond Latin-1") from error
    return head + b"\r\n\r\n" + (body or b"")


class Answer:
    """One answer: its head at once, its body with `read`, or with `read_piece` as it comes.

    Attributes:
        status: 200 to 599; interim answers are skipped.
        headers: names in lower case, each with all its values in order.
    """

    __slots__ = ("_body", "_persistent", "headers", "status")

    def __init__(self, reader: io.BufferedReader) -> None:
        """Read the head.

        Raises:
            errors.ConnectionLost: the end came first.
            errors.ProtocolError: it is no HTTP/1.1.
        """
        persistent, self.status, self.headers = _head(reader)
        while self.status < _FINAL:
            if self.status == _SWITCHING:
                raise errors.ProtocolError("the server switched protocols")
            persistent, self.status, self.headers = _head(reader)
        self._persistent = persistent and "close" not in _tokens(self.headers, "connection")
        self._body = _body(reader, self.status, self.headers)

    @property
    def reusable(self) -> bool:
        """Whether the connection stands at the start of another answer."""
        return self._persistent and self._body.finished

    def header(self, name: str) -> str | None:
        """The first value of a header, its name in lower case."""
        values = self.headers.get(name)
        return values[0] if values else None

    def read(self) -> bytes:
        """The whole body. Raises errors.ConnectionLost when the end comes first."""
        return self._body.read()

    def read_piece(self) -> bytes:
        """What there is of the body, b"" at its end. Raises errors.ConnectionLost when that comes without its mark."""
        return self._body.read_piece()


class _Sized:
    """A body of a known length."""

    __slots__ = ("_left", "_reader")

    def __init__(self, reader: io.BufferedReader, length: int) -> None:
        self._reader = reader
        self._left = length

    @property
    def finished(self) -> bool:
        return self._left == 0

    def read(self) -> bytes:
        data = _exactly(self._reader, self._left)
        self._left = 0
        return data

    def read_piece(self) -> bytes:
        if not self._left:
            return b""
        data = _some(self._reader, min(self._left, _PIECE))
        self._left -= len(data)
        return data


class _Chunked:
    """A body in chunks, each with its length before it; the last one is empty."""

    __slots__ = ("_break_due", "_left", "_reader", "finished")

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader
        self._left = 0
        self._break_due = False
        self.finished = False

    def read(self) -> bytes:
        pieces = []
        while self._next_chunk():
            pieces.append(_exactly(self._reader, self._left))
            self._left = 0
        return b"".join(pieces)

    def read_piece(self) -> bytes:
        if not self._left and not self._next_chunk():
            return b""
        data = _some(self._reader, min(self._left, _PIECE))
        self._left -= len(data)
        return data

    def _next_chunk(self) -> bool:
        """Read the length of the next chunk; False after the last one, whose trailers are dropped."""
        if self.finished:
            return False
        # Only now: waiting for the line break right after a chunk would hold back the event in it.
        if self._break_due and _line(self._reader):
            raise errors.ProtocolError("a chunk is longer than it said")
        self._left = _number(_line(self._reader).partition(b";")[0].strip(), 16)
        self._break_due = True
        if self._left == 0:
            _fields(self._reader)
            self.finished = True
        return self._left > 0


class _UntilClose:
    """A body that ends with the connection; where it was cut off cannot be told, so JSON has to."""

    __slots__ = ("_reader",)
    finished = False

    def __init__(self, reader: io.BufferedReader) -> None:
        self._reader = reader

    def read(self) -> bytes:
        pieces: list[bytes] = []
        while piece := self.read_piece():
            pieces.append(piece)
        return b"".join(pieces)

    def read_piece(self) -> bytes:
        return self._reader.read1(_PIECE)


def _body(
    reader: io.BufferedReader, status: int, headers: Mapping[str, list[str]]
) -> _Sized | _Chunked | _UntilClose:
    """How the body ends (RFC 9112, section 6.3)."""
    if status in _NO_BODY:
        return _Sized(reader, 0)
    if "transfer-encoding" in headers:
        # Both at once is how requests are smuggled past proxies; no honest server sends it.
        if _tokens(headers, "transfer-encoding") != ["chunked"] or "content-length" in headers:
            raise errors.ProtocolError("the answer has a transfer coding that was not asked for")
        return _Chunked(reader)
    lengths = set(_tokens(headers, "content-length"))
    if not lengths:
        return _UntilClose(reader)
    if len(lengths) > 1:
        raise errors.ProtocolError("the answer names two lengths")
    return _Sized(reader, _number(lengths.pop().encode(), 10))


def _head(reader: io.BufferedReader) -> tuple[bool, int, dict[str, list[str]]]:
    """Whether the version keeps connections, the status, the headers."""
    line = reader.readline(LINE_LIMIT)
    if not line:
        raise errors.ConnectionLost("the server closed the connection without an answer")
    version, _, rest = line.partition(b" ")
    code = rest[:3]
    if version not in _VERSIONS or not code.isdigit() or not line.endswith(b"\n") or code[:1] not in b"12345":
        raise errors.ProtocolError(f"not an HTTP/1.1 answer: {line[:60]!r}")
    return version == _VERSIONS[0], int(code), _fields(reader)


def _fields(reader: io.BufferedReader) -> dict[str, list[str]]:
    """Header lines up to the empty one."""
    fields: dict[str, list[str]] = {}
    for _ in range(HEADER_LIMIT):
        line = _line(reader)
        if not line:
            return fields
        name, colon, value = line.partition(b":")
        # A name with a blank, or a line that begins with one, is read differently by different programs.
        if not colon or name.split() != [name]:
            raise errors.ProtocolError(f"not a header: {line[:60]!r}")
        fields.setdefault(name.decode("latin-1").lower(), []).append(value.strip().decode("latin-1"))
    raise errors.ProtocolError("the answer has too many headers")


def _tokens(headers: Mapping[str, list[str]], name: str) -> list[str]:
    """The comma-separated words of a header, in lower case."""
    values = headers.get(name)
    return [word.strip().lower() for value in values for word in value.split(",")] if values else []


def _line(reader: io.BufferedReader) -> bytes:
    line = reader.readline(LINE_LIMIT)
    if line.endswith(b"\n"):
        return line[:-2] if line.endswith(b"\r\n") else line[:-1]
    if len(line) >= LINE_LIMIT:
        raise errors.ProtocolError("the answer has a line without an end")
    raise errors.ConnectionLost(_EARLY)


def _number(digits: bytes, radix: int) -> int:
    # int() alone would also take signs, blanks and underscores.
    if not digits or digits.strip(_DIGITS[radix]):
        raise errors.ProtocolError(f"not a length: {digits[:20]!r}")
    number = int(digits, radix)
    if number > BODY_LIMIT:
        raise errors.ProtocolError(f"the answer is said to have {number} bytes")
    return number


def _exactly(reader: io.BufferedReader, size: int) -> bytes:
    data = reader.read(size)
    if len(data) < size:
        raise errors.ConnectionLost(_EARLY)
    return data


def _some(reader: io.BufferedReader, limit: int) -> bytes:
    data = reader.read1(limit)
    if not data:
        raise errors.ConnectionLost(_EARLY)
    return data
