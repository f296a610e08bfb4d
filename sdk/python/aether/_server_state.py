"""What the parts of the server share: the loop's descriptors, the events under way, and who does what with them."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from typing import Any, Deque, Dict, Optional

from ._channel import Channel, channel
from ._http import Connection
from ._jobs import Handler, Job, Outcome, arity, is_async
from ._messages import Assembler, Entry

NEVER = float("inf")

#: What a descriptor of the loop is, where it is no connection.
BELL, WAKE, LISTENER = object(), object(), object()


class ServerState:
    def __init__(
        self, handler: Handler, *, port: Optional[int], concurrency: int, timeout_ms: int, body_limit: int
    ) -> None:
        self._handler = handler
        self._timeout = timeout_ms / 1000
        self._body_limit = body_limit
        self._concurrency = max(1, concurrency)
        self._is_async = is_async(handler)
        self._inline = self._concurrency == 1
        self._arity = arity(handler)
        self._channel: Optional[Channel] = channel()
        self._assembler = Assembler()
        self._epoll = select.epoll()
        self._watched: Dict[int, Any] = {}
        self._connections: "set[Connection]" = set()
        self._running: Dict[int, Job] = {}
        self._waiting: Deque["tuple[Job, Any]"] = deque()
        self._done: Deque["tuple[Job, Outcome]"] = deque()
        self._outgoing: Deque[Entry] = deque()
        self._cancelled: "set[int]" = set()
        self._draining = False
        self._misses = 0
        self._pass = 0
        self._pool: Any = None
        self._loop: Any = None
        self._listener: Optional[socket.socket] = None
        self._port = port
        self._deadline: Optional[float] = None
        self._alarm_at = NEVER
        self._main_thread = threading.current_thread() is threading.main_thread()
        self._wake_read, self._wake_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._watch(self._wake_read, WAKE)

    def _watch(self, number: int, what: Any) -> None:
        self._watched[number] = what
        self._epoll.register(number, select.EPOLLIN)

    def _unwatch(self, number: int) -> None:
        del self._watched[number]
        self._epoll.unregister(number)

    # What the parts ask of each other

    def _attend(self) -> None:
        """What comes before any event: a command of the engine, and a new generation."""
        raise NotImplementedError

    def _start(self, job: Job, event: Any) -> None:
        """Runs the handler, now or when its turn comes."""
        raise NotImplementedError

    def _answer(self, job: Job, outcome: Outcome) -> None:
        """Tells whoever waits."""
        raise NotImplementedError

    def _answer_ring(self, job: Job, ring_id: int, outcome: Outcome) -> None:
        raise NotImplementedError

    def _answer_http(self, job: Job, outcome: Outcome) -> None:
        raise NotImplementedError
