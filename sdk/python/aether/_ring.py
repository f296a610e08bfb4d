"""Both ends of a shared-memory ring, as the handler has them (layout: docs/handler-protocol.md, sdk/c/aether_ring.h)."""

from __future__ import annotations

import platform
import threading
from mmap import mmap
from struct import Struct
from typing import Final, Optional
from zlib import crc32

HEADER_BYTES: Final = 24
ENTRY_HEADER_BYTES: Final = 8
SKIP: Final = 0xFFFFFFFF
MIN_CAPACITY: Final = 4096
MAX_PAYLOAD: Final = 65536
#: Up to here joining lead and payload is quicker than writing both.
JOIN_BYTES: Final = 2048

_entry = Struct("<II")
_zeros: Final = bytes(8)
_strong_order: Final = platform.machine() in ("x86_64", "AMD64", "i686")


class RingError(Exception):
    """A ring cannot be used as asked; the subclasses say why."""


class RingBufferFull(RingError):
    """No room for an entry just now."""

    def __init__(self, size: int) -> None:
        super().__init__(f"no room for {size} bytes")
        self.size = size


class RingBufferEmpty(RingError):
    """Nothing to read."""


class PayloadTooLarge(RingError):
    """A payload above the limit of its ring."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a payload of {size} bytes; the limit is {limit}")
        self.size = size
        self.limit = limit


class CorruptedData(RingError):
    """The ring holds what its layout forbids."""


class ChecksumMismatch(RingError):
    """An entry does not have the checksum it says."""

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"the entry says {expected:#010x}, its payload gives {actual:#010x}")
        self.expected = expected
        self.actual = actual


class Fence:
    """A full memory barrier, of which Python has none of its own.

    Giving a lock back is a release, taking it is an acquire, and neither passes the other: a store before this is seen
    before a load after it. On x86 each is a locked instruction; on ARM a store-release and a load-acquire (RCsc).
    """

    __slots__ = ("_release", "_acquire")

    def __init__(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        self._release = lock.release
        self._acquire = lock.acquire

    def __call__(self) -> None:
        self._release()
        self._acquire(False)


def payload_limit(capacity: int) -> int:
    """Longest payload of a ring of that capacity."""
    return min(MAX_PAYLOAD, capacity // 2 - ENTRY_HEADER_BYTES)


def _capacity_of(words: memoryview, memory_bytes: int) -> int:
    capacity = words[2]
    if capacity < MIN_CAPACITY or capacity & (capacity - 1) or HEADER_BYTES + capacity > memory_bytes:
        raise CorruptedData(f"capacity {capacity}")
    return capacity


class Producer:
    """The writing end. One thread at a time."""

    def __init__(self, memory: mmap) -> None:
        self._memory = memory
        self._words = memoryview(memory)[:HEADER_BYTES].cast("Q")
        self.capacity = _capacity_of(self._words, len(memory))
        self.limit = payload_limit(self.capacity)
        self._head: int = self._words[0]
        self._fence = Fence()

    def try_write(self, payload: bytes, lead: bytes = b"") -> bool:
        """Writes one entry; False when there is no room just now. Raises PayloadTooLarge, CorruptedData.

        `lead` stands before the payload and is given apart, so that a long payload is copied once, into the ring.
        """
        if lead and len(payload) <= JOIN_BYTES:
            payload = lead + payload
            lead = b""
        size = len(lead) + len(payload)
        if size > self.limit:
            raise PayloadTooLarge(size, self.limit)
        memory, words, head, capacity = self._memory, self._words, self._head, self.capacity
        needed = 8 + ((size + 7) & ~7)
        offset = head & (capacity - 1)
        skipped = capacity - offset if needed > capacity - offset else 0
        used = head - words[1]
        if not 0 <= used <= capacity:
            raise CorruptedData(f"tail {words[1]}, head {head}")
        if skipped + needed > capacity - used:
            return False
        if skipped:
            _entry.pack_into(memory, HEADER_BYTES + offset, SKIP, 0)
            offset = 0
        at = HEADER_BYTES + offset
        if lead:
            _entry.pack_into(memory, at, size, crc32(payload, crc32(lead)))
            memory[at + 8 : at + 8 + len(lead)] = lead
        else:
            _entry.pack_into(memory, at, size, crc32(payload))
        memory[at + 8 + len(lead) : at + 8 + size] = payload
        pad = needed - 8 - size
        if pad:
            memory[at + 8 + size : at + needed] = _zeros[:pad]
        if not _strong_order:
            self._fence()
        self._head = words[0] = head + skipped + needed
        return True

    def write(self, payload: bytes) -> None:
        """As try_write. Raises RingBufferFull too."""
        if not self.try_write(payload):
            raise RingBufferFull(len(payload))


class Consumer:
    """The reading end. One thread at a time."""

    def __init__(self, memory: mmap) -> None:
        self._memory = memory
        self._all = memoryview(memory)
        self._words = self._all[:HEADER_BYTES].cast("Q")
        self.capacity = _capacity_of(self._words, len(memory))
        self._tail: int = self._words[1]
        self._next = self._tail
        self._fence = Fence()

    @property
    def has_entry(self) -> bool:
        """Whether something is there to be read."""
        return self._words[0] != self._tail

    @property
    def watch(self) -> "tuple[memoryview, int]":
        """The words of the header, and the tail: something is there as soon as words[0] differs from it."""
        return self._words, self._tail

    def try_view(self) -> Optional[memoryview]:
        """The next entry without a copy, or None. Valid until `advance`. Raises CorruptedData, ChecksumMismatch."""
        memory, tail, capacity = self._memory, self._tail, self.capacity
        head = self._words[0]
        if head == tail:
            return None
        if not _strong_order:
            self._fence()
        if not 0 < head - tail <= capacity or head & 7:
            raise CorruptedData(f"head {head}, tail {tail}")
        offset = tail & (capacity - 1)
        size, expected = _entry.unpack_from(memory, HEADER_BYTES + offset)
        if size == SKIP:
            if offset == 0 or tail + capacity - offset >= head:
                raise CorruptedData(f"skip at {tail}, head {head}")
            tail += capacity - offset
            offset = 0
            size, expected = _entry.unpack_from(memory, HEADER_BYTES)
        if size > MAX_PAYLOAD:
            raise CorruptedData(f"len {size}")
        taken = 8 + ((size + 7) & ~7)
        if tail + taken > head or offset + taken > capacity:
            raise CorruptedData(f"len {size} at {tail} reaches beyond head {head}")
        at = HEADER_BYTES + offset + ENTRY_HEADER_BYTES
        view = self._all[at : at + size]
        actual = crc32(view)
        if actual != expected:
            raise ChecksumMismatch(expected, actual)
        self._next = tail + taken
        return view

    def advance(self) -> None:
        """Gives the entry of the last `try_view` back to the writer."""
        if not _strong_order:
            self._fence()
        self._tail = self._words[1] = self._next

    def try_read(self) -> Optional[bytes]:
        """Takes the next entry, copied; None when there is none. Raises CorruptedData, ChecksumMismatch."""
        view = self.try_view()
        if view is None:
            return None
        payload = bytes(view)
        self.advance()
        return payload

    def read(self) -> bytes:
        """As try_read. Raises RingBufferEmpty too."""
        payload = self.try_read()
        if payload is None:
            raise RingBufferEmpty("nothing to read")
        return payload
