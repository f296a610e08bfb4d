"""One connection of the runner's HTTP/1.1 server: bytes in, requests out, responses back. No thread, nothing blocks."""

from __future__ import annotations

import re
import socket
from typing import Dict, Final, Iterable, List, NamedTuple, Optional, Tuple

HEAD_BYTES: Final = 65536
HEADERS: Final = 256
_token = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_target = re.compile(rb"[\x21-\x7e]+\Z")

REASONS: Final = {
    200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect", 400: "Bad Request",
    401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict",
    413: "Content Too Large", 429: "Too Many Requests", 431: "Request Header Fields Too Large",
    500: "Internal Server Error", 501: "Not Implemented", 502: "Bad Gateway", 503: "Service Unavailable",
    504: "Gateway Timeout", 505: "HTTP Version Not Supported",
}  # fmt: skip


class HttpError(Exception):
    """A request that is answered with an error, and ends its connection."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class HttpRequest(NamedTuple):
    method: str
    target: str
    version: str
    headers: List[Tuple[str, str]]
    body: bytes

    @property
    def keep_alive(self) -> bool:
        words = [
            word.strip().lower()
            for name, value in self.headers
            if name == "connection"
            for word in value.split(",")
        ]
        return "close" not in words and (self.version == "HTTP/1.1" or "keep-alive" in words)


class Parser:
    """Takes bytes as they come and gives whole requests."""

    def __init__(self, body_limit: int) -> None:
        self._buffer = bytearray()
        self._limit = body_limit
        self._head: Optional[Tuple[str, str, str, List[Tuple[str, str]]]] = None
        self._length: Optional[int] = None  # None: chunked
        self._body = bytearray()
        self._scanned = 0
        self._trailers = False
        self.continues = False

    @property
    def idle(self) -> bool:
        """Between two requests."""
        return self._head is None and not self._buffer

    def feed(self, data: bytes) -> None:
        self._buffer += data

    def next(self) -> Optional[HttpRequest]:
        """The next whole request, or None until more bytes come. Raises HttpError."""
        if self._head is None and not self._take_head():
            return None
        if self._length is None:
            if not self._take_chunks():
                return None
        elif len(self._buffer) < self._length:
            return None
        else:
            self._body = self._buffer[: self._length]
            del self._buffer[: self._length]
        assert self._head is not None
        request = HttpRequest(*self._head, bytes(self._body))
        self._head, self._body, self._scanned, self._trailers = None, bytearray(), 0, False
        return request

    def _take_head(self) -> bool:
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]
        end = self._buffer.find(b"\r\n\r\n", max(0, self._scanned - 3))
        if end < 0:
            self._scanned = len(self._buffer)
            if self._scanned > HEAD_BYTES:
                raise HttpError(431, "the head is too long")
            return False
        if end > HEAD_BYTES:
            raise HttpError(431, "the head is too long")
        lines = bytes(self._buffer[:end]).split(b"\r\n")
        del self._buffer[: end + 4]
        self._scanned = 0
        words = lines[0].split(b" ")
        if len(words) != 3 or not _token.match(words[0]) or not _target.match(words[1]):
            raise HttpError(400, "the request line is none")
        if words[2] not in (b"HTTP/1.1", b"HTTP/1.0"):
            raise HttpError(505, "only HTTP/1.1 is spoken here")
        if len(lines) > HEADERS:
            raise HttpError(431, "too many headers")
        headers: List[Tuple[str, str]] = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not _token.match(name) or b"\0" in value or b"\n" in value or b"\r" in value:
                raise HttpError(400, "a header is none")
            headers.append((name.decode().lower(), value.strip(b" \t").decode("latin-1")))
        self._head = words[0].decode(), words[1].decode(), words[2].decode(), headers
        self._plan_body(headers)
        return True

    def _plan_body(self, headers: List[Tuple[str, str]]) -> None:
        lengths = {value for name, value in headers if name == "content-length"}
        codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
        if codings:
            # Both at once is how requests are smuggled (RFC 9112, 6.1).
            if lengths or codings != ["chunked"]:
                raise HttpError(400, "the length of the body is ambiguous")
            self._length = None
        elif lengths:
            text = lengths.pop()
            if lengths or not re.fullmatch(r"[0-9]{1,15}", text):
                raise HttpError(400, "the length of the body is ambiguous")
            self._length = int(text)
            if self._length > self._limit:
                raise HttpError(413, f"the body is longer than {self._limit} bytes")
        else:
            self._length = 0
        self.continues = any(name == "expect" and value.lower() == "100-continue" for name, value in headers)

    def _take_chunks(self) -> bool:
        while True:
            end = self._buffer.find(b"\r\n")
            if end < 0:
                if len(self._buffer) > HEAD_BYTES:
                    raise HttpError(400, "a chunk's line is too long")
                return False
            if self._trailers:
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 2]
                if line == b"":
                    return True
                continue
            size_text = bytes(self._buffer[:end]).split(b";", 1)[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", size_text):
                raise HttpError(400, "a chunk's size is none")
            size = int(size_text, 16)
            if len(self._body) + size > self._limit:
                raise HttpError(413, f"the body is longer than {self._limit} bytes")
            if size == 0:
                del self._buffer[: end + 2]
                self._trailers = True
                continue
            if len(self._buffer) < end + 2 + size + 2:
                return False
            self._body += self._buffer[end + 2 : end + 2 + size]
            if self._buffer[end + 2 + size : end + 4 + size] != b"\r\n":
                raise HttpError(400, "a chunk does not end where it says")
            del self._buffer[: end + 4 + size]


class HttpResponse(NamedTuple):
    status: int
    headers: List[Tuple[str, str]]
    """Bytes, or pieces that are sent one by one."""
    body: "bytes | Iterable[bytes]"


def _clean(value: str) -> str:
    return value.replace("\r", " ").replace("\n", " ").replace("\0", " ")


def encode_head(response: HttpResponse, keep_alive: bool, length: Optional[int]) -> bytes:
    """Status line and headers; `length` None: chunked."""
    lines = [f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Status')}"]
    for name, value in response.headers:
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            continue
        if not _token.match(name.encode("latin-1", "replace")):
            continue
        lines.append(f"{name}: {_clean(value)}")
    if length is not None and response.status not in (204, 304):
        lines.append(f"content-length: {length}")
    elif length is None:
        lines.append("transfer-encoding: chunked")
    lines.append(f"connection: {'keep-alive' if keep_alive else 'close'}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


class Connection:
    """A client's socket with its parser and what is still to be sent."""

    def __init__(self, sock: socket.socket, body_limit: int) -> None:
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError:
            pass
        self.sock = sock
        self.parser = Parser(body_limit)
        self.out = bytearray()
        self.pieces: Optional[Iterable[bytes]] = None
        self.busy = False
        self.closing = False
        self.waits_for_room = False

    def receive(self) -> bool:
        """Reads what is there. False: the client has gone."""
        try:
            data = self.sock.recv(262144)
        except BlockingIOError:
            return True
        except OSError:
            return False
        if not data:
            return False
        self.parser.feed(data)
        return True

    def flush(self) -> bool:
        """Sends what fits. False: the client has gone."""
        while self.out or self.pieces is not None:
            if not self.out and not self._refill():
                break
            try:
                sent = self.sock.send(self.out)
            except BlockingIOError:
                return True
            except OSError:
                return False
            del self.out[:sent]
        return True

    def _refill(self) -> bool:
        assert self.pieces is not None
        try:
            piece = next(iter(self.pieces))
        except StopIteration:
            self.pieces = None
            self.out += b"0\r\n\r\n"
            return True
        if piece:
            self.out += b"%x\r\n" % len(piece) + piece + b"\r\n"
        return True

    def answer(self, response: HttpResponse, keep_alive: bool, head_only: bool) -> None:
        self.closing = not keep_alive
        if isinstance(response.body, (bytes, bytearray)):
            self.out += encode_head(response, keep_alive, len(response.body))
            if not head_only:
                self.out += response.body
            return
        self.out += encode_head(response, keep_alive, None)
        if not head_only:
            self.pieces = iter(response.body)


def error_response(status: int, request_id: str) -> HttpResponse:
    import json

    body = json.dumps({"message": REASONS.get(status, "Error"), "requestId": request_id}).encode()
    headers = [("content-type", "application/json"), ("x-request-id", request_id)]
    return HttpResponse(status, headers, body)


def headers_of(pairs: List[Tuple[str, str]]) -> Dict[str, str]:
    """One value a name, several joined by a comma, as Lambda has them."""
    joined: Dict[str, str] = {}
    for name, value in pairs:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined
