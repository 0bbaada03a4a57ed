"""How an application learns that the server drains, so that its streams can send a last event.

The lifespan's state, which ASGI copies into the scope of every request, holds a :class:`Drain`::

    told = anyio.Event()
    with scope["state"]["portico.drain"].calling(told.set):
        ...

It is there where the server can tell; other servers leave it out.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

DRAIN: Final = "portico.drain"
"""Its name in the state."""


class Drain:
    """Tells once, on the event loop's thread, that the server ends its connections.

    From then on no new ones are accepted, and what is still open has the grace to end in.

    Attributes:
        begun: Whether it has been told.
    """

    __slots__ = ("_hooks", "begun")

    def __init__(self) -> None:
        self._hooks: dict[object, Callable[[], object]] = {}
        self.begun = False

    @contextmanager
    def calling(self, hook: Callable[[], object]) -> Iterator[None]:
        """Call *hook* when the drain begins while the block runs; at once if it has begun."""
        if self.begun:
            hook()
        key = object()
        self._hooks[key] = hook
        try:
            yield
        finally:
            del self._hooks[key]

    def begin(self) -> None:
        """Tell whoever wants to know; telling again does nothing."""
        if self.begun:
            return
        self.begun = True
        for hook in tuple(self._hooks.values()):
            hook()
