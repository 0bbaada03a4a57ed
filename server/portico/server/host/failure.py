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
