"""The descriptors that Aether gives to a function with rings: control page, rings, doorbells."""

from __future__ import annotations

import fcntl
import mmap
import os
from typing import Dict, Optional

from ._ring import Consumer, Fence, Producer

CONTROL_BYTES = 4096
MAGIC = 0x48544541

# Indices of 4-byte words and of 8-byte words in the control page (struct aether_control of aether_ring.h).
W_MAGIC, W_VERSION, W_RESTORED, W_COMMAND = 0, 1, 12, 66
W_ENGINE_SLEEPING, W_ENGINE_WANTS_SPACE = 80, 81
W_REGISTERED, W_STATUS, W_MESSAGE_LENGTH = 512, 516, 517
W_HANDLER_SLEEPING, W_HANDLER_WANTS_SPACE = 528, 529
L_GENERATION, L_WALL_CLOCK, L_COMMAND_SEQUENCE, L_ACKNOWLEDGED = 1, 7, 32, 257
AT_ENTROPY, AT_INSTANCE, AT_MESSAGE = 16, 64, 2176
MESSAGE_BYTES = 1024

ATTACHED, HOOKS, EVENTS = 1, 2, 4
BEFORE_SNAPSHOT, AFTER_RESTORE, RESUME = 1, 2, 3


def _parse(text: str) -> Dict[str, int]:
    numbers: Dict[str, int] = {}
    for item in text.split(","):
        name, _, number = item.partition("=")
        numbers[name] = int(number)
    missing = {"ctl", "req", "res", "in", "out"} - set(numbers)
    if missing:
        raise ValueError(f"AETHER_RING lacks {', '.join(sorted(missing))}")
    return numbers


class Channel:
    """One for the process. Reading and writing the rings is for one thread; `generation` is for all."""

    def __init__(self, numbers: Dict[str, int]) -> None:
        for number in numbers.values():
            os.set_inheritable(number, False)
        self._numbers = numbers
        self._page = mmap.mmap(numbers["ctl"], CONTROL_BYTES)
        self.words = memoryview(self._page).cast("I")
        self.longs = memoryview(self._page).cast("Q")
        if self.words[W_MAGIC] != MAGIC or self.words[W_VERSION] != 1:
            raise ValueError("the control page is none of version 1")
        self.bell = numbers["in"]
        self._out = numbers["out"]
        for number in (self.bell, self._out):
            flags = fcntl.fcntl(number, fcntl.F_GETFL)
            fcntl.fcntl(number, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        self._fence = Fence()
        self._rings: Optional[tuple[Consumer, Producer]] = None
        self.sequence: int = self.longs[L_COMMAND_SEQUENCE]
        self.register(ATTACHED)

    @property
    def rings(self) -> "tuple[Consumer, Producer]":
        """Mapped when they are first asked for: a server that only wants its generation never touches them."""
        if self._rings is None:
            request = mmap.mmap(self._numbers["req"], os.fstat(self._numbers["req"]).st_size)
            response = mmap.mmap(self._numbers["res"], os.fstat(self._numbers["res"]).st_size)
            self._rings = Consumer(request), Producer(response)
        return self._rings

    @property
    def generation(self) -> int:
        return self.longs[L_GENERATION]

    @property
    def restored(self) -> bool:
        return self.words[W_RESTORED] != 0

    @property
    def wall_clock_ms(self) -> int:
        return self.longs[L_WALL_CLOCK]

    @property
    def entropy(self) -> bytes:
        return bytes(self._page[AT_ENTROPY : AT_ENTROPY + 32])

    @property
    def instance(self) -> str:
        name = bytes(self._page[AT_INSTANCE : AT_INSTANCE + 128])
        return name.split(b"\0", 1)[0].decode()

    def register(self, bits: int) -> None:
        self.words[W_REGISTERED] = self.words[W_REGISTERED] | bits

    # Commands

    @property
    def command(self) -> Optional[int]:
        """A command that is still to be carried out."""
        return None if self.longs[L_COMMAND_SEQUENCE] == self.sequence else self.words[W_COMMAND]

    def acknowledge(self, refusal: Optional[str] = None) -> None:
        """Says that the last command is done, or why it is refused."""
        self.sequence = self.longs[L_COMMAND_SEQUENCE]
        text = (refusal or "").encode()[:MESSAGE_BYTES]
        self._page[AT_MESSAGE : AT_MESSAGE + len(text)] = text
        self.words[W_MESSAGE_LENGTH] = len(text)
        self.words[W_STATUS] = 0 if refusal is None else 1
        self._fence()
        self.longs[L_ACKNOWLEDGED] = self.sequence
        self.ring()

    # Waking and being woken

    def ring(self) -> None:
        """Wakes the engine."""
        self.words[W_ENGINE_SLEEPING] = 0
        try:
            os.write(self._out, b"\1")
        except BlockingIOError:
            pass  # It is ringing already.

    def wrote(self) -> None:
        """After an entry was written: wakes the engine if it sleeps."""
        self._fence()
        if self.words[W_ENGINE_SLEEPING]:
            self.ring()

    def consumed(self) -> None:
        """After entries were consumed: wakes the engine if it waits for room."""
        self._fence()
        if self.words[W_ENGINE_WANTS_SPACE]:
            self.words[W_ENGINE_WANTS_SPACE] = 0
            self.ring()

    def wants_space(self, on: bool) -> None:
        self.words[W_HANDLER_WANTS_SPACE] = 1 if on else 0
        self._fence()

    def lie_down(self) -> bool:
        """Says that this side sleeps. False when there is something to do after all."""
        words = self.words
        words[W_HANDLER_SLEEPING] = 1
        self._fence()
        ready = self.longs[L_COMMAND_SEQUENCE] != self.sequence
        if not ready and self._rings is not None:
            ready = self._rings[0].has_entry
        if ready:
            words[W_HANDLER_SLEEPING] = 0
        return not ready

    def get_up(self) -> None:
        """Takes the bytes out of the doorbell."""
        self.words[W_HANDLER_SLEEPING] = 0
        try:
            if os.read(self.bell, 256) == b"":
                raise EOFError("the engine is gone")
        except BlockingIOError:
            pass


_channel: Optional[Channel] = None
_looked = False


def channel() -> Optional[Channel]:
    """The channel of this process; None where Aether gave none."""
    global _channel, _looked
    if not _looked:
        text = os.environ.get("AETHER_RING")
        _channel = None if not text else Channel(_parse(text))
        _looked = True
    return _channel
