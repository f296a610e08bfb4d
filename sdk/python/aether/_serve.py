"""What a program calls to serve events, or to say that it serves by itself."""

from __future__ import annotations

import os
import socket
from typing import Optional

from . import _reseed
from ._channel import channel
from ._jobs import Handler, TimeLimit
from ._server import Server

__all__ = ["TimeLimit", "ready", "serve"]


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
