"""Who dies with whom, and what is undone: ON_DEATH, kill -9 on each side, /run as tmpfs."""
import contextlib
import errno
import os
import random
import select
import signal
import socket
import subprocess
import tempfile
import time

import wire as w
from cgroups import TestCgroup
from harness import BUILD, SANDBOX_FLAGS, Launcher
from tap import case, equal, refused

def on_death(launcher, cgroups=(), unlink=(), sysctls=()):
    return launcher.request(
        w.WIRE_ON_DEATH, *(w.field(w.TAG_CGROUP, c) for c in cgroups), *(w.field(w.TAG_UNLINK, u) for u in unlink),
        *(w.parts(w.TAG_SYSCTL, path, value) for path, value in sysctls),
    )


def sleeper(init, *fds):
    """A program inside; its end shows as the end of the returned pipe."""
    read, write = os.pipe()
    init.spawn(["/bin/sleep", "300"], fds=[(w.FD_CHILD, 1, write), *fds])
    os.close(write)
    return read


def closes(fd, timeout=5):
    ended = bool(select.select([fd], [], [], timeout)[0]) and os.read(fd, 1) == b""
    os.close(fd)
    return ended


@case("kill -9 on init: the launcher reports it and all inside are gone")
def _(launcher, init):
    pipe = sleeper(init)
    os.kill(init.host_pid, signal.SIGKILL)
    equal(launcher.event(w.WIRE_EXIT, init.host_pid).int(w.TAG_STATUS), signal.SIGKILL)
    equal((closes(pipe), init.receive()), (True, None))


@case("init ends, and all inside with it, when its control socket closes", fresh=False)
def _(launcher, _init):
    init = launcher.sandbox()
    init.basic_setup()
    pipe = sleeper(init)
    pid = init.host_pid
    init.close()
    equal((launcher.event(w.WIRE_EXIT, pid).int(w.TAG_STATUS), closes(pipe)), (0, True))


@case("kill -9 on the launcher: every init is gone", fresh=False)
def _(_launcher, _init):
    launcher = Launcher()
    inits = [launcher.sandbox(f"victim-{n}") for n in range(4)]
    for init in inits:
        init.basic_setup()
    pipes = [sleeper(init) for init in inits]
    launcher.process.kill()
    launcher.process.wait()
    equal([init.is_gone() for init in inits] + [closes(pipe) for pipe in pipes], [True] * 8)
    for init in inits:
        init.close()
    launcher.close()


@case("kill -9 on the launcher at any moment of making a sandbox leaves no init", fresh=False)
def _(_launcher, _init):
    chance = random.Random(7)
    for _ in range(25):
        launcher = Launcher()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        launcher.send(
            w.message(w.WIRE_SANDBOX, 5, w.u64(w.TAG_CLONE_FLAGS, SANDBOX_FLAGS), w.field(w.TAG_NAME, "race"), w.u32(w.TAG_FD, w.FD_CONTROL, 0)),
            [theirs.fileno()],
        )
        theirs.close()
        time.sleep(chance.random() * 0.004)
        launcher.process.kill()
        launcher.process.wait()
        ours.settimeout(5)
        try:
            while ours.recv(65536):  # a greeting may come first; then the end, as every copy of the other end is gone
                pass
        except ConnectionResetError:
            pass
        ours.close()
        launcher.close()


@case("the engine goes: sandboxes end, cgroups, files and sysctls are put right", fresh=False)
def _(_launcher, _init):
    with contextlib.ExitStack() as cleanup:  # what is frozen here must not stay so when the test fails
        undo_everything(cleanup)


def undo_everything(cleanup):
    launcher = Launcher(prefix=["unshare", "--net"])  # so that the sysctl is not the machine's
    cleanup.callback(launcher.process.kill)
    network = os.open(f"/proc/{launcher.process.pid}/ns/net", os.O_RDONLY)

    def sysctl(*command):
        return subprocess.run(["nsenter", f"--net=/proc/self/fd/{network}", *command], pass_fds=[network], capture_output=True, text=True, check=True).stdout

    knob = "/proc/sys/net/ipv4/ipfrag_time"
    sysctl("sh", "-c", f"echo 77 > {knob}")
    cgroups = [cleanup.enter_context(cgroup) for cgroup in TestCgroup.every("undo")]
    init = launcher.sandbox()
    init.basic_setup()
    outsider = subprocess.Popen(["/bin/sleep", "300"])
    cleanup.callback(outsider.kill)
    scratch, target = (cleanup.enter_context(tempfile.TemporaryDirectory()) for _ in range(2))
    os.mkdir(f"{scratch}/full")
    for name in ("file", "full/kept"):
        open(f"{scratch}/{name}", "w").close()
    open(f"{target}/victim", "w").close()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{scratch}/sock")
    os.mkdir(f"{scratch}/empty")
    os.symlink(target, f"{scratch}/link")
    procs = [open(f"{c.path}/inner/most/cgroup.procs", "w") for c in cgroups]
    pipe = sleeper(init, *((w.FD_JOIN, 0, p.fileno()) for p in procs))
    for file in procs:
        file.close()
    for cgroup in cgroups:
        with open(f"{cgroup.path}/inner/cgroup.procs", "w") as file:
            file.write(str(outsider.pid))
        equal(len(cgroup.members()), 2)
        # Frozen: a v1-frozen process does not die until it is thawed.
        cgroup.write(*(("cgroup.freeze", "1") if os.path.exists(f"{cgroup.path}/cgroup.freeze") else ("freezer.state", "FROZEN")))
    on_death(launcher, unlink=["/no/such/list"])
    on_death(
        launcher, [c.path for c in cgroups] + ["/sys/fs/cgroup/aether-test-not-there"],
        [f"{scratch}/{n}" for n in ("file", "sock", "empty", "full", "link", "link/victim", "missing")], [(knob, "30")],
    )
    init_fd = os.dup(init.pidfd)
    status, said = launcher.end()
    equal(status, 0)
    equal([bool(select.select([init_fd], [], [], 0)[0]), closes(pipe), outsider.wait(1)], [True, True, -signal.SIGKILL])
    equal([c.exists() for c in cgroups], [False] * len(cgroups))
    equal(sysctl("cat", knob).strip(), "30")
    equal((sorted(os.listdir(scratch)), os.listdir(f"{scratch}/full"), os.listdir(target)), (["full", "link"], ["kept"], ["victim"]))
    equal(sorted(line.split()[2].split("/")[-1].rstrip(":") for line in said.splitlines()), ["full", "link", "victim"])
    os.close(init_fd)
    os.close(network)
    init.close()


@case("SIGTERM ends the launcher the same way; SIGINT and SIGHUP are the engine's business", fresh=False)
def _(_launcher, _init):
    launcher = Launcher()
    equal(os.getsid(launcher.process.pid), launcher.process.pid)
    init = launcher.sandbox()
    cgroup = TestCgroup.unified("term")
    if cgroup is not None:
        on_death(launcher, [cgroup.path])
    launcher.process.send_signal(signal.SIGINT)
    launcher.process.send_signal(signal.SIGHUP)
    on_death(launcher, [cgroup.path] if cgroup else [])
    launcher.process.terminate()
    equal((launcher.process.wait(5), init.is_gone(), launcher.said()), (0, True, ""))
    equal(cgroup is not None and cgroup.exists(), False)
    init.close()
    launcher.close()


@case("the undo list takes only what it may touch", fresh=False)
def _(launcher, _init):
    for tag, value in (
        (w.TAG_CGROUP, "/sys/fs/cgroup/"), (w.TAG_CGROUP, "/sys/fs/cgroup"), (w.TAG_CGROUP, "/sys/fs/cgroup/a/../../x"),
        (w.TAG_CGROUP, "/tmp/x"), (w.TAG_CGROUP, "a"), (w.TAG_CGROUP, "/sys/fs/cgroup/a\0b"), (w.TAG_UNLINK, "relative"),
        (w.TAG_UNLINK, "/"), (w.TAG_UNLINK, "/tmp/.."), (w.TAG_UNLINK, "/tmp/../etc/x"), (w.TAG_UNLINK, ""),
        (w.TAG_UNLINK, "/" + "x" * 5000), (w.TAG_SYSCTL, "/proc/sys/a"), (w.TAG_SYSCTL, "/proc/x\0001"), (w.TAG_SYSCTL, "/proc/sys/../x\0001"),
        (w.TAG_SYSCTL, "/proc/sys/a\0001\0002"), (w.TAG_NAME, "x"),
    ):
        refused("on_death", errno.EINVAL, lambda: launcher.request(w.WIRE_ON_DEATH, w.field(tag, value)))
    on_death(launcher, ["/sys/fs/cgroup/aether-test-not-there"], ["/tmp/aether-test..not-there/..x"])
    on_death(launcher)


@case("the root of a cgroup hierarchy, and what is none, is never emptied", fresh=False)
def _(_launcher, _init):
    here = os.path.dirname(os.path.abspath(__file__))
    with contextlib.ExitStack() as cleanup:
        scratch = cleanup.enter_context(tempfile.TemporaryDirectory())
        program = f"{scratch}/removable"
        subprocess.run(["gcc", "-o", program, f"{here}/removable.c", f"{here}/../../rootfs/reply.c"], check=True)
        cgroups = [cleanup.enter_context(cgroup) for cgroup in TestCgroup.every("root")]
        roots = [os.path.dirname(c.path) for c in cgroups]
        wanted = [0] * len(roots) + [0, 0] + [1] * len(cgroups)
        got = subprocess.run([program, *roots, "/", scratch, *(c.path for c in cgroups)], capture_output=True, text=True, check=True).stdout
        equal(got.split(), [str(n) for n in wanted])


@case("--run-tmpfs gives sandboxes a tmpfs on /run with all of the old one, and undoes the host's files", fresh=False)
def _(_launcher, _init):
    before = open("/proc/self/mountinfo").read()
    late = f"/run/aether-test-{os.getpid()}"
    launcher = Launcher("--run-tmpfs")
    init = launcher.sandbox()
    init.basic_setup()
    kind = init.run(["/usr/bin/stat", "-f", "-c", "%T", "/run"])[1].decode().strip()
    equal((kind, sorted(init.python("result=os.listdir('/run')"))), ("tmpfs", sorted(os.listdir("/run"))))
    code = "result={n:[oct(os.lstat('/run/'+n).st_mode),os.lstat('/run/'+n).st_ino if not os.path.islink('/run/'+n) else os.readlink('/run/'+n)] for n in os.listdir('/run')}"
    scope = {"os": os}
    exec(code, scope)
    equal(init.python(code), scope["result"])
    open(late, "w").close()
    on_death(launcher, unlink=[late])
    init.close()
    equal(launcher.end(), (0, ""))
    equal((os.path.exists(late), open("/proc/self/mountinfo").read()), (False, before))


@case("bad arguments are told", fresh=False)
def _(_launcher, _init):
    for arguments in ([], ["--init"], ["--nonsense"], ["--init", "/no/such"]):
        ran = subprocess.run([f"{BUILD}/aether-launcher", *arguments], capture_output=True, text=True, pass_fds=())
        equal((ran.returncode, ran.stderr.count("\n")), (1, 1))
    ran = subprocess.run([f"{BUILD}/aether-init"], capture_output=True, text=True)
    equal((ran.returncode, "not pid 1" in ran.stderr), (1, True))
