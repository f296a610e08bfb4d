"""Running the handler: in this thread, in others, or in an event loop; at most so many at once, each within its limit."""

from __future__ import annotations

import os
import signal
import threading
import time
from types import CoroutineType
from typing import Any

from ._jobs import Job, Outcome, TimeLimit, log_failure
from ._lambda import LambdaContext
from ._server_state import NEVER, ServerState


class HandlerSide(ServerState):
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
            log_failure(job, outcome.error)
        if job.ring_id is not None:
            self._answer_ring(job, job.ring_id, outcome)
        else:
            self._answer_http(job, outcome)
