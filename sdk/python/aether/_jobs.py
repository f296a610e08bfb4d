"""An event under way, what came of it, and what can be known of a handler beforehand."""

from __future__ import annotations

import sys
import traceback
from typing import Any, Callable, NamedTuple, Optional

from ._http import Connection, HttpRequest

Handler = Callable[[Any, Any], Any]


class TimeLimit(BaseException):
    """The time limit of a request ran out; no Exception, so that a handler does not swallow it."""


class Outcome(NamedTuple):
    """What a handler did with an event."""

    value: Any
    error: Optional[BaseException]


class Job(NamedTuple):
    """An event under way, and who waits for it: a connection, or the ring."""

    request_id: str
    ring_id: Optional[int]
    connection: Optional[Connection]
    request: Optional[HttpRequest]
    deadline: float
    raw: bool


# The module `inspect` would say the next two, and takes a megabyte that every snapshot would hold.

CO_VARARGS = 0x04
CO_COROUTINE = 0x80


def _code_of(handler: Handler) -> "tuple[Any, int]":
    """The code of a function, a bound method or an object with __call__, and how many arguments are bound already."""
    plain = hasattr(handler, "__code__") or hasattr(handler, "__func__")
    call: Any = handler if plain else getattr(type(handler), "__call__")
    bound = 1 if hasattr(call, "__func__") or call is not handler else 0
    return getattr(getattr(call, "__func__", call), "__code__", None), bound


def is_async(handler: Handler) -> bool:
    code, _ = _code_of(handler)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def arity(handler: Handler) -> int:
    code, bound = _code_of(handler)
    if code is None or code.co_flags & CO_VARARGS:
        return 2
    return int(code.co_argcount) - bound


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def log_failure(job: Job, error: BaseException) -> None:
    if isinstance(error, TimeLimit):
        return log(f"{job.request_id}: the time limit ran out")
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    log(f"{job.request_id}: the handler failed\n{''.join(lines).rstrip()}")
