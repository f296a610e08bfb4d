"""What a handler does before its snapshot and after its restore, in CRaC's order: before in reverse, after forward."""

from __future__ import annotations

import os
import select
import threading
from types import CoroutineType
from typing import Any, Callable, List, Optional, Tuple, TypeVar

from ._channel import AFTER_RESTORE, BEFORE_SNAPSHOT, HOOKS, RESUME, Channel, channel
from . import _reseed

Hook = TypeVar("Hook", bound=Callable[..., Any])

_before: List[Callable[..., Any]] = []
_after: List[Callable[..., Any]] = []
_thread: Optional[threading.Thread] = None
_stop: Tuple[int, int] = (-1, -1)
_served = False
_lock = threading.Lock()


def before_snapshot(hook: Hook) -> Hook:
    """Registers a function, async or not, to be run before each snapshot. If it raises, there is no snapshot."""
    _before.append(hook)
    _attend()
    return hook


def after_restore(hook: Hook) -> Hook:
    """Registers a function, async or not, to be run after each wake from a snapshot, before requests are handed over."""
    _after.append(hook)
    _attend()
    return hook


def _run(hook: Callable[..., Any]) -> None:
    result = hook()
    if isinstance(result, CoroutineType):
        import asyncio

        asyncio.run(result)


def _describe(error: BaseException, hook: Callable[..., Any]) -> str:
    return f"{getattr(hook, '__qualname__', hook)}: {type(error).__name__}: {error}"


def run_before() -> Optional[str]:
    """Runs the hooks for a snapshot; why there must be none, or None. After a refusal the process goes on as after a wake."""
    for hook in reversed(_before):
        try:
            _run(hook)
        except Exception as error:
            _run_after_hooks()
            return _describe(error, hook)
    return None


def run_after() -> Optional[str]:
    """Seeds everything anew and runs the hooks after a wake. All of them run; the first failure is reported."""
    _reseed.refresh()
    return _run_after_hooks()


def _run_after_hooks() -> Optional[str]:
    failure: Optional[str] = None
    for hook in _after:
        try:
            _run(hook)
        except Exception as error:
            failure = failure or _describe(error, hook)
    return failure


def obey(here: Channel) -> None:
    """Carries out a command of the engine, if there is one."""
    command = here.command
    if command is None:
        return
    if command == BEFORE_SNAPSHOT:
        here.acknowledge(run_before())
    elif command == AFTER_RESTORE:
        here.acknowledge(run_after())
    elif command == RESUME:
        here.acknowledge(_run_after_hooks())
    else:
        here.acknowledge(f"command {command} is unknown")


def serving() -> None:
    """An event loop of ours attends to commands from now on: no thread is needed."""
    global _served, _thread
    _served = True
    here = channel()
    if here is None:
        return
    here.register(HOOKS)
    if _thread is not None:
        # Two readers of one doorbell would take each other's bytes.
        os.write(_stop[1], b"\1")
        _thread.join()
        _thread = None


def _attend() -> None:
    """In a plain server, a thread that sleeps until the engine rings."""
    global _thread, _stop
    here = channel()
    if here is None or _served:
        return
    with _lock:
        if _thread is None:
            _stop = os.pipe2(os.O_CLOEXEC)
            _thread = threading.Thread(target=_listen, args=(here, _stop), name="aether-hooks", daemon=True)
            _thread.start()


def _listen(here: Channel, stop: Tuple[int, int]) -> None:
    here.register(HOOKS)
    poll = select.poll()
    poll.register(here.bell, select.POLLIN)
    poll.register(stop[0], select.POLLIN)
    while not _served:
        obey(here)
        if here.lie_down():
            poll.poll()
            if _served:
                break
        try:
            here.get_up()
        except EOFError:
            break
    for number in stop:
        os.close(number)
