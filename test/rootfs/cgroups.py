"""Cgroups of the tests, v1 and v2, removed whatever happens."""
import os
import signal
import time

ROOT = "/sys/fs/cgroup"
UNIFIED = next((path for path in (f"{ROOT}/unified", ROOT) if os.path.exists(f"{path}/cgroup.controllers")), None)
FREEZER = f"{ROOT}/freezer" if os.path.exists(f"{ROOT}/freezer/cgroup.procs") else None


class TestCgroup:
    def __init__(self, hierarchy, name):
        self.path = f"{hierarchy}/aether-test-{os.getpid()}-{name}"
        os.makedirs(f"{self.path}/inner/most")

    @classmethod
    def unified(cls, name):
        return cls(UNIFIED, name) if UNIFIED else None

    @classmethod
    def freezer(cls, name):
        return cls(FREEZER, name) if FREEZER else None

    @classmethod
    def every(cls, name):
        return [cgroup for cgroup in (cls.unified(name), cls.freezer(name)) if cgroup is not None]

    def write(self, file, text):
        with open(f"{self.path}/{file}", "w") as out:
            out.write(text)

    def members(self):
        found = []
        for folder, _, _ in os.walk(self.path):
            with open(f"{folder}/cgroup.procs") as procs:
                found += [int(line) for line in procs]
        return found

    def exists(self):
        return os.path.exists(self.path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        deadline = time.monotonic() + 3
        while self.exists() and time.monotonic() < deadline:
            for file, text in (("freezer.state", "THAWED"), ("cgroup.freeze", "0")):
                if os.path.exists(f"{self.path}/{file}"):
                    self.write(file, text)
            try:
                for pid in self.members():
                    os.kill(pid, signal.SIGKILL)
                for folder in (f"{self.path}/inner/most", f"{self.path}/inner", self.path):
                    os.rmdir(folder)
            except OSError:
                time.sleep(0.02)
