"""Random generators that clones of one snapshot would share: seeded anew before the first draw of a new generation."""

from __future__ import annotations

import os
import random
import sys
from types import BuiltinMethodType, MethodType, ModuleType
from typing import Any, Callable, Optional

from ._channel import channel

_page: Any = None
_seen = 0
_installed = False


def refresh() -> None:
    """Seeds everything anew if the generation is another one than when it was last seeded."""
    global _seen
    if _page is None or _page[1] == _seen:
        return
    # First the number: what follows draws, too.
    _seen = _page[1]
    reseed()


def reseed() -> None:
    """Seeds `random`, `ssl` and numpy's global generator from the engine's entropy and the kernel's."""
    here = channel()
    fresh = os.urandom(32) + (here.entropy if here is not None else b"")
    _instance.seed(int.from_bytes(fresh, "little"))
    ssl = sys.modules.get("ssl")
    if ssl is not None:
        ssl.RAND_add(fresh, 32.0)
    numpy = sys.modules.get("numpy.random")
    if numpy is not None:
        numpy.seed([int.from_bytes(os.urandom(4), "little") for _ in range(8)])


class _Checked(random.Random):
    """`random`'s hidden instance, with a look at the generation before each draw."""

    def random(self) -> float:
        if _page is not None and _page[1] != _seen:
            refresh()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        if _page is not None and _page[1] != _seen:
            refresh()
        return super().getrandbits(k)

    def gauss(self, mu: float = 0.0, sigma: float = 1.0) -> float:
        # It keeps the second of each pair of values.
        if _page is not None and _page[1] != _seen:
            refresh()
        return super().gauss(mu, sigma)


_instance = _Checked()


def _checked(call: Callable[..., Any]) -> Callable[..., Any]:
    def draw(*args: Any, **kwargs: Any) -> Any:
        if _page is not None and _page[1] != _seen:
            refresh()
        return call(*args, **kwargs)

    draw.__name__ = getattr(call, "__name__", "draw")
    draw.__doc__ = getattr(call, "__doc__", None)
    draw.__wrapped__ = call  # type: ignore[attr-defined]
    return draw


def _install_random() -> None:
    former = getattr(random, "_inst")
    if isinstance(former, _Checked):
        return
    _instance.setstate(former.getstate())
    setattr(random, "_inst", _instance)
    for name, value in list(vars(random).items()):
        if isinstance(value, (MethodType, BuiltinMethodType)) and getattr(value, "__self__", None) is former:
            setattr(random, name, getattr(_instance, name))


def _install_ssl(ssl: ModuleType) -> None:
    if hasattr(ssl.RAND_bytes, "__wrapped__"):
        return
    for name in ("RAND_bytes", "RAND_pseudo_bytes"):
        if hasattr(ssl, name):
            setattr(ssl, name, _checked(getattr(ssl, name)))
    for owner, names in ((ssl.SSLContext, ("wrap_socket", "wrap_bio")), (ssl.SSLSocket, ("do_handshake",))):
        for name in names:
            setattr(owner, name, _checked(getattr(owner, name)))


def _install_numpy(numpy_random: ModuleType) -> None:
    state = getattr(getattr(numpy_random, "mtrand", None), "_rand", None)
    if state is None:
        return
    for name, value in list(vars(numpy_random).items()):
        if getattr(value, "__self__", None) is state and name not in ("seed", "get_state", "set_state"):
            setattr(numpy_random, name, _checked(value))


class _LateModules:
    """Patches ssl and numpy.random when they are imported after us."""

    _names = {"ssl": _install_ssl, "numpy.random": _install_numpy}

    def find_spec(self, name: str, path: Optional[Any] = None, target: Optional[Any] = None) -> Optional[Any]:
        install = self._names.get(name)
        if install is None:
            return None
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        try:
            from importlib.util import find_spec

            spec = find_spec(name)
        finally:
            sys.meta_path.insert(0, self)  # type: ignore[arg-type]
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            install(module)

        try:
            spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        except AttributeError:
            pass  # A loader that cannot be changed: `refresh` still seeds the module after a wake.
        return spec


def install() -> None:
    """Makes every draw look at the generation. Nothing changes where Aether gave no control page."""
    global _installed, _page, _seen
    here = channel()
    if here is None or _installed:
        return
    _installed = True
    _page = here.longs
    _seen = here.generation
    _install_random()
    for name, patch in _LateModules._names.items():
        module = sys.modules.get(name)
        if module is not None:
            patch(module)
    sys.meta_path.insert(0, _LateModules())  # type: ignore[arg-type]
