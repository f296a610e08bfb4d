"""What SPAWN promises: the program, its descriptors, its rights, its end."""
import errno
import json
import os
import platform
import signal
import socket
import time

import wire as w
from cgroups import TestCgroup
from harness import PYTHON, peer_pid
from tap import case, equal, one_of, refused, skip


@case("a program gets its arguments, environment, folder and umask, and nothing else")
def _(launcher, init):
    code = (
        "mask=os.umask(0)\n"
        "signals=[l.split()[1] for l in open('/proc/self/status') if l.startswith(('SigBlk','SigIgn'))]\n"
        "result=[sys.argv[1:],dict(os.environ),os.getcwd(),mask,os.getsid(0)==os.getpid(),signals,os.listdir('/proc/self/fd')]"
    )
    program = f"import json,os,sys\n{code}\nsys.stdout.write(json.dumps(result))"
    status, text = init.run(
        [PYTHON, "-I", "-S", "-c", program, "one", "", "three words"],
        w.field(w.TAG_CWD, "/usr"), w.u32(w.TAG_UMASK, 0o27), env=["A=1", "LC_CTYPE=C.UTF-8"],
    )
    equal(status, 0)
    arguments, env, cwd, mask, leads, signals, fds = json.loads(text)
    equal((arguments, env, cwd, mask, leads), (["one", "", "three words"], {"A": "1", "LC_CTYPE": "C.UTF-8"}, "/usr", 0o27, True))
    equal(int(signals[0], 16), 0)
    # Python ignores SIGPIPE (13) and SIGXFSZ (25) on its own.
    equal(int(signals[1], 16) & ~(1 << 12 | 1 << 24), 0)
    equal(sorted(fds, key=int), ["0", "1", "2", "3"])  # 3: listdir's own


@case("exit statuses and signals come as waitpid gives them")
def _(launcher, init):
    equal(os.waitstatus_to_exitcode(init.run(["/bin/sh", "-c", "exit 7"])[0]), 7)
    equal(os.waitstatus_to_exitcode(init.run(["/bin/sh", "-c", "kill -9 $$"])[0]), -9)


@case("descriptors whose numbers overlap land where they belong")
def _(launcher, init):
    pipes = [os.pipe() for _ in range(8)]
    wanted = {12 - i: os.fstat(read).st_ino for i, (read, _) in enumerate(pipes)}
    fds = [(w.FD_CHILD, 12 - i, read) for i, (read, _) in enumerate(pipes)]
    got = init.python("result={n:os.fstat(n).st_ino for n in range(5,13)}\nresult['open']=len(os.listdir('/proc/self/fd'))", fds=fds)
    for pair in pipes:
        os.close(pair[0])
        os.close(pair[1])
    equal(got.pop("open"), 3 + 8 + 1)
    equal({int(n): inode for n, inode in got.items()}, wanted)


@case("failures before the program name their step, and are not reported as exits")
def _(launcher, init):
    refused("execve", errno.ENOENT, lambda: init.spawn(["/no/such/program"]))
    refused("execve", errno.EACCES, lambda: init.spawn(["/etc/passwd"]))
    refused("chdir", errno.ENOENT, lambda: init.spawn(["/bin/true"], w.field(w.TAG_CWD, "/no/such")))
    refused("spawn", errno.EINVAL, lambda: init.spawn(["true"]))
    refused("spawn", errno.EINVAL, lambda: init.spawn([]))
    refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/true"], w.u32(w.TAG_UMASK, 0o1000)))
    refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/true"], w.field(w.TAG_HOSTNAME, "x")))
    refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/true\0x"]))
    with open("/dev/null") as null:
        refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/true"], fds=[(w.FD_CHILD, 5, null.fileno())] * 2))
        refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/true"], fds=[(w.FD_CHILD, 1024, null.fileno())]))
        refused("cgroup", errno.EBADF, lambda: init.spawn(["/bin/true"], fds=[(w.FD_JOIN, 0, null.fileno())]))
    init.run(["/bin/true"])
    equal(init.events, [])


@case("a large environment and many arguments pass")
def _(launcher, init):
    arguments = [str(i) for i in range(2000)]
    status, text = init.run(["/bin/echo", *arguments], env=["BIG=" + "x" * 100_000])
    equal((status, text.split()), (0, [a.encode() for a in arguments]))
    refused("spawn", errno.EINVAL, lambda: init.spawn(["/bin/echo"] + ["a"] * 4096))


@case("LAST_PID gives exactly the next process id, and its children come after it")
def _(launcher, init):
    code = "pid=os.fork()\nif pid==0: os._exit(0)\nos.waitpid(pid,0)\nresult=[os.getpid(),pid]"
    equal(init.python(code, w.u32(w.TAG_LAST_PID, 99)), [100, 101])
    held = init.spawn(["/bin/sleep", "60"], w.u32(w.TAG_LAST_PID, 499)).int(w.TAG_PID)
    equal(held, 500)
    refused("clone3", errno.EEXIST, lambda: init.spawn(["/bin/true"], w.u32(w.TAG_LAST_PID, 499)))
    init.request(w.WIRE_KILL, w.u32(w.TAG_PID, held), w.u32(w.TAG_SIGNAL, signal.SIGKILL))


@case("user, groups, capabilities, no_new_privs and limits are taken")
def _(launcher, init):
    read_status = (
        "lines=dict(l.rstrip('\\n').split(':\\t',1) for l in open('/proc/self/status'))\n"
        "import resource\n"
        "result={k:lines[k] for k in ('CapInh','CapPrm','CapEff','CapBnd','CapAmb','NoNewPrivs')}\n"
        "result['ids']=[list(os.getresuid()),list(os.getresgid()),os.getgroups()]\n"
        "result['nofile']=list(resource.getrlimit(resource.RLIMIT_NOFILE))\n"
        "result['oom']=open('/proc/self/oom_score_adj').read().strip()"
    )
    net_bind, chown = 1 << 10, 1 << 0
    got = init.python(read_status, w.u64(w.TAG_CAPS, net_bind | chown), w.u64(w.TAG_NOFILE, 321), w.u32(w.TAG_OOM_SCORE, 300))
    equal([int(got[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [0, 0x401, 0x401, 0x401, 0])
    equal((got["NoNewPrivs"], got["nofile"], got["oom"]), ("0", [321, 321], "300"))
    user = [w.u32(w.TAG_UID, 1234), w.u32(w.TAG_GID, 2345), w.u32(w.TAG_GROUPS, 7, 8)]
    got = init.python(read_status, *user, w.u64(w.TAG_CAPS, net_bind), w.field(w.TAG_NO_NEW_PRIVS))
    equal(got["ids"], [[1234] * 3, [2345] * 3, [7, 8]])
    equal([int(got[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [0, 0, 0, 0x400, 0])
    equal(got["NoNewPrivs"], "1")
    got = init.python(read_status, *user, w.u64(w.TAG_CAPS, net_bind | 1 << 63))
    equal([int(got[k], 16) for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")], [0x400] * 5)
    got = init.python(read_status, w.u32(w.TAG_UID, 1234), w.u32(w.TAG_OOM_SCORE, -1000), w.u64(w.TAG_NOFILE, 1 << 40))
    equal(got["ids"][2], [])
    one_of(int(got["oom"]), [0, -1000])  # lowering needs CAP_SYS_RESOURCE, and is no failure


@case("the io_uring guard answers ENOSYS, also to 32-bit calls, and only when asked for")
def _(launcher, init):
    code = "import ctypes\nlibc=ctypes.CDLL(None,use_errno=True)\nlibc.syscall(425,1,0)\nresult=ctypes.get_errno()"
    one_of(init.python(code), [errno.EFAULT, errno.EPERM])
    user = [w.u32(w.TAG_UID, 1234), w.u32(w.TAG_GID, 1234)]
    equal(init.python(code, *user, w.field(w.TAG_IO_URING_GUARD)), errno.ENOSYS)
    equal(init.python(code, *user, w.field(w.TAG_IO_URING_GUARD), w.field(w.TAG_NO_NEW_PRIVS), w.u64(w.TAG_CAPS, 0)), errno.ENOSYS)
    equal(init.python("result=os.getpid()", w.field(w.TAG_IO_URING_GUARD)) > 1, True)
    if platform.machine() != "x86_64":
        return
    # push rbx; mov eax, 425; mov ebx, 1; xor ecx, ecx; int 0x80; pop rbx; ret
    code = (
        "import ctypes,mmap\nm=mmap.mmap(-1,4096,prot=7)\n"
        "m.write(bytes.fromhex('53b8a9010000bb0100000031c9cd805bc3'))\n"
        "at=ctypes.addressof(ctypes.c_char.from_buffer(m))\nresult=ctypes.CFUNCTYPE(ctypes.c_int)(at)()"
    )
    try:
        one_of(init.python(code), [-errno.EFAULT, -errno.EPERM])
    except AssertionError:
        return  # a kernel without 32-bit calls kills the program
    equal(init.python(code, w.field(w.TAG_IO_URING_GUARD)), -errno.ENOSYS)


@case("the RPC socket names init as its peer, and held descriptors are open there")
def _(launcher, init):
    with open("/tmp/aether-test-held", "w+") as file:
        os.unlink(file.name)
        file.write("kept")
        file.flush()
        before = len(os.listdir(f"/proc/{init.host_pid}/fd"))
        read, write = os.pipe()
        code = (
            "import socket\ns=socket.socket(fileno=7)\n"
            "pid=int.from_bytes(s.getsockopt(socket.SOL_SOCKET,socket.SO_PEERCRED,12)[:4],'little')\n"
            "s.send(str(pid).encode())\nn=s.recv(16).decode()\nos.write(1,open('/proc/1/fd/'+n).read().encode())"
        )
        answer = init.spawn(
            [PYTHON, "-I", "-S", "-c", "import os\n" + code], w.u32(w.TAG_RPC_SOCKET, 7),
            fds=[(w.FD_CHILD, 1, write), (w.FD_HOLD, 0, file.fileno()), (w.FD_HOLD, 0, file.fileno())],
        )
    os.close(write)
    held = answer.ints(w.TAG_HELD)
    equal((len(held), len(answer.fds)), (2, 1))
    equal(peer_pid(answer.fds[0]), init.host_pid)
    with socket.socket(fileno=answer.fds[0]) as rpc, os.fdopen(read) as output:
        equal(rpc.recv(16), b"1")
        rpc.send(str(held[1]).encode())
        equal(output.read(), "kept")
    equal(len(os.listdir(f"/proc/{init.host_pid}/fd")), before + 2)
    init.request(w.WIRE_RELEASE, *(w.u32(w.TAG_HELD, n) for n in held))
    equal(len(os.listdir(f"/proc/{init.host_pid}/fd")), before)
    refused("release", errno.EBADF, lambda: init.request(w.WIRE_RELEASE, w.u32(w.TAG_HELD, 3)))
    refused("execve", errno.ENOENT, lambda: init.spawn(["/no/such"], w.u32(w.TAG_RPC_SOCKET, 7)))
    equal(len(os.listdir(f"/proc/{init.host_pid}/fd")), before)


@case("a program joins its cgroups before it runs")
def _(launcher, init):
    for cgroup in TestCgroup.every("join"):
        with cgroup, open(f"{cgroup.path}/cgroup.procs", "w") as procs:
            pid = init.spawn(["/bin/sleep", "60"], fds=[(w.FD_JOIN, 0, procs.fileno())]).int(w.TAG_PID)
            equal(len(cgroup.members()), 1)
            init.request(w.WIRE_KILL, w.u32(w.TAG_PID, pid), w.u32(w.TAG_SIGNAL, signal.SIGKILL))
            equal(init.event(w.WIRE_EXIT, pid).int(w.TAG_STATUS), signal.SIGKILL)
            equal(cgroup.members(), [])


@case("a program that cannot start within 5 s is given up, and its late end is not reported")
def _(launcher, init):
    cgroup = TestCgroup.freezer("late")
    if cgroup is None:
        return skip("no freezer of cgroup v1")
    with cgroup, open(f"{cgroup.path}/cgroup.procs", "w") as procs:
        cgroup.write("freezer.state", "FROZEN")
        begin = time.monotonic()
        refused("exec", errno.ETIMEDOUT, lambda: init.spawn(["/bin/true"], fds=[(w.FD_JOIN, 0, procs.fileno())]))
        equal(4.5 < time.monotonic() - begin < 6.5, True)
        cgroup.write("freezer.state", "THAWED")
        init.run(["/bin/true"])
        equal((cgroup.members(), init.events), ([], []))


@case("orphans are reaped and reported, one exit each, even to an engine that does not read")
def _(launcher, init):
    code = (
        "for i in range(600):\n pid=os.fork()\n if pid==0:\n  if os.fork()==0: os._exit(i%100)\n  os._exit(0)\n os.waitpid(pid,0)\n"
        "import time\ntime.sleep(0.2)"
    )
    pid = init.spawn([PYTHON, "-I", "-S", "-c", "import os\n" + code]).int(w.TAG_PID)
    time.sleep(1.2)
    init.event(w.WIRE_EXIT, pid, timeout=10)
    while len(init.events) < 600:
        init.events.append(init.receive())
    equal(sorted(os.waitstatus_to_exitcode(e.int(w.TAG_STATUS)) for e in init.events), sorted(i % 100 for i in range(600)))


@case("signals reach one process or all but init")
def _(launcher, init):
    pids = [init.spawn(["/bin/sleep", "60"]).int(w.TAG_PID) for _ in range(3)]
    init.request(w.WIRE_KILL, w.u32(w.TAG_PID, pids[0]), w.u32(w.TAG_SIGNAL, signal.SIGTERM))
    equal(init.event(w.WIRE_EXIT, pids[0]).int(w.TAG_STATUS), signal.SIGTERM)
    init.request(w.WIRE_KILL, w.u32(w.TAG_PID, -1), w.u32(w.TAG_SIGNAL, signal.SIGKILL))
    for pid in pids[1:]:
        equal(init.event(w.WIRE_EXIT, pid).int(w.TAG_STATUS), signal.SIGKILL)
    for pid, number in ((1, 9), (0, 9), (5, 65), (5, -1)):
        refused("kill", errno.EINVAL, lambda: init.request(w.WIRE_KILL, w.u32(w.TAG_PID, pid), w.u32(w.TAG_SIGNAL, number)))
    refused("kill", errno.ESRCH, lambda: init.request(w.WIRE_KILL, w.u32(w.TAG_PID, 30000), w.u32(w.TAG_SIGNAL, 0)))
