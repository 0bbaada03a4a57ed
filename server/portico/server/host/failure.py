"""How an application's life can fail, in one line for the person who started it."""


class LifespanError(Exception):
    """The application did not start, or did not shut down cleanly; the text says why."""


def find(
    group: BaseExceptionGroup[BaseException], *kinds: type[BaseException]
) -> BaseException | None:
    """The first exception of one of *kinds* in *group*, however deep."""
    found: BaseException | None = group.subgroup(kinds)
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found


class AcceptError(OSError):
    """The process or the machine has no descriptor, or no memory, for one more connection."""

    def __str__(self) -> str:
        return (
            f"a connection was turned away: {self.strerror}: raise the limit of open files "
            "(ulimit -n), or lower server.max_connections below it"
        )
