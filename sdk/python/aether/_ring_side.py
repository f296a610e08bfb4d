"""The server's way to the ring: requests read, answers written, in parts where they are long."""

from __future__ import annotations

import json
import time
import traceback
from typing import Any

from ._jobs import Job, Outcome, TimeLimit, log_failure
from ._messages import (
    CANCEL,
    FAILURE,
    JSON,
    RAW,
    REQUEST,
    RESPONSE,
    VERSION,
    Message,
    entries,
    request_head,
    request_start,
)
from ._server_state import ServerState

JSON_LEAD, RAW_LEAD = bytes((JSON,)), bytes((RAW,))


class RingSide(ServerState):
    def _read_ring(self) -> bool:
        here = self._channel
        assert here is not None
        if self._outgoing:
            self._write_ring()
        requests = here.rings[0]
        view = requests.try_view()
        if view is None:
            return False
        version, typed, request_id, timeout_ms, encoding = 0, 0, 0, 0, 0
        if len(view) >= request_start.size:
            version, typed, request_id, timeout_ms, encoding = request_start.unpack_from(view)
        if version == VERSION and typed == REQUEST and not self._assembler.busy:
            # A request in one piece, copied once. Whether the engine waits for room is looked at after the answer.
            data = bytes(view[request_start.size :])
            requests.advance()
            self._request(request_id, timeout_ms, encoding, data)
        else:
            entry = bytes(view)
            requests.advance()
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

    def _send(self, message: Message, lead: bytes = b"") -> None:
        here = self._channel
        if here is None:
            return
        producer = here.rings[1]
        for piece_lead, piece in entries(message, lead, producer.limit):
            if self._outgoing or not producer.try_write(piece, piece_lead):
                self._outgoing.append((piece_lead, piece))
        if self._outgoing:
            self._write_ring()
        here.wrote()

    def _write_ring(self) -> None:
        here = self._channel
        assert here is not None
        producer = here.rings[1]
        wrote = False
        while self._outgoing:
            lead, piece = self._outgoing[0]
            if not producer.try_write(piece, lead):
                here.wants_space(True)
                if not producer.try_write(piece, lead):
                    break
                here.wants_space(False)
            self._outgoing.popleft()
            wrote = True
        if wrote:
            here.wrote()

    def _answer_ring(self, job: Job, ring_id: int, outcome: Outcome) -> None:
        if ring_id in self._cancelled:
            self._cancelled.discard(ring_id)
            return
        error = outcome.error
        if error is None:
            try:
                value = outcome.value
                if isinstance(value, (bytes, bytearray, memoryview)):
                    return self._send(Message(RESPONSE, ring_id, bytes(value)), RAW_LEAD)
                if not job.raw or value is not None:
                    encoded = json.dumps(value, default=_plain).encode()
                    return self._send(Message(RESPONSE, ring_id, encoded), JSON_LEAD)
                return self._send(Message(RESPONSE, ring_id, b""), RAW_LEAD)
            except (TypeError, ValueError) as problem:
                error = problem
                log_failure(job, problem)
        late = isinstance(error, TimeLimit)
        failure = {
            "errorType": "TimeLimit" if late else type(error).__name__,
            "errorMessage": "the time limit ran out" if late else str(error),
            "requestId": job.request_id,
            "stackTrace": [] if late else traceback.format_tb(error.__traceback__)[-20:],
        }
        self._send(Message(FAILURE, ring_id, json.dumps(failure).encode()[:60_000]))


def _plain(value: Any) -> Any:
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8", "replace")
    raise TypeError(f"{type(value).__name__} is not JSON")
