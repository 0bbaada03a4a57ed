"""The OpenAPI 3.1 document of the API under /v1, made from the blueprints alone."""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, Final

import msgspec
from quart import Quart
from quart_schema import (
    APIKeySecurityScheme,
    HttpSecurityScheme,
    Info,
    License,
    OpenAPIProvider,
    QuartSchema,
)
from werkzeug.routing.rules import Rule

from portico.server.blueprints.api import BASE, mount
from portico.server.state import VERSION

INFO: Final = Info(
    title="Portico",
    version=VERSION,
    description="Agents and conversations behind one explained request policy.",
    license=License(name="Apache-2.0", identifier="Apache-2.0"),
)


class Provider(OpenAPIProvider):
    """Quart-Schema's provider, for the API's own paths and in a fixed order."""

    def generate_rules(self) -> Iterable[Rule]:
        """Give the documented rules under /v1, by path."""
        rules = (rule for rule in super().generate_rules() if rule.rule.startswith(BASE))
        return sorted(rules, key=lambda rule: rule.rule)

    def generate_methods(self, rule: Rule) -> Iterator[str]:
        """Give the methods of *rule* in a fixed order."""
        yield from sorted(super().generate_methods(rule))


@cache
def document_json() -> bytes:
    """Return the document as JSON text; it is made once, from the routes alone."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2)


def document() -> dict[str, Any]:
    """Make the document without starting a server or resolving any setting."""
    app = Quart("portico", static_folder=None)
    app.config["QUART_SCHEMA_CONVERSION_PREFERENCE"] = "msgspec"
    app.config["QUART_SCHEMA_CONVERT_CASING"] = False
    mount(app)
    # Quart-Schema is not installed on the application that serves: it would wrap
    # make_response and so cost every request something, for a document that never changes.
    return Provider(app, describe()).schema()


def describe() -> QuartSchema:
    """State what the document says beyond its paths."""
    return QuartSchema(
        None,
        info=INFO,
        security_schemes={
            "bearer": HttpSecurityScheme(scheme="bearer"),
            "password": APIKeySecurityScheme(name="X-BARE-PASSWORD", in_="header"),
        },
        conversion_preference="msgspec",
    )
