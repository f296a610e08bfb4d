"""Handlers for the tests of the Python SDK, one by name."""

import os
import sys
import time

import aether


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


if __name__ == "__main__":
    aether.serve(globals()[sys.argv[1]])
