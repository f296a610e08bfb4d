"""Messages over the rings: `version u8`, `type u8` (bit 7: more parts follow), `request id u64`, a piece of the body."""

from __future__ import annotations

from struct import Struct
from typing import Dict, Final, Iterator, List, NamedTuple, Optional, Tuple

from ._ring import CorruptedData

VERSION: Final = 1
MORE: Final = 0x80
HEADER_BYTES: Final = 10
REQUEST, RESPONSE, FAILURE, CANCEL = 1, 2, 3, 4
JSON, RAW = 0, 1

header = Struct("<BBQ")
request_head = Struct("<IB")
#: Both, as a request in one piece has them.
request_start = Struct("<BBQIB")


class Message(NamedTuple):
    type: int
    request_id: int
    body: bytes


#: What stands before a piece of a body in the ring, and the piece.
Entry = Tuple[bytes, bytes]


def entries(message: Message, lead: bytes, limit: int) -> Iterator[Entry]:
    """The entries a message takes; `lead` stands before the body, which need not be copied for it."""
    room = limit - HEADER_BYTES
    body = message.body
    if len(lead) + len(body) <= room:
        yield header.pack(VERSION, message.type, message.request_id) + lead, body
        return
    start = 0
    while start < len(body):
        end = start + room - len(lead)
        more = MORE if end < len(body) else 0
        yield header.pack(VERSION, message.type | more, message.request_id) + lead, body[start:end]
        start, lead = end, b""


class Assembler:
    """Puts messages together from their parts."""

    def __init__(self) -> None:
        self._begun: Dict[int, List[bytes]] = {}

    @property
    def busy(self) -> bool:
        """Whether a message is begun and not complete."""
        return bool(self._begun)

    def take(self, entry: bytes) -> Optional[Message]:
        """Takes one entry; the message it completes, else None. Raises CorruptedData."""
        if len(entry) < HEADER_BYTES:
            raise CorruptedData(f"a message of {len(entry)} bytes")
        version, typed, request_id = header.unpack_from(entry)
        if version != VERSION:
            raise CorruptedData(f"a message of version {version}")
        piece = entry[HEADER_BYTES:]
        if not self._begun and not typed & MORE:
            return Message(typed, request_id, piece)
        pieces = self._begun.setdefault(request_id, [])
        pieces.append(piece)
        if typed & MORE:
            return None
        del self._begun[request_id]
        return Message(typed, request_id, b"".join(pieces))
