#!/usr/bin/env python3
"""
Mutated messages for launcher and init, fixed seed. Only run by run.py, in mount, pid, net, uts and ipc namespaces of its own:
pid 1 of them is this program, and the file systems are made harmless first.
"""
import ctypes
import os
import random
import socket
import struct
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
MS_RDONLY, MS_REMOUNT, MS_BIND = 1, 32, 4096
LAUNCHER_ROUNDS, INIT_ROUNDS, SEED = 10_000, 10_000, 20251120
LAST_ID = 0x7FFFFFFF


def mount(source, target, kind, flags, data=None):
    libc = ctypes.CDLL(None, use_errno=True)
    text = [value if value is None else value.encode() for value in (source, target, kind, data)]
    if libc.mount(text[0], text[1], text[2], ctypes.c_ulong(flags), text[3]) != 0:
        raise OSError(ctypes.get_errno(), "mount", target)


def make_harmless():
    """No cgroup to kill in, no sysctl to write, no file of the host to remove; a scratch /tmp."""
    if os.getpid() != 1:
        sys.exit("fuzz.py runs in a pid namespace of its own: use run.py")
    repository = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
    checkout = os.open(repository, os.O_PATH | os.O_DIRECTORY)
    covers = ("/sys", "/tmp", "/run", "/dev/shm", "/mnt")
    for target in covers:
        mount("tmpfs", target, "tmpfs", 0, "size=16m")
    if repository.startswith(tuple(f"{target}/" for target in covers)):
        # The programs under test and these files may lie below a cover: they are brought back, to be read.
        os.makedirs(repository)
        mount(f"/proc/self/fd/{checkout}", repository, None, MS_BIND)
        mount(None, repository, None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    os.close(checkout)
    mount("/proc/sys", "/proc/sys", None, MS_BIND)
    mount(None, "/proc/sys", None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    mount(None, "/", None, MS_REMOUNT | MS_BIND | MS_RDONLY)


def mutate(chance, message, values_too):
    """One to three changes of structure: lengths, tags, order, size, cuts. `values_too`: any byte at all."""
    data = bytearray(message)
    for _ in range(chance.randint(1, 3)):
        offsets = field_offsets(data)
        what = chance.randrange(8)
        if what == 0 and len(data) > 0:
            del data[chance.randrange(len(data)) :]
        elif what == 1:
            data += bytes(chance.randrange(256) for _ in range(chance.randint(1, 40)))
        elif what == 2 and offsets:
            struct.pack_into("<I", data, chance.choice(offsets) + 4, chance.choice([0, 1, 3, 7, 2**31, 2**32 - 1, chance.randrange(300)]))
        elif what == 3 and offsets:
            struct.pack_into("<H", data, chance.choice(offsets), chance.randrange(60))
        elif what == 4 and offsets:
            at = chance.choice(offsets)
            data += data[at : at + 8 + chance.randrange(64)]
        elif what == 5 and len(data) >= 16:
            data[chance.randrange(16)] = chance.randrange(256)
        elif what == 6 and offsets:
            at = chance.choice(offsets)
            del data[at : at + 4 * chance.randint(1, 6)]
        elif what == 7 and values_too and len(data) > 16:
            data[chance.randrange(16, len(data))] ^= 1 << chance.randrange(8)
    # Mostly put the size right again, or nothing would get past the header.
    if len(data) >= 16 and chance.random() < 0.8:
        struct.pack_into("<I", data, 12, len(data))
    return bytes(data)


def field_offsets(data):
    found, at = [], 16
    while at + 8 <= len(data):
        found.append(at)
        at += 8 + (struct.unpack_from("<I", data, at + 4)[0] + 3 & ~3)
    return found


def drain(channel, tally):
    """Reads what has come; closes its descriptors."""
    while True:
        try:
            got = channel.receive(0)
        except TimeoutError:
            return
        assert got is not None, "the program is gone"
        tally[got.type] = tally.get(got.type, 0) + 1
        for fd in got.fds:
            os.close(fd)


def fuzz(channel, templates, rounds, chance, values_too, sockets):
    tally = {}
    for number in range(rounds):
        message, count = chance.choice(templates)
        data = mutate(chance, message, values_too)
        count = max(0, count + chance.choice([0, 0, 0, 0, 1, -1]))
        channel.send(data, [chance.choice(sockets) for _ in range(count)])
        if number % 4 == 3:
            drain(channel, tally)
    # Answers come in order: after this one there are no more.
    channel.send(w_message(0, LAST_ID))
    while True:
        got = channel.receive()
        assert got is not None, "the program is gone"
        for fd in got.fds:
            os.close(fd)
        if got.id == LAST_ID:
            return tally


def w_message(type_, id_):
    import wire as w

    return w.message(type_, id_)


def main():
    make_harmless()
    import wire as w
    from harness import SANDBOX_FLAGS, CLONE_NEWNET, Launcher

    chance = random.Random(SEED)
    pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    null = os.open("/dev/null", os.O_RDWR)
    sandbox = [w.u64(w.TAG_CLONE_FLAGS, SANDBOX_FLAGS), w.field(w.TAG_NAME, "fuzz"), w.u32(w.TAG_FD, w.FD_CONTROL, 0)]
    for_launcher = [
        (w.message(w.WIRE_SANDBOX, 5, *sandbox), 1),
        (w.message(w.WIRE_ON_DEATH, 6, w.field(w.TAG_CGROUP, "/sys/fs/cgroup/x"), w.field(w.TAG_UNLINK, "/tmp/x"), w.parts(w.TAG_SYSCTL, "/proc/sys/x", 1)), 0),
    ]
    launcher = Launcher("--run-tmpfs")
    print("launcher:", fuzz(launcher, for_launcher, LAUNCHER_ROUNDS, chance, True, [pair[1].fileno(), null]))
    launcher.request(w.WIRE_ON_DEATH, w.field(w.TAG_UNLINK, "/tmp/x"))
    status, said = launcher.end()
    assert status == 0 and "Sanitizer" not in said and "runtime error" not in said, said

    launcher = Launcher()
    init = launcher.sandbox("fuzzed", SANDBOX_FLAGS | CLONE_NEWNET)
    init.basic_setup()
    program = [w.field(w.TAG_ARGV, "/bin/true"), w.field(w.TAG_ARGV, "x" * 40), w.field(w.TAG_ENV, "A=1"), w.field(w.TAG_CWD, "/tmp")]
    rights = [w.u32(w.TAG_UID, 9), w.u32(w.TAG_GID, 9), w.u32(w.TAG_GROUPS, 1, 2), w.u64(w.TAG_CAPS, 1 << 10), w.field(w.TAG_NO_NEW_PRIVS),
              w.field(w.TAG_IO_URING_GUARD), w.u32(w.TAG_UMASK, 2), w.u64(w.TAG_NOFILE, 99), w.u32(w.TAG_OOM_SCORE, 5), w.u32(w.TAG_RPC_SOCKET, 9)]
    fds = [w.u32(w.TAG_FD, w.FD_CHILD, 5), w.u32(w.TAG_FD, w.FD_HOLD, 0), w.u32(w.TAG_FD, w.FD_JOIN, 0)]
    for_init = [
        (w.message(w.WIRE_SETUP, 7, w.field(w.TAG_HOSTNAME, "f"), w.parts(w.TAG_MOUNT, "tmpfs", "tmpfs", "/mnt/t", 14, "size=1m"),
                   w.parts(w.TAG_MKDIR, "/mnt/d", 755, 1, 2), w.parts(w.TAG_MKNOD, "/mnt/n", 666, 1, 3), w.parts(w.TAG_SYMLINK, "a", "/mnt/s"),
                   w.parts(w.TAG_SYSCTL, "/proc/sys/net/ipv4/ip_nonlocal_bind", 1), w.field(w.TAG_LOOPBACK)), 0),
        (w.message(w.WIRE_SPAWN, 8, *program, *rights), 0),
        (w.message(w.WIRE_SPAWN, 9, *program, *fds), 3),
        (w.message(w.WIRE_KILL, 10, w.u32(w.TAG_PID, -1), w.u32(w.TAG_SIGNAL, 15)), 0),
        (w.message(w.WIRE_SOCKET, 11, w.u32(w.TAG_FAMILY, 2), w.u32(w.TAG_SOCKTYPE, 1)), 0),
        (w.message(w.WIRE_RELEASE, 12, w.u32(w.TAG_HELD, 5), w.u32(w.TAG_HELD, 6)), 0),
    ]
    # Structure only: a flipped bit in a value could name another device or sysctl.
    print("init:", fuzz(init, for_init, INIT_ROUNDS, chance, False, [pair[0].fileno(), null]))
    for number in range(4, 400):
        try:
            init.request(w.WIRE_RELEASE, w.u32(w.TAG_HELD, number), id_=10**6 + number)
        except Exception as refusal:
            assert getattr(refusal, "step", "") == "release", refusal
    assert init.spawn(["/bin/true"]).int(w.TAG_PID) > 1
    pid = init.host_pid
    init.close()
    assert launcher.event(w.WIRE_EXIT, pid).int(w.TAG_STATUS) == 0
    status, said = launcher.end()
    assert status == 0 and "Sanitizer" not in said and "runtime error" not in said, said


if __name__ == "__main__":
    main()
