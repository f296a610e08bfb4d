"""What SETUP and SOCKET promise, and what both programs say to nonsense."""
import errno
import os
import socket
import stat
import tempfile

import wire as w
from harness import CLONE_NEWNET, CLONE_NEWNS, SANDBOX_FLAGS, Refused
from tap import case, equal, refused

MS_RDONLY, MS_NOSUID, MS_NOEXEC, MS_MOVE, MS_REMOUNT, MS_BIND, MS_REC, MS_SLAVE = 1, 2, 8, 8192, 32, 4096, 16384, 1 << 19


def mount(type_, source, target, flags=0, data=""):
    return w.parts(w.TAG_MOUNT, type_, source, target, flags, data)


@case("a sandbox has its own processes, name and file systems, made in order; the host sees none of it")
def _(launcher, init):
    before = open("/proc/self/mountinfo").read()
    with tempfile.TemporaryDirectory() as scratch:
        os.mkdir(f"{scratch}/dir")
        open(f"{scratch}/file", "w").close()
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{scratch}/sock")
        init.setup(
            w.field(w.TAG_HOSTNAME, "inside"),
            mount("propagation", "", "/", MS_SLAVE | MS_REC),
            mount("tmpfs", "tmpfs", "/mnt", MS_NOSUID | MS_NOEXEC, "mode=0755,size=1m"),
            w.parts(w.TAG_MKDIR, "/mnt/pts", "755"),
            w.parts(w.TAG_MKDIR, "/mnt/shm", "1777", 5, 6),
            w.parts(w.TAG_MKDIR, "/mnt/shm", "700"),  # there already: left as it is
            w.parts(w.TAG_MKNOD, "/mnt/null", "666", 1, 3),
            mount("devpts", "devpts", "/mnt/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620"),
            mount("mqueue", "mqueue", "/mnt/mqueue", MS_NOSUID),
            w.parts(w.TAG_SYMLINK, "pts/ptmx", "/mnt/ptmx"),
            mount("bind", f"{scratch}/sock", "/mnt/deep/er/sock"),
            mount("bind", f"{scratch}/file", "/mnt/file"),
            mount("bind", f"{scratch}/dir", "/mnt/ro", MS_RDONLY | MS_NOSUID),
            mount("rbind", "/mnt", f"{scratch}/dir", MS_RDONLY),
            mount("move", "/mnt", "/dev", MS_MOVE),
            mount("remount", "", "/dev", MS_NOSUID | MS_NOEXEC | MS_RDONLY | MS_BIND),
        )
        got = init.python(
            "import socket,stat\n"
            "def kind(p): s=os.lstat(p); return [stat.filemode(s.st_mode),s.st_uid,s.st_gid]\n"
            "def writable(p):\n try: open(p+'/x','w').close(); os.unlink(p+'/x'); return True\n except OSError as e: return e.errno\n"
            "result=dict(host=socket.gethostname(),pids=[p for p in os.listdir('/proc') if p.isdigit()],null=kind('/dev/null'),"
            "shm=kind('/dev/shm'),sock=kind('/dev/deep/er/sock'),file=kind('/dev/file'),link=os.readlink('/dev/ptmx'),"
            f"ro=writable('/dev/ro'),dev=writable('/dev'),bound=writable('{scratch}/dir/shm'),sub=os.listdir('{scratch}/dir/pts'))"
        )
        equal((got["host"], len(got["pids"]), got["link"]), ("inside", 2, "pts/ptmx"))
        equal((got["null"][0], got["shm"], got["sock"][0][0], got["file"][0][0]), ("crw-rw-rw-", ["drwxrwxrwt", 5, 6], "s", "-"))
        equal((got["ro"], got["dev"], got["bound"], got["sub"]), (errno.EROFS, errno.EROFS, errno.EROFS, ["ptmx"]))
        equal(open("/proc/self/mountinfo").read(), before)
        equal(os.listdir(f"{scratch}/dir"), [])
    assert socket.gethostname() != "inside"
    with open(f"/proc/{init.host_pid}/cmdline") as cmdline:
        equal(cmdline.read(), "aether-init: test\0")


@case("set-up stops at the first failure and names step and path")
def _(launcher, init):
    init.setup(mount("tmpfs", "tmpfs", "/mnt"))
    for step, error, fields in (
        ("bind source", errno.ENOENT, [mount("bind", "/no/such", "/mnt/x")]),
        ("mount type", errno.EINVAL, [mount("ext4", "/dev/vda", "/mnt")]),
        ("mount flags", errno.EINVAL, [mount("bind", "/usr", "/mnt", 1 << 19)]),
        ("mount flags", errno.EINVAL, [mount("tmpfs", "tmpfs", "/mnt", MS_REMOUNT)]),
        ("mount flags", errno.EINVAL, [w.parts(w.TAG_MOUNT, "bind", "/usr", "/mnt", "-1", "")]),
        ("mount target", errno.EINVAL, [mount("tmpfs", "tmpfs", "mnt")]),
        ("mount move", errno.ENOENT, [mount("move", "/no/such", "/mnt")]),
        ("mkdir", errno.ENOENT, [w.parts(w.TAG_MKDIR, "/mnt/a/b", "755")]),
        ("mkdir", errno.EINVAL, [w.parts(w.TAG_MKDIR, "/mnt/a", "888")]),
        ("mknod", errno.EINVAL, [w.parts(w.TAG_MKNOD, "/mnt/a", "060666", 8, 0)]),  # a block device
        ("symlink", errno.EEXIST, [w.parts(w.TAG_SYMLINK, "x", "/mnt")]),
        ("sysctl", errno.EINVAL, [w.parts(w.TAG_SYSCTL, "/etc/passwd", "x")]),
        ("sysctl", errno.EINVAL, [w.parts(w.TAG_SYSCTL, "/proc/sys/../../etc/passwd", "x")]),
        ("setup", errno.EINVAL, [w.field(w.TAG_ARGV, "x")]),
        ("setup", errno.EINVAL, [w.field(w.TAG_LOOPBACK, "x")]),
        ("setup", errno.EINVAL, [w.parts(w.TAG_MOUNT, "bind", "a", "b", 0, "", "")]),
    ):
        refused(step, error, lambda: init.setup(*fields, w.parts(w.TAG_MKDIR, "/mnt/after", "755")))
        equal(os.path.exists(f"/proc/{init.host_pid}/root/mnt/after"), False)
    try:
        init.setup(mount("bind", "/no/such", "/mnt/x"))
    except Refused as refusal:
        equal(refusal.detail, "/no/such")


@case("a private network has lo up, binds foreign addresses, and hands out sockets", fresh=False)
def _(launcher, _init):
    init = launcher.sandbox("net", SANDBOX_FLAGS | CLONE_NEWNET)
    init.setup(
        mount("proc", "proc", "/proc", 14), w.field(w.TAG_LOOPBACK), w.parts(w.TAG_SYSCTL, "/proc/sys/net/ipv4/ip_nonlocal_bind", "1"),
    )

    def make(family, type_):
        return socket.socket(fileno=init.request(w.WIRE_SOCKET, w.u32(w.TAG_FAMILY, family), w.u32(w.TAG_SOCKTYPE, type_)).fds[0])

    with make(socket.AF_INET, socket.SOCK_STREAM) as server, make(socket.AF_INET, socket.SOCK_STREAM) as client:
        equal(os.get_blocking(server.fileno()), False)
        server.setblocking(True)
        server.bind(("127.0.0.1", 80))
        server.listen()
        client.setblocking(True)
        client.connect(("127.0.0.1", 80))
        accepted, _ = server.accept()
        accepted.close()
    with make(socket.AF_INET, socket.SOCK_STREAM) as server:
        server.bind(("203.0.113.9", 8080))
    for family, type_, error in ((999, 1, errno.EAFNOSUPPORT), (2, 1 | socket.SOCK_CLOEXEC, errno.EINVAL), (-1, 1, errno.EINVAL)):
        refused("socket", error, lambda: make(family, type_))
    init.close()


@case("nonsense gets an error and changes nothing", fresh=False)
def _(launcher, _init):
    init = launcher.sandbox()
    for channel in (launcher, init):
        pid = launcher.process.pid if channel is launcher else init.host_pid
        open_before = len(os.listdir(f"/proc/{pid}/fd"))
        good = w.message(w.WIRE_SETUP, 9, w.field(w.TAG_HOSTNAME, "abc"))
        for data, id_ in (
            (b"", 0), (b"x", 0), (good[:15], 0), (good[:-1], 9), (good + b"\0\0\0\0", 9), (b"\0" + good[1:], 0),
            (w.message(w.WIRE_SETUP, 9, version=2), 9), (w.message(w.WIRE_SETUP, 9, size=15), 9),
            (w.message(w.WIRE_SETUP, 9, w.field(w.TAG_HOSTNAME)[:4] + b"\xff\xff\xff\xff"), 9),
            (w.message(w.WIRE_SETUP, 9, b"\x0c\0\0\0\1\0\0\0a\0\0\1"), 9),
            (w.message(w.WIRE_SETUP, 9, b"\0" * (w.MAX_MESSAGE + 8)), 9),
            (w.message(w.WIRE_SPAWN, 9, w.u32(w.TAG_FD, 2, 0)), 9),
        ):
            channel.send(data)
            refused("message", errno.EBADMSG, lambda: channel.answer(id_))
        with open("/dev/null") as null:
            channel.send(w.message(w.WIRE_SETUP, 9), [null.fileno()])
            refused("message", errno.EBADMSG, lambda: channel.answer(9))
            fields = [w.u32(w.TAG_FD, 2, n) for n in range(33)]
            channel.send(w.message(w.WIRE_SPAWN, 9, *fields), [null.fileno()] * 33)
            refused("message", errno.EBADMSG, lambda: channel.answer(9))
        for type_ in (0, 1, 2, 3, 4, 99, 65535, w.WIRE_SPAWN if channel is launcher else w.WIRE_SANDBOX):
            refused("message", errno.EINVAL, lambda: channel.request(type_))
        equal(len(os.listdir(f"/proc/{pid}/fd")), open_before)
    init.close()


@case("the launcher refuses namespaces, names and sockets it should", fresh=False)
def _(launcher, _init):
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    stream = socket.socketpair()
    flags, name, control = w.u64(w.TAG_CLONE_FLAGS, SANDBOX_FLAGS), w.field(w.TAG_NAME, "x"), w.u32(w.TAG_FD, w.FD_CONTROL, 0)
    for fields, fds in (
        ((flags, name), []), ((flags, control), [theirs]), ((name, control), [theirs]), ((flags, name, control), [stream[0]]),
        ((flags, name, control, control), [theirs, theirs]), ((flags, name, w.u32(w.TAG_FD, w.FD_CHILD, 0)), [theirs]),
        ((flags, w.field(w.TAG_NAME, "x" * 64), control), [theirs]), ((flags, name, control, w.field(w.TAG_CWD, "/")), [theirs]),
        ((w.u64(w.TAG_CLONE_FLAGS, CLONE_NEWNS), name, control), [theirs]),
        ((w.u64(w.TAG_CLONE_FLAGS, SANDBOX_FLAGS | 0x10000000), name, control), [theirs]),  # CLONE_NEWUSER
        ((w.u64(w.TAG_CLONE_FLAGS, SANDBOX_FLAGS | 0x100), name, control), [theirs]),  # CLONE_VM
        ((w.u32(w.TAG_CLONE_FLAGS, 0), name, control), [theirs]),
    ):
        refused("sandbox", errno.EINVAL, lambda: launcher.request(w.WIRE_SANDBOX, *fields, fds=[s.fileno() for s in fds]))
    for sock in (ours, theirs, *stream):
        sock.close()


@case("init has only its own descriptors open and no environment", fresh=True)
def _(launcher, init):
    fds = {int(n): os.readlink(f"/proc/{init.host_pid}/fd/{n}") for n in os.listdir(f"/proc/{init.host_pid}/fd")}
    equal((sorted(fds), fds[0], fds[1], fds[4]), ([0, 1, 2, 3, 4], "/dev/null", "/dev/null", "anon_inode:[signalfd]"))
    equal(stat.S_ISREG(os.stat(f"/proc/{init.host_pid}/fd/2").st_mode), True)
    equal(open(f"/proc/{init.host_pid}/environ").read(), "")
