"""Settings: one declared table, resolved from five layers with provenance and every problem.

``resolve(Sources(...))`` is pure: the edge reads the environment and the files that
``wanted_files`` names, and passes their texts in.
"""

from portico.core.settings.resolution import (
    Finding,
    Place,
    Resolution,
    Sources,
    TraceEntry,
)
from portico.core.settings.secret import Secret
from portico.core.settings.services import Service
from portico.core.settings.spec import Spec, setting
from portico.core.settings.table import GROUPS, TABLE, Settings, build

__all__ = [
    "GROUPS",
    "TABLE",
    "Finding",
    "Place",
    "Resolution",
    "Secret",
    "Service",
    "Settings",
    "Sources",
    "Spec",
    "TraceEntry",
    "build",
    "setting",
]
