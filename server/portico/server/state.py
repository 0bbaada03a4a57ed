"""What one application holds for its handlers: settings, their origins, its health."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Final, cast

from quart import Quart, current_app

from portico.core.settings import Settings
from portico.server.db.database import Database
from portico.server.lifecycle import Lifecycle
from portico.server.models.catalogue import Catalogue
from portico.server.runs.engine import Runs

EXTENSION: Final = "portico"
VERSION: Final = version("portico")


@dataclass(frozen=True, slots=True)
class State:
    """One application's own state.

    Attributes:
        settings: The effective settings.
        provenance: Origin text by dotted path ("server.port" to "env:LETTA_PORT").
        lifecycle: The health of this process.
        database: The one door to what is stored.
        models: The language models.
        runs: The turns that go on in this process.
    """

    settings: Settings
    provenance: Mapping[str, str]
    lifecycle: Lifecycle
    database: Database = field(init=False)
    models: Catalogue = field(init=False)
    runs: Runs = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "database", Database(self.settings))
        object.__setattr__(self, "models", Catalogue(self.settings.models))
        object.__setattr__(self, "runs", Runs(self.settings, self.database, self.models))

    def attach(self, app: Quart) -> None:
        """Make this the state that *app*'s handlers find."""
        app.extensions[EXTENSION] = self


def state_of(app: Quart) -> State:
    """Return the state attached to *app*."""
    return cast("State", app.extensions[EXTENSION])


def current_state() -> State:
    """Return the state of the application that answers this request."""
    return state_of(current_app)
