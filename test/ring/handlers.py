"""Handlers for the tests of the Python SDK, one by name."""

import base64
import json
import os
import random
import sys
import time

import aether

import ssl

try:
    import numpy.random
except ImportError:
    numpy = None


def echo(event, context=None):
    return event


def facts(event, context):
    return {
        "function": aether.context.function_id,
        "instance": aether.context.instance_id,
        "generation": aether.context.generation,
        "restored": aether.context.restored,
        "entropy": aether.context.entropy.hex(),
        "requestId": context.aws_request_id,
        "remaining": context.get_remaining_time_in_millis(),
        "event": event,
    }


def fail(event, context):
    raise ValueError(f"no good: {event}")


def slow(event, context):
    time.sleep(event["seconds"])
    return "done"


def leave(event, context):
    os._exit(3)


def not_json(event, context):
    return {1, 2}


async def later(event, context):
    import asyncio

    await asyncio.sleep(event["seconds"])
    return event["name"]


def scribble(event, context):
    """Breaks the rules of the ring it writes, as a hostile process could."""
    from aether import _channel

    here = _channel.channel()
    words = memoryview(here.rings[1]._memory).cast("Q")
    for index, value in event.items():
        words[int(index)] = value
    here.ring()
    time.sleep(0.3)


def web(event, context):
    """By path: the event itself, or one of the kinds of results."""
    path = event["rawPath"]
    if path == "/event":
        return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(event)}
    if path == "/plain":
        return {"any": "value"}
    if path == "/text":
        return "hello"
    if path == "/binary":
        body = base64.b64encode(bytes(range(256))).decode()
        return {"statusCode": 201, "headers": {"Content-Type": "application/x-thing"}, "body": body, "isBase64Encoded": True}
    if path == "/cookies":
        return {"statusCode": 204, "cookies": ["a=1; Path=/", "b=2"], "headers": {"X-Bad": "a\r\nb: c"}}
    if path == "/stream":
        return {"statusCode": 200, "headers": {"content-type": "text/plain"}, "body": (f"{n}\n" * 10_000 for n in range(20))}
    if path == "/fail":
        raise ValueError("a secret detail")
    if path == "/slow":
        time.sleep(30)
    if path == "/wrong":
        return {"statusCode": "many"}
    return {"statusCode": 404}


log = []


def hooks(event, context):
    """Says in which order its hooks ran, and a draw of each generator."""
    return {"log": log, "draws": draws(), "generation": aether.context.generation}


def draws():
    return {
        "random": [random.random(), random.getrandbits(64), random.gauss(0, 1), random.randint(0, 2**60)],
        "choice": random.choices(range(10**9), k=4),
        "ssl": ssl.RAND_bytes(16).hex(),
        **({"numpy": numpy.random.random(4).tolist()} if numpy is not None else {}),
    }


def register_hooks():
    aether.before_snapshot(lambda: log.append("before 1"))

    @aether.before_snapshot
    async def second():
        log.append("before 2")
        if os.path.exists(os.environ.get("REFUSE", "/nowhere")):
            raise RuntimeError("not now")

    aether.after_restore(lambda: log.append("after 1"))

    @aether.after_restore
    async def last():
        log.append("after 2")


if __name__ == "__main__":
    if sys.argv[1] == "hooks":
        register_hooks()
    aether.serve(globals()[sys.argv[1]])
