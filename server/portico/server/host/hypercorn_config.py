"""Hypercorn's configuration as the host uses it: nothing from files, nothing to its log."""

import sys
from collections.abc import Callable
from typing import Any

from hypercorn.config import Config
from hypercorn.logging import Logger


def configuration(report: Callable[[BaseException], object], **values: Any) -> Config:
    """A configuration whose errors go to *report*; unknown names are refused.

    Raises:
        AttributeError: Hypercorn has no such setting; it would itself accept it silently.
    """

    class Reporter(Logger):
        """Hypercorn's log: its atoms hold the whole environment, so only exceptions leave."""

        async def access(self, *_: Any) -> None:
            """The access record is the policy's."""

        async def exception(self, *_: Any, **__: Any) -> None:
            error = sys.exception()
            if error is not None:
                report(error)

        async def log(self, *_: Any, **__: Any) -> None: ...

        info = debug = warning = error = critical = log

    config = Config()
    config.logger_class = Reporter
    config.errorlog = None
    for name, value in values.items():
        getattr(Config, name)
        setattr(config, name, value)
    return config
