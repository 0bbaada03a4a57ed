"""Settings: one declared table, resolved from five layers with provenance and every problem.

``resolve(Sources(...))`` is pure: the edge reads the environment and the files that
``wanted_files`` names, and passes their texts in.
"""

from portico.core.settings.cors_policy import check_policy, cors_config
from portico.core.settings.database import DatabaseTarget, database_target
from portico.core.settings.profiles import PROFILES
from portico.core.settings.resolution import (
    Finding,
    Place,
    Resolution,
    Sources,
    TraceEntry,
)
from portico.core.settings.resolver import named_config, resolve, wanted_files
from portico.core.settings.secret import Secret
from portico.core.settings.services import Service
from portico.core.settings.spec import Spec, setting
from portico.core.settings.table import GROUPS, TABLE, Settings, build

__all__ = [
    "GROUPS",
    "PROFILES",
    "TABLE",
    "DatabaseTarget",
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
    "check_policy",
    "cors_config",
    "database_target",
    "named_config",
    "resolve",
    "setting",
    "wanted_files",
]
