"""One loop for ring and trigger port, and no thread unless one is needed."""

from __future__ import annotations

import os
import signal
import time
from typing import Callable, Optional

from . import _hooks, _reseed
from ._channel import EVENTS, L_COMMAND_SEQUENCE
from ._handler_side import HandlerSide
from ._http_side import HttpSide
from ._ring_side import RingSide
from ._server_state import BELL, LISTENER, WAKE

#: How long the loop looks at the ring without sleeping when answers have come quickly of late.
SPIN_NS = 100_000
#: A look that took so long lost the processor to others.
LATE_NS = 8 * SPIN_NS
#: How many times in a row it sleeps at once after vain looks, and after one that came late.
MAX_PASSED = 8
PASSED_WHEN_LATE = 32
EVENTS_PER_TURN = 64


class Server(RingSide, HttpSide, HandlerSide):
    def run(self, on_ready: Callable[[], None]) -> None:
        here = self._channel
        if here is not None:
            here.rings  # Mapped now, so that they are in the snapshot.
            here.register(EVENTS)
            self._watch(here.bell, BELL)
        _hooks.serving()
        if self._main_thread:
            signal.signal(signal.SIGTERM, lambda *_: self._drain())
            signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
            signal.signal(signal.SIGALRM, self._alarm)
        if self._port is not None:
            self._listen(self._port)
        if not self._inline:
            self._start_workers()
        on_ready()
        events = 0
        while not (self._draining and self._finished()):
            if here is not None and here.longs[L_COMMAND_SEQUENCE] != here.sequence:
                _hooks.obey(here)
            _reseed.refresh()
            if here is not None and events < EVENTS_PER_TURN:
                if self._read_ring() or (events > 0 and not self._running and self._spin()):
                    events += 1
                    continue
            if events >= EVENTS_PER_TURN:
                # Sockets have their turn after so many events, also while the ring is busy.
                events = 1
                self._wait(0)
                continue
            events = 0
            if here is not None and not here.lie_down():
                continue
            self._wait()
        self._shut()

    def _finished(self) -> bool:
        return (
            not self._running
            and not self._waiting
            and not self._outgoing
            and not any(connection.out or connection.pieces for connection in self._connections)
        )

    def _attend(self) -> None:
        """What comes before any event: a command of the engine, and a new generation."""
        here = self._channel
        if here is not None:
            if here.command is not None:
                _hooks.obey(here)
            _reseed.refresh()

    def _spin(self) -> bool:
        """Looks on for a moment, giving way to others at each look. A vain look is paid with abstinence, and so is one that
        took far longer than meant: others wanted this processor, and the doorbell gets it back sooner."""
        here = self._channel
        if here is None:
            return False
        if self._pass > 0:
            self._pass -= 1
            return False
        words, tail = here.rings[0].watch
        clock, give_way = time.monotonic_ns, os.sched_yield
        started_at = now = clock()
        while words[0] == tail and now - started_at < SPIN_NS:
            give_way()
            now = clock()
        found = words[0] != tail
        self._misses = 0 if found else self._misses + 1
        vain = 0 if found else min(2 ** (self._misses - 1), MAX_PASSED)
        self._pass = PASSED_WHEN_LATE if now - started_at > LATE_NS else vain
        return found

    def _wait(self, timeout: Optional[float] = None) -> None:
        if self._running and timeout is None:
            timeout = max(0.0, min(job.deadline for job in self._running.values()) - time.monotonic())
        for number, mask in self._epoll.poll(timeout):
            what = self._watched.get(number)
            if what is BELL:
                try:
                    if self._channel is not None:
                        self._channel.get_up()
                except EOFError:
                    self._drain()
                    self._unwatch(number)
            elif what is WAKE:
                try:
                    os.read(self._wake_read, 4096)
                except BlockingIOError:
                    pass
            elif what is LISTENER:
                # A wake may have brought this connection: commands and generation come first.
                self._attend()
                self._accept()
            elif what is not None:
                self._attend()
                self._serve_connection(what, mask)
        while self._done:
            self._finish(*self._done.popleft())
        if self._running:
            self._expire()

    def _drain(self) -> None:
        """No new clients; what is under way is finished."""
        self._draining = True
        if self._listener is not None:
            self._unwatch(self._listener.fileno())
            self._listener.close()
            self._listener = None
        for connection in list(self._connections):
            if connection.parser.idle and not connection.busy and not connection.out:
                self._close(connection)

    def _shut(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        if self._main_thread:
            signal.set_wakeup_fd(-1)
            signal.setitimer(signal.ITIMER_REAL, 0)
