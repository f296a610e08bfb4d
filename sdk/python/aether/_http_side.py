"""The server's way to the trigger port: connections accepted, requests served one after another, answers sent."""

from __future__ import annotations

import os
import select
import socket
import time
import traceback

from ._http import Connection, HttpError, HttpRequest, HttpResponse, error_response
from ._jobs import Job, Outcome, TimeLimit, log
from ._lambda import event_of, response_of
from ._server_state import LISTENER, ServerState

CONNECTIONS = 1024


class HttpSide(ServerState):
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

    def _answer_http(self, job: Job, outcome: Outcome) -> None:
        connection, request, request_id = job.connection, job.request, job.request_id
        if connection is None or request is None:
            return
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
                log(f"{request_id}: the result is no response: {type(error).__name__}: {error}")
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
