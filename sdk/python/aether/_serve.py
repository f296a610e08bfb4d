"""Serving events: from the ring, and over HTTP on the trigger port, one loop for both and no thread unless one is needed."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import sys
import threading
import time
import traceback
from collections import deque
from types import CoroutineType
from typing import Any, Callable, Deque, Dict, NamedTuple, Optional

from . import _hooks, _reseed
from ._channel import EVENTS, L_COMMAND_SEQUENCE, Channel, channel
from ._http import Connection, HttpError, HttpRequest, HttpResponse, error_response
from ._lambda import LambdaContext, event_of, response_of
from ._messages import (
    CANCEL,
    FAILURE,
    JSON,
    RAW,
    REQUEST,
    RESPONSE,
    VERSION,
    Assembler,
    Message,
    parts,
    request_head,
    request_start,
)

Handler = Callable[[Any, Any], Any]

#: How long the loop looks at the ring without sleeping when answers have come quickly of late.
SPIN_NS = 50_000
EVENTS_PER_TURN = 64
CONNECTIONS = 1024
NEVER = float("inf")

#: What a descriptor of the loop is, where it is no connection.
BELL, WAKE, LISTENER = object(), object(), object()


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


class Server:
    def __init__(
        self, handler: Handler, *, port: Optional[int], concurrency: int, timeout_ms: int, body_limit: int
    ) -> None:
        self._handler = handler
        self._timeout = timeout_ms / 1000
        self._body_limit = body_limit
        self._concurrency = max(1, concurrency)
        self._is_async = _is_async(handler)
        self._inline = self._concurrency == 1
        self._arity = _arity(handler)
        self._channel: Optional[Channel] = channel()
        self._assembler = Assembler()
        self._epoll = select.epoll()
        self._watched: Dict[int, Any] = {}
        self._connections: "set[Connection]" = set()
        self._running: Dict[int, Job] = {}
        self._waiting: Deque["tuple[Job, Any]"] = deque()
        self._done: Deque["tuple[Job, Outcome]"] = deque()
        self._outgoing: Deque[bytes] = deque()
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

    # The loop

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
        """Looks on for a moment. Where both sides share a processor, that takes the time the other one needs: a vain look
        is paid with abstinence."""
        here = self._channel
        if here is None:
            return False
        if self._pass > 0:
            self._pass -= 1
            return False
        until = time.monotonic_ns() + SPIN_NS
        words, tail = here.rings[0].watch
        while time.monotonic_ns() < until:
            if words[0] != tail:
                self._misses = 0
                return True
        self._misses = min(self._misses + 1, 6)
        self._pass = 2**self._misses
        return False

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

    def _watch(self, number: int, what: Any) -> None:
        self._watched[number] = what
        self._epoll.register(number, select.EPOLLIN)

    def _unwatch(self, number: int) -> None:
        del self._watched[number]
        self._epoll.unregister(number)

    # The ring

    def _read_ring(self) -> bool:
        here = self._channel
        assert here is not None
        if self._outgoing:
            self._write_ring()
        entry = here.rings[0].try_read()
        if entry is None:
            return False
        version, typed, request_id, timeout_ms, encoding = 0, 0, 0, 0, 0
        if len(entry) >= request_start.size:
            version, typed, request_id, timeout_ms, encoding = request_start.unpack_from(entry)
        if version == VERSION and typed == REQUEST and not self._assembler.busy:
            # A request in one piece. Whether the engine waits for room is looked at after the answer.
            self._request(request_id, timeout_ms, encoding, entry[request_start.size :])
        else:
            message = self._assembler.take(entry)
            if message is not None and message.type == CANCEL:
                self._cancelled.add(message.request_id)
            elif message is not None and message.type == REQUEST:
                timeout_ms, encoding = request_head.unpack_from(message.body)
                self._request(message.request_id, timeout_ms, encoding, message.body[request_head.size :])
        here.consumed()
        return True

    def _request(self, request_id: int, timeout_ms: int, encoding: int, data: bytes) -> None:
        limit = self._timeout
        if timeout_ms and timeout_ms < limit * 1000:
            limit = timeout_ms / 1000
        job = Job(f"{request_id:016x}", request_id, None, None, time.monotonic() + limit, encoding == RAW)
        try:
            event = data if encoding == RAW else json.loads(data) if data else None
        except ValueError as error:
            self._answer(job, Outcome(None, error))
            return
        self._start(job, event)

    def _send(self, message: Message) -> None:
        here = self._channel
        if here is None:
            return
        producer = here.rings[1]
        for part in parts(message, producer.limit):
            if self._outgoing or not producer.try_write(part):
                self._outgoing.append(part)
        if self._outgoing:
            self._write_ring()
        here.wrote()

    def _write_ring(self) -> None:
        here = self._channel
        assert here is not None
        producer = here.rings[1]
        wrote = False
        while self._outgoing:
            if not producer.try_write(self._outgoing[0]):
                here.wants_space(True)
                if not producer.try_write(self._outgoing[0]):
                    break
                here.wants_space(False)
            self._outgoing.popleft()
            wrote = True
        if wrote:
            here.wrote()

    # Handlers

    def _start(self, job: Job, event: Any) -> None:
        if self._inline:
            self._finish(job, self._call(job, event))
            return
        if len(self._running) >= self._concurrency:
            self._waiting.append((job, event))
            return
        self._running[id(job)] = job
        if self._loop is not None:
            import asyncio

            asyncio.run_coroutine_threadsafe(self._call_async(job, event), self._loop)
        elif self._pool is not None:
            self._pool.submit(self._call_in_thread, job, event)

    def _arguments(self, job: Job, event: Any) -> "tuple[Any, ...]":
        return (event, LambdaContext(job.request_id, job.deadline)) if self._arity > 1 else (event,)

    def _call(self, job: Job, event: Any) -> Outcome:
        """In this thread: with a signal for the time limit, as nothing else stops Python code."""
        if not self._main_thread:
            return self._called(job, event)
        try:
            self._deadline = job.deadline
            if job.deadline < self._alarm_at:
                self._set_alarm(job.deadline)
            try:
                return self._called(job, event)
            finally:
                self._deadline = None
        except TimeLimit as error:
            return Outcome(None, error)

    def _set_alarm(self, at: float) -> None:
        self._alarm_at = at
        signal.setitimer(signal.ITIMER_REAL, max(0.0001, at - time.monotonic()))

    def _alarm(self, *_: Any) -> None:
        """The alarm stays set when a request ends: setting it for each would be two system calls."""
        self._alarm_at = NEVER
        if self._deadline is None:
            return
        if time.monotonic() < self._deadline:
            return self._set_alarm(self._deadline)
        self._deadline = None
        raise TimeLimit

    def _called(self, job: Job, event: Any) -> Outcome:
        try:
            result = self._handler(*self._arguments(job, event))
            if isinstance(result, CoroutineType):
                import asyncio

                result = asyncio.run(result)
            return Outcome(result, None)
        except (Exception, TimeLimit) as error:
            return Outcome(None, error)
        except SystemExit as error:
            return Outcome(None, RuntimeError(f"the handler called exit({error.code})"))

    def _call_in_thread(self, job: Job, event: Any) -> None:
        self._hand_back(job, self._called(job, event))

    async def _call_async(self, job: Job, event: Any) -> None:
        import asyncio

        try:
            left = max(0.0, job.deadline - time.monotonic())
            outcome = Outcome(await asyncio.wait_for(self._handler(*self._arguments(job, event)), left), None)
        except asyncio.TimeoutError:
            outcome = Outcome(None, TimeLimit())
        except Exception as error:
            outcome = Outcome(None, error)
        self._hand_back(job, outcome)

    def _hand_back(self, job: Job, outcome: Outcome) -> None:
        self._done.append((job, outcome))
        try:
            os.write(self._wake_write, b"\1")
        except BlockingIOError:
            pass

    def _start_workers(self) -> None:
        if not self._is_async:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(self._concurrency, "aether-handler")
            return
        import asyncio

        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="aether-asyncio", daemon=True).start()

    def _expire(self) -> None:
        now = time.monotonic()
        for key, job in list(self._running.items()):
            if job.deadline <= now:
                # The thread cannot be stopped; its caller does not wait for it any longer.
                self._answer(job, Outcome(None, TimeLimit()))
                del self._running[key]
        self._start_waiting()

    def _finish(self, job: Job, outcome: Outcome) -> None:
        if not self._inline and self._running.pop(id(job), None) is None:
            return  # Its time ran out before.
        self._answer(job, outcome)
        if not self._inline:
            self._start_waiting()

    def _start_waiting(self) -> None:
        while self._waiting and len(self._running) < self._concurrency:
            self._start(*self._waiting.popleft())

    def _answer(self, job: Job, outcome: Outcome) -> None:
        if outcome.error is not None:
            _log_failure(job, outcome.error)
        if job.ring_id is not None:
            self._answer_ring(job, job.ring_id, outcome)
        elif job.connection is not None and job.request is not None:
            self._answer_http(job.connection, job.request, job.request_id, outcome)

    def _answer_ring(self, job: Job, ring_id: int, outcome: Outcome) -> None:
        if ring_id in self._cancelled:
            self._cancelled.discard(ring_id)
            return
        error = outcome.error
        if error is None:
            try:
                value = outcome.value
                if isinstance(value, (bytes, bytearray, memoryview)):
                    return self._send(Message(RESPONSE, ring_id, bytes((RAW,)) + bytes(value)))
                if not job.raw or value is not None:
                    encoded = json.dumps(value, default=_plain).encode()
                    return self._send(Message(RESPONSE, ring_id, bytes((JSON,)) + encoded))
                return self._send(Message(RESPONSE, ring_id, bytes((RAW,))))
            except (TypeError, ValueError) as problem:
                error = problem
                _log_failure(job, problem)
        late = isinstance(error, TimeLimit)
        failure = {
            "errorType": "TimeLimit" if late else type(error).__name__,
            "errorMessage": "the time limit ran out" if late else str(error),
            "requestId": job.request_id,
            "stackTrace": [] if late else traceback.format_tb(error.__traceback__)[-20:],
        }
        self._send(Message(FAILURE, ring_id, json.dumps(failure).encode()[:60_000]))

    # HTTP

    def _listen(self, port: int) -> None:
        listener = socket.socket(socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((os.environ.get("AETHER_BIND", "0.0.0.0"), port))
        listener.listen(4096)
        listener.setblocking(False)
        self._listener = listener
        self._watch(listener.fileno(), LISTENER)

    def _accept(self) -> None:
        assert self._listener is not None
        while len(self._connections) < CONNECTIONS:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            connection = Connection(sock, self._body_limit)
            self._connections.add(connection)
            self._watch(sock.fileno(), connection)
            # What came with the connection is there already.
            self._serve_connection(connection, select.EPOLLIN)

    def _serve_connection(self, connection: Connection, mask: int) -> None:
        if connection not in self._connections:
            return
        if mask & ~select.EPOLLOUT and not connection.receive():
            return self._close(connection)
        self._advance(connection)

    def _advance(self, connection: Connection) -> None:
        """Serves the requests that are complete, one after another, and sends what is due."""
        while not connection.busy and not connection.closing and not connection.out and not connection.pieces:
            try:
                request = connection.parser.next()
            except HttpError as error:
                request_id = os.urandom(8).hex()
                connection.answer(error_response(error.status, request_id), False, False)
                break
            if request is None:
                if connection.parser.continues:
                    connection.parser.continues = False
                    connection.out += b"HTTP/1.1 100 Continue\r\n\r\n"
                    self._flush(connection)
                    if connection not in self._connections:
                        return
                break
            connection.busy = True
            self._serve_request(connection, request)
            if not self._flush(connection):
                return
        self._flush(connection)

    def _serve_request(self, connection: Connection, request: HttpRequest) -> None:
        request_id = os.urandom(16).hex()
        job = Job(request_id, None, connection, request, time.monotonic() + self._timeout, False)
        try:
            peer = connection.sock.getpeername()[0]
        except OSError:
            peer = ""
        self._start(job, event_of(request, request_id, peer))

    def _answer_http(
        self, connection: Connection, request: HttpRequest, request_id: str, outcome: Outcome
    ) -> None:
        connection.busy = False
        if connection not in self._connections:
            return
        response: HttpResponse
        if isinstance(outcome.error, TimeLimit):
            response = error_response(504, request_id)
        elif outcome.error is not None:
            response = error_response(500, request_id)
        else:
            try:
                response = response_of(outcome.value)
                response.headers.append(("x-request-id", request_id))
            except Exception as error:
                _log(f"{request_id}: the result is no response: {type(error).__name__}: {error}")
                response = error_response(500, request_id)
        keep = request.keep_alive and not self._draining
        connection.answer(response, keep, request.method == "HEAD")
        if not self._inline:
            self._advance(connection)

    def _flush(self, connection: Connection) -> bool:
        """False: the connection is closed now."""
        try:
            alive = connection.flush()
        except Exception:
            # A piece of a streamed body failed: the client sees the connection end in the middle.
            traceback.print_exc()
            alive = False
        sending = bool(connection.out or connection.pieces)
        if not alive or (connection.closing and not sending and not connection.busy):
            self._close(connection)
            return False
        if connection.waits_for_room != sending:
            connection.waits_for_room = sending
            self._epoll.modify(connection.sock.fileno(), select.EPOLLIN | (select.EPOLLOUT if sending else 0))
        return True

    def _close(self, connection: Connection) -> None:
        if connection not in self._connections:
            return
        self._connections.discard(connection)
        self._unwatch(connection.sock.fileno())
        connection.sock.close()

    # The end

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


# The module `inspect` would say the next two, and takes a megabyte that every snapshot would hold.

CO_VARARGS = 0x04
CO_COROUTINE = 0x80


def _code_of(handler: Handler) -> "tuple[Any, int]":
    """The code of a function, a bound method or an object with __call__, and how many arguments are bound already."""
    call: Any = handler if hasattr(handler, "__code__") or hasattr(handler, "__func__") else getattr(type(handler), "__call__")
    bound = 1 if hasattr(call, "__func__") or call is not handler else 0
    return getattr(getattr(call, "__func__", call), "__code__", None), bound


def _is_async(handler: Handler) -> bool:
    code, _ = _code_of(handler)
    return code is not None and bool(code.co_flags & CO_COROUTINE)


def _arity(handler: Handler) -> int:
    code, bound = _code_of(handler)
    if code is None or code.co_flags & CO_VARARGS:
        return 2
    return int(code.co_argcount) - bound


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} is not JSON")


def _log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _log_failure(job: Job, error: BaseException) -> None:
    if isinstance(error, TimeLimit):
        return _log(f"{job.request_id}: the time limit ran out")
    lines = traceback.format_exception(type(error), error, error.__traceback__)
    _log(f"{job.request_id}: the handler failed\n{''.join(lines).rstrip()}")


def _say_ready() -> None:
    """The handshake, where there is one."""
    path = os.environ.get("AETHER_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX) as handshake:
        try:
            handshake.connect(path)
            handshake.sendall(b"READY")
        except OSError:
            pass  # Started a second time in one sandbox: the engine has heard it before.


def ready() -> None:
    """For a server of your own: tells the engine that it can serve. Do it before or after binding the port."""
    _reseed.install()
    _say_ready()


def serve(
    handler: Handler,
    *,
    http: bool = True,
    concurrency: Optional[int] = None,
    timeout_ms: Optional[int] = None,
    body_limit: Optional[int] = None,
) -> None:
    """Serves events with `handler(event, context)`, sync or async, until SIGTERM; what is under way is finished then.

    Events come over the ring, and, with `http`, as requests on the trigger port in the shapes of AWS Lambda's HTTP API
    2.0. What is not given comes from AETHER_CONCURRENCY (1), AETHER_TIMEOUT_MS (30,000) and AETHER_BODY_LIMIT (6 MiB).
    """
    _reseed.install()
    port = os.environ.get("AETHER_TRIGGER_PORT") if http else None
    if port is None and channel() is None:
        raise RuntimeError("there is neither a ring nor a trigger port: run this as a function of Aether")
    Server(
        handler,
        port=None if port is None else int(port),
        concurrency=concurrency or int(os.environ.get("AETHER_CONCURRENCY", "1")),
        timeout_ms=timeout_ms or int(os.environ.get("AETHER_TIMEOUT_MS", "30000")),
        body_limit=body_limit or int(os.environ.get("AETHER_BODY_LIMIT", str(6 * 1024 * 1024))),
    ).run(_say_ready)
