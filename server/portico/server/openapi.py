"""The OpenAPI 3.1 document of the API under /v1, made from the blueprints alone."""

from collections.abc import Iterable, Iterator
from functools import cache
from inspect import getdoc
from typing import Any, Final, get_args

import msgspec
from quart import Quart
from quart_schema import (
    APIKeySecurityScheme,
    HttpSecurityScheme,
    Info,
    License,
    OpenAPIProvider,
    QuartSchema,
    document_request,
    document_response,
    security_scheme,
    tag,
)
from werkzeug.routing.rules import Rule

from portico.server.blueprints.api import BASE, mount
from portico.server.blueprints.operation import OPERATIONS
from portico.server.state import VERSION

REFERENCE: Final = "#/components/schemas/{name}"
LICENCE: Final = License(name="Apache-2.0", identifier="Apache-2.0")


class Problem(msgspec.Struct):
    """A problem (RFC 9457); `instance` is the request id."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


(PROBLEM_REFERENCE,), PROBLEM_SCHEMAS = msgspec.json.schema_components(
    [Problem], ref_template=REFERENCE
)
PROBLEM_ANSWER: Final = {
    "description": "What went wrong.",
    "content": {"application/problem+json": {"schema": PROBLEM_REFERENCE}},
}
INFO: Final = Info(
    title="Portico",
    version=VERSION,
    description="Agents and conversations behind one explained request policy.",
    license=LICENCE,
)


class Provider(OpenAPIProvider):
    """Quart-Schema's provider, for the API's own paths and in a fixed order."""

    def generate_rules(self) -> Iterable[Rule]:
        """Give the documented rules under /v1, by path."""
        rules = (rule for rule in super().generate_rules() if rule.rule.startswith(BASE))
        return sorted(rules, key=lambda rule: rule.rule)

    def schema(self) -> dict[str, Any]:
        """Give the document, in which every operation may answer with a problem."""
        document = super().schema()
        # Quart-Schema writes the URL that the licence does not have as null.
        document["info"]["license"] = LICENCE.schema(camelize=True)
        document["components"]["schemas"] |= PROBLEM_SCHEMAS
        for operations in document["paths"].values():
            for operation in operations.values():
                operation["responses"]["default"] = PROBLEM_ANSWER
        return document

    def build_request_body(self, model: Any, _source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Describe the content of a request by msgspec's own schema."""
        (schema,), components = msgspec.json.schema_components([model], ref_template=REFERENCE)
        content = {"application/json": {"schema": schema}}
        return {"content": content, "description": summarise(model)}, components

    def build_response_object(
        self, model: Any, _headers_model: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Describe an answer by msgspec's own schema, which knows every type it can encode."""
        (schema,), components = msgspec.json.schema_components([model], ref_template=REFERENCE)
        content = {"application/json": {"schema": schema}}
        return {"content": content, "description": summarise(model)}, components

    def generate_methods(self, rule: Rule) -> Iterator[str]:
        """Give the methods of *rule* in a fixed order."""
        yield from sorted(super().generate_methods(rule))


@cache
def document_json() -> bytes:
    """Return the document as JSON text; it is made once, from the routes alone."""
    return msgspec.json.format(msgspec.json.encode(document()), indent=2)


def document() -> dict[str, Any]:
    """Make the document without starting a server or resolving any setting."""
    app = Quart("portico.server", static_folder=None)
    app.config["QUART_SCHEMA_CONVERSION_PREFERENCE"] = "msgspec"
    app.config["QUART_SCHEMA_CONVERT_CASING"] = False
    mount(app)
    describe_operations()
    # Quart-Schema is not installed on the application that serves: it would wrap
    # make_response and so cost every request something, for a document that never changes.
    return Provider(app, describe()).schema()


def describe_operations() -> None:
    """Tell Quart-Schema what the handlers' own declarations say."""
    for handler, operation in OPERATIONS.items():
        tag(operation.tags)(handler)
        for status, model in operation.answers.items():
            document_response(model, status)(handler)
        if operation.body is not None:
            document_request(operation.body)(handler)
        if operation.security:
            security_scheme([{name: []} for name in operation.security])(handler)


def summarise(model: Any) -> str:
    """Give the first line on *model*, or on what a collection holds; a plain value needs none."""
    innermost = (model, *get_args(model))[-1]
    own = getattr(innermost, "__module__", "builtins") != "builtins"
    return (getdoc(innermost) or "").partition("\n")[0] if own else "Done."


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
