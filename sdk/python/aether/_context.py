"""Who this process is: `aether.context`."""

from __future__ import annotations

import os

from ._channel import channel


class Context:
    """What Aether knows of this instance. Each value is read when it is asked for: a wake changes them."""

    @property
    def function_id(self) -> str:
        """Id of the function; empty outside Aether."""
        return os.environ.get("AETHER_FUNCTION_ID", "")

    @property
    def instance_id(self) -> str:
        """Id of the instance; another one after every wake."""
        here = channel()
        return "" if here is None else here.instance

    @property
    def generation(self) -> int:
        """A number that every start and every wake has for itself; 0 without a control page."""
        here = channel()
        return 0 if here is None else here.generation

    @property
    def restored(self) -> bool:
        """Whether this instance was woken from a snapshot."""
        here = channel()
        return here is not None and here.restored

    @property
    def entropy(self) -> bytes:
        """32 bytes that no other instance has."""
        here = channel()
        return os.urandom(32) if here is None else here.entropy

    def __repr__(self) -> str:
        return f"<aether.context {self.function_id} {self.instance_id} generation {self.generation}>"


context = Context()
