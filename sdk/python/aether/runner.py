"""`python -m aether.runner module.function`: serves one function of the working folder (`handler:` in aether.yaml)."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Callable


def load(entry: str) -> Callable[..., Any]:
    """The function named by `package.module.function`; a path with slashes before the last dot works as well."""
    module_name, dot, name = entry.rpartition(".")
    if not dot or not module_name or not name:
        raise SystemExit(f'entry "{entry}" is none: write module.function, such as app.handle')
    sys.path.insert(0, os.getcwd())
    module = importlib.import_module(module_name.replace("/", "."))
    handler = getattr(module, name, None)
    if not callable(handler):
        raise SystemExit(f"{module_name} has no function {name}")
    return handler  # type: ignore[no-any-return]


def main() -> None:
    if len(sys.argv) != 2:
        raise SystemExit("usage: python -m aether.runner module.function")
    import aether
    from aether import _hooks

    # Before the function's own module registers hooks: they need no thread here.
    _hooks.serving()
    aether.serve(load(sys.argv[1]))


if __name__ == "__main__":
    main()
