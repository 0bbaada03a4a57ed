"""``portico cors import-quart``."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import yaml

from portico.core.settings import Resolution, Sources, resolve
from portico.core.settings.report import finding_object, finding_texts
from portico.server.commands.groups import debug_option
from portico.server.commands.output import emit, emit_json, format_option
from portico.server.loading import LoadError, load_application
from portico.server.quart_cors import Configuration, Imported, read_application, translate
from portico.server.sources import with_policy_checked

EXIT_DIFFERENT: Final = 1
EXIT_SETTINGS: Final = 78


@click.command("import-quart", params=[debug_option()])
@click.argument("source", metavar="MODULE:APP|FILE")
@format_option
def import_quart(source: str, output_format: str) -> int:
    """Say a quart-cors configuration in Portico's settings, and what will differ.

    The source is a Quart application, or a .json or .py file with its QUART_CORS_* keys. The text
    is a configuration file: write it to conf.yaml.
    """
    imported = translate(_read(source))
    resolution = _resolve(imported)
    code = _code_of(imported, resolution)
    if output_format == "json":
        return emit_json(_document(imported, resolution, code), code=code)
    return emit("\n".join(_lines(source, imported, resolution)), code=code)


def _read(source: str) -> Configuration:
    path = Path(source)
    if path.suffix in (".json", ".py") and ":" not in source:
        return Configuration(_read_file(path), arguments={})
    try:
        app: Any = load_application(source)
    except LoadError as error:
        raise click.UsageError(str(error)) from error
    if not hasattr(app, "after_request_funcs") or not hasattr(app, "config"):
        raise click.UsageError(f"{source} is no Quart application but {type(app).__name__}")
    return read_application(app)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8")) if path.suffix == ".json" else _run(path)
    except (OSError, ValueError) as error:
        raise click.UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(found, dict):
        raise click.UsageError(f"{path} holds no mapping of QUART_CORS_* keys")
    return {name: value for name, value in found.items() if name.startswith("QUART_CORS_")}


def _run(path: Path) -> dict[str, Any]:
    try:
        return runpy.run_path(str(path))
    except OSError:
        raise
    except Exception as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _resolve(imported: Imported) -> Resolution:
    """Resolve what was made as the configuration file that it is to become."""
    sources = Sources(env={}, file=("conf.yaml", _yaml(imported)))
    return with_policy_checked(resolve(sources))


def _yaml(imported: Imported) -> str:
    return yaml.safe_dump({"cors": imported.settings}, sort_keys=False, default_flow_style=None)


def _code_of(imported: Imported, resolution: Resolution) -> int:
    if resolution.problems:
        return EXIT_SETTINGS
    return 0 if all(difference.carried for difference in imported.differences) else EXIT_DIFFERENT


def _lines(source: str, imported: Imported, resolution: Resolution) -> Iterator[str]:
    yield f"# The CORS settings of {source}, from quart-cors"
    yield _yaml(imported).rstrip("\n")
    yield "\n# What differs:"
    for difference in imported.differences:
        mark = "" if difference.carried else " NOT CARRIED OVER"
        yield f"#   [{difference.code}]{mark} {difference.where}: {difference.message}"
    for text in finding_texts(resolution):
        yield from (f"# {line}" for line in text.splitlines())


def _document(imported: Imported, resolution: Resolution, code: int) -> dict[str, object]:
    fields = ("code", "where", "message", "carried")
    return {
        "ok": code == 0,
        "settings": {f"cors.{name}": value for name, value in imported.settings.items()},
        "differences": [
            {name: getattr(difference, name) for name in fields}
            for difference in imported.differences
        ],
        "problems": [finding_object(finding) for finding in resolution.problems],
        "warnings": [finding_object(finding) for finding in resolution.warnings],
    }
