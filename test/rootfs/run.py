#!/usr/bin/env python3
"""
Tests launcher and init (rootfs/) against the kernel, as the engine would talk to them; TAP on standard output.
Needs root. AETHER_ROOTFS_BUILD: folder of the programs, default build/rootfs-asan (make -C rootfs asan).
"""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True
os.environ.setdefault("AETHER_ROOTFS_BUILD", os.path.normpath(f"{HERE}/../../build/rootfs-asan"))

import harness  # noqa: E402
from tap import case, equal, run_all  # noqa: E402
import cases_programs  # noqa: E402, F401
import cases_sandbox  # noqa: E402, F401
import cases_death  # noqa: E402, F401


@case("thousands of broken messages: no crash, no sanitizer report", fresh=False)
def _(_launcher, _init):
    # In namespaces of its own: nothing that a mutated message asks for may reach the machine.
    ran = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net", "--uts", "--ipc", "--mount-proc",
         sys.executable, "-B", f"{HERE}/fuzz.py"],
        capture_output=True, text=True, timeout=30,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for line in ran.stdout.splitlines():
        print(f"# {line}")


def run_one(fresh, function):
    open_before = harness.file_descriptor_count()
    launcher = harness.Launcher()
    init = launcher.sandbox() if fresh else None
    try:
        if init is not None:
            init.basic_setup()
        function(launcher, init)
        assert "Sanitizer" not in launcher.said(), launcher.said()
    finally:
        if init is not None:
            init.close()
        try:
            status, said = launcher.end()
        finally:
            launcher.process.kill()  # nothing, once it has ended
    equal(status, 0)
    assert "Sanitizer" not in said and "runtime error" not in said, said
    equal(harness.file_descriptor_count(), open_before)


def leftovers():
    """Processes of ours that outlived the run: everything here was to end with its launcher."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe").startswith(os.environ["AETHER_ROOTFS_BUILD"]):
                found.append(pid)
        except OSError:
            continue  # gone, or a kernel thread
    return found


if __name__ == "__main__":
    if os.geteuid() != 0:
        print("1..0 # SKIP needs root")
        sys.exit(0)
    failures = run_all(run_one)
    left = leftovers()
    if left:
        print(f"not ok - processes are left: {left}")
    sys.exit(1 if failures or left else 0)
