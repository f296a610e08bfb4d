#!/usr/bin/env python3
"""Time from the SANDBOX request to the end of SETUP, and of one SPAWN; prints JSON. AETHER_ROOTFS_BUILD: the plain build."""
import json
import os
import platform
import statistics
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
os.environ.setdefault("AETHER_ROOTFS_BUILD", os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../build/rootfs"))
import wire as w  # noqa: E402
from harness import CLONE_NEWNET, SANDBOX_FLAGS, Launcher  # noqa: E402

ROUNDS = 50
NODES = [("null", 3), ("zero", 5), ("full", 7), ("random", 8), ("urandom", 9), ("kmsg", 11), ("mem", 1), ("port", 4)]


def typical_setup(scratch):
    """proc, a /dev of its own with eight nodes, three binds."""
    return [
        w.parts(w.TAG_MOUNT, "proc", "proc", "/proc", 14, ""),
        w.parts(w.TAG_MOUNT, "tmpfs", "tmpfs", "/dev", 10, "mode=0755,size=1m"),
        *(w.parts(w.TAG_MKNOD, f"/dev/{name}", "666", 1, minor) for name, minor in NODES),
        w.parts(w.TAG_MOUNT, "bind", f"{scratch}/a", "/dev/shm", 0, ""),
        w.parts(w.TAG_MOUNT, "bind", f"{scratch}/b", "/mnt", 1, ""),
        w.parts(w.TAG_MOUNT, "bind", f"{scratch}/c", "/dev/aether/handshake.sock", 0, ""),
    ]


def quantiles(times):
    times.sort()
    return {"p50_ms": round(statistics.median(times), 2), "p95_ms": round(times[int(len(times) * 0.95)], 2), "n": len(times)}


def measure(flags):
    setups, spawns = [], []
    launcher = Launcher()
    with tempfile.TemporaryDirectory() as scratch:
        os.mkdir(f"{scratch}/a")
        os.mkdir(f"{scratch}/b")
        open(f"{scratch}/c", "w").close()
        fields = typical_setup(scratch)
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            init = launcher.sandbox(flags=flags)
            init.setup(*fields)
            ready = time.perf_counter()
            init.spawn(["/bin/true"])
            spawns.append((time.perf_counter() - ready) * 1000)
            setups.append((ready - begin) * 1000)
            pid = init.host_pid
            init.close()
            launcher.event(w.WIRE_EXIT, pid)
    assert launcher.end() == (0, "")
    return {"sandbox_to_setup": quantiles(setups), "spawn_true": quantiles(spawns)}


if __name__ == "__main__":
    print(json.dumps({
        "machine": {"kernel": platform.release(), "cpus": os.cpu_count()},
        "shared_network": measure(SANDBOX_FLAGS),
        "private_network": measure(SANDBOX_FLAGS | CLONE_NEWNET),
    }, indent=2))
