"""The messages of rootfs/wire.h, with numbers read from that file; encoding written apart from both programs."""
import pathlib
import re
import struct

HEADER = pathlib.Path(__file__).resolve().parents[2] / "rootfs" / "wire.h"
_text = HEADER.read_text()
for _name, _value in re.findall(r"^\s*((?:WIRE|TAG|FD)_[A-Z_]+) = (\d+)", _text, re.M):
    globals()[_name] = int(_value)
MAGIC = int(re.search(r"WIRE_MAGIC (0x[0-9a-f]+)", _text)[1], 16)
MAX_MESSAGE = int(re.search(r"WIRE_MAX_MESSAGE (\d+)", _text)[1])


def field(tag, value=b""):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack("<HHI", tag, 0, len(value)) + value + b"\0" * (-len(value) % 4)


def u32(tag, *values):
    return field(tag, struct.pack(f"<{len(values)}I", *(v & 0xFFFFFFFF for v in values)))


def u64(tag, value):
    return field(tag, struct.pack("<Q", value))


def parts(tag, *values):
    return field(tag, "\0".join(str(v) for v in values))


def message(type_, id_, *fields, magic=MAGIC, version=1, size=None):
    body = b"".join(fields)
    return struct.pack("<IHHII", magic, version, type_, id_, 16 + len(body) if size is None else size) + body


class Message:
    def __init__(self, data, fds):
        magic, version, self.type, self.id, size = struct.unpack_from("<IHHII", data)
        assert (magic, version, size) == (MAGIC, 1, len(data)), data
        self.fds = fds
        self.fields = []
        at = 16
        while at < size:
            tag, reserved, length = struct.unpack_from("<HHI", data, at)
            assert reserved == 0 and at + 8 + length <= size
            self.fields.append((tag, data[at + 8 : at + 8 + length]))
            at += 8 + length + -length % 4

    def ints(self, tag):
        return [struct.unpack("<i", value)[0] for found, value in self.fields if found == tag]

    def int(self, tag):
        return self.ints(tag)[0]

    def text(self, tag):
        return next(value for found, value in self.fields if found == tag).decode()
