"""Test cases and their TAP lines."""
import time
import traceback

cases = []


class Skipped(Exception):
    pass


def case(name, fresh=True):
    """Registers a test. `fresh`: it gets a launcher and an init with /proc, and both must end clean."""

    def register(function):
        cases.append((name, fresh, function))
        return function

    return register


def skip(reason):
    raise Skipped(reason)


def equal(got, wanted):
    assert got == wanted, f"got {got!r}, wanted {wanted!r}"


def one_of(got, wanted):
    assert got in wanted, f"got {got!r}, wanted one of {wanted!r}"


def refused(step, error, call):
    from harness import Refused

    try:
        call()
    except Refused as refusal:
        equal((refusal.step, refusal.errno), (step, error))
        return refusal
    raise AssertionError(f"not refused; wanted {step} {error}")


def run_all(run_one):
    """Runs every case through `run_one(fresh, function)`; the number of failures."""
    failures = 0
    print(f"1..{len(cases)}", flush=True)
    for number, (name, fresh, function) in enumerate(cases, 1):
        begin = time.monotonic()
        try:
            run_one(fresh, function)
            verdict, note = "ok", f" # {(time.monotonic() - begin) * 1000:.0f} ms"
        except Skipped as skipped:
            verdict, note = "ok", f" # SKIP {skipped}"
        except Exception:
            failures += 1
            verdict, note = "not ok", "\n" + "".join("# " + line + "\n" for line in traceback.format_exc().splitlines())
        print(f"{verdict} {number} - {name}{note}", flush=True)
    return failures
