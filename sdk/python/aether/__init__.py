"""Aether for handlers in Python: serving events, taking part in sleep and wake, and random values that no clone repeats.

Import it before anything that draws random values: names bound earlier (`from random import random`) are not watched.
"""

from ._context import Context, context
from ._hooks import after_restore, before_snapshot
from ._reseed import install as _install
from ._ring import (
    ChecksumMismatch,
    CorruptedData,
    PayloadTooLarge,
    RingBufferEmpty,
    RingBufferFull,
    RingError,
)
from ._serve import TimeLimit, ready, serve

__all__ = [
    "ChecksumMismatch",
    "Context",
    "CorruptedData",
    "PayloadTooLarge",
    "RingBufferEmpty",
    "RingBufferFull",
    "RingError",
    "TimeLimit",
    "after_restore",
    "before_snapshot",
    "context",
    "ready",
    "serve",
]

_install()
