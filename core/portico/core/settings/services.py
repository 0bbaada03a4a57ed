"""Further OpenAI-compatible services: the one setting with parts of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

from portico.core.settings.addresses import parse_web_url
from portico.core.settings.kinds import Kind, Note, RefusalError, schema


@dataclass(frozen=True, slots=True)
class Service:
    """One service.

    Attributes:
        name: The first part of its models' handles.
        base_url: Its base URL, http or https.
        api_key_file: The file that holds its key, or None.
    """

    name: str
    base_url: str
    api_key_file: str | None = None


REQUIRED: Final = ("name", "base_url")
KEYS: Final = (*REQUIRED, "api_key_file")


def parse_service(keys: Mapping[str, str], notes: list[Note]) -> Service:
    """Read one service from the texts of its keys; the keys themselves are already known ones."""
    missing = [key for key in REQUIRED if not keys.get(key, "").strip()]
    if missing:
        raise RefusalError(f"must have {' and '.join(missing)} for every service")
    try:
        base_url = parse_web_url(keys["base_url"].strip(), notes)
    except RefusalError as error:
        raise RefusalError(f"base_url {error.message}") from error
    return Service(keys["name"].strip(), base_url, keys.get("api_key_file", "").strip() or None)


def parse_services(services: Sequence[Mapping[str, str]], notes: list[Note]) -> object:
    """Read the list of services; names must differ."""
    parsed = tuple(parse_service(keys, notes) for keys in services)
    if len({service.name for service in parsed}) < len(parsed):
        raise RefusalError("must have services of different names")
    return parsed


def _refuse_text(_text: str, _notes: list[Note]) -> NoReturn:
    raise RefusalError("must be a list of services, each with name and base_url")


def format_services(value: object) -> str:
    """Name the services."""
    if not isinstance(value, tuple) or not value:
        return "[]"
    return ", ".join(service.name for service in value if isinstance(service, Service))


SERVICES: Final[Kind[object]] = Kind(
    "list of services",
    _refuse_text,
    format_services,
    schema(
        type="array",
        items={
            "type": "object",
            "properties": {key: {"type": "string"} for key in KEYS},
            "required": list(REQUIRED),
            "additionalProperties": False,
        },
    ),
    parse_items=parse_services,
    composite=True,
)
