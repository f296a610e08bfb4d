"""Echoes what it is sent: `ring` and `http` through the SDK, `unix` by a plain socket with a length before each message."""

import socket
import sys

import aether


def echo(event, context):
    return event


def echo_http(event, context):
    return {"statusCode": 200, "body": event.get("body", ""), "isBase64Encoded": event["isBase64Encoded"]}


def unix(path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(1)
        client, _ = listener.accept()
        with client, client.makefile("rb", 131072) as stream:
            while True:
                head = stream.read(4)
                if len(head) < 4:
                    return
                client.sendall(head + stream.read(int.from_bytes(head, "little")))


mode, place = sys.argv[1:]
if mode == "unix":
    unix(place)
else:
    aether.serve(echo if mode == "ring" else echo_http, http=mode == "http")
