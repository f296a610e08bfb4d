"""Starts the launcher as the engine does, talks to it and to its inits, and counts what was left behind."""
import array
import errno
import json
import os
import select
import socket
import subprocess
import sys
import tempfile
import time

import wire as w

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
SANDBOX_FLAGS = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID
BUILD = os.environ["AETHER_ROOTFS_BUILD"]
DEADLINE_S = 8
# Programs inside also run as other users, who may not reach the Python that runs the tests.
PYTHON = next(path for path in ("/usr/bin/python3", sys.executable) if os.access(path, os.X_OK))


class Refused(Exception):
    """An ERROR answer."""

    def __init__(self, answer):
        self.errno, self.step, self.detail = answer.int(w.TAG_ERRNO), answer.text(w.TAG_STEP), answer.text(w.TAG_DETAIL)
        super().__init__(f"{self.step} {self.detail}: {errno.errorcode.get(self.errno, self.errno)}")


class Channel:
    """One socket: requests by id, events in order."""

    def __init__(self, sock):
        self.sock, self.events, self.next_id = sock, [], 1

    def receive(self, timeout=DEADLINE_S):
        """The next message, or None when the other side closed. TimeoutError."""
        if not select.select([self.sock], [], [], timeout)[0]:
            raise TimeoutError("no message")
        try:
            data, fds, flags, _ = socket.recv_fds(self.sock, 262144, 32)
        except ConnectionResetError:
            return None
        assert flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) == 0
        return w.Message(data, fds) if data else None

    def send(self, data, fds=()):
        socket.send_fds(self.sock, [data], list(fds)) if fds else self.sock.send(data)

    def request(self, type_, *fields, fds=(), id_=None):
        self.next_id += 1
        wanted = self.next_id if id_ is None else id_
        self.send(w.message(type_, wanted, *fields), fds)
        return self.answer(wanted)

    def answer(self, wanted):
        while True:
            got = self.receive()
            if got is None:
                raise ConnectionError("closed")
            if got.id == 0 and got.type in (w.WIRE_EXIT, w.WIRE_HELLO):
                self.events.append(got)
                continue
            assert got.id == wanted, (got.id, wanted)
            if got.type == w.WIRE_ERROR:
                raise Refused(got)
            return got

    def event(self, type_, pid=None, timeout=DEADLINE_S):
        """The next event of the type (and pid), also one that came before an answer."""
        deadline = time.monotonic() + timeout
        while True:
            for index, got in enumerate(self.events):
                if got.type == type_ and (pid is None or got.int(w.TAG_PID) == pid):
                    return self.events.pop(index)
            got = self.receive(max(0, deadline - time.monotonic()))
            if got is None:
                raise ConnectionError("closed")
            self.events.append(got)

    def close(self):
        self.sock.close()


class Launcher(Channel):
    def __init__(self, *arguments, build=BUILD, prefix=()):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.stderr = tempfile.TemporaryFile()

        def fd_three():
            os.dup2(theirs.fileno(), 3)

        # Descriptor 3 by hand: pass_fds keeps numbers, and the number may be taken here.
        self.process = subprocess.Popen(
            [*prefix, f"{build}/aether-launcher", "--init", f"{build}/aether-init", *arguments],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.stderr, env={}, pass_fds=[3], preexec_fn=fd_three,
        )
        theirs.close()
        super().__init__(ours)
        assert self.event(w.WIRE_HELLO).int(w.TAG_PID) == self.process.pid or prefix

    def sandbox(self, name="test", flags=SANDBOX_FLAGS):
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        answer = self.request(
            w.WIRE_SANDBOX, w.u64(w.TAG_CLONE_FLAGS, flags), w.field(w.TAG_NAME, name), w.u32(w.TAG_FD, w.FD_CONTROL, 0),
            fds=[theirs.fileno()],
        )
        theirs.close()
        return Init(ours, answer.int(w.TAG_PID), answer.fds[0])

    def end(self, timeout=DEADLINE_S):
        """Closes the socket as a dying engine does; the exit status and what was said on stderr."""
        self.close()
        status, said = self.process.wait(timeout), self.said()
        self.stderr.close()
        return status, said

    def said(self):
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")


class Init(Channel):
    def __init__(self, sock, host_pid, pidfd):
        super().__init__(sock)
        self.host_pid, self.pidfd = host_pid, pidfd
        assert self.event(w.WIRE_HELLO).int(w.TAG_PID) == 1

    def setup(self, *fields):
        return self.request(w.WIRE_SETUP, *fields)

    def basic_setup(self):
        self.setup(w.parts(w.TAG_MOUNT, "proc", "proc", "/proc", 14, ""))

    def spawn(self, argv, *fields, fds=(), env=()):
        """`fds`: (role, number, descriptor) each."""
        return self.request(
            w.WIRE_SPAWN, *(w.field(w.TAG_ARGV, a) for a in argv), *(w.field(w.TAG_ENV, e) for e in env), *fields,
            *(w.u32(w.TAG_FD, role, number) for role, number, _ in fds), fds=[fd for _, _, fd in fds],
        )

    def run(self, argv, *fields, fds=(), env=()):
        """Runs to its end; wait status and all output."""
        read, write = os.pipe()
        answer = self.spawn(argv, *fields, fds=[(w.FD_CHILD, 1, write), (w.FD_CHILD, 2, write), *fds], env=env)
        os.close(write)
        with os.fdopen(read, "rb") as output:
            text = output.read()
        return self.event(w.WIRE_EXIT, answer.int(w.TAG_PID)).int(w.TAG_STATUS), text

    def python(self, code, *fields, fds=(), env=()):
        """Runs Python code inside; what it left in `result`, as JSON."""
        program = f"import json,os,sys\nresult=None\n{code}\nsys.stdout.write(json.dumps(result))"
        status, text = self.run([PYTHON, "-I", "-S", "-c", program], *fields, fds=fds, env=env)
        assert status == 0, (status, text)
        return json.loads(text)

    def is_gone(self, timeout=DEADLINE_S):
        return bool(select.select([self.pidfd], [], [], timeout)[0])

    def close(self):
        super().close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


def file_descriptor_count():
    return len(os.listdir("/proc/self/fd"))


def peer_pid(fd):
    with socket.socket(fileno=os.dup(fd)) as sock:
        return array.array("i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
