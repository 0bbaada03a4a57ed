"""The API's description: the document, and Swagger UI with assets from this machine alone."""

from html import escape
from importlib.metadata import version
from importlib.resources import files
from string import Template
from typing import Final

from anyio import to_thread
from quart import Blueprint, Response, abort, request

from portico.server.state import VERSION

docs: Final = Blueprint("docs", __name__)

OWN: Final = files("portico.server") / "assets"
# Swagger UI itself is a wheel on PyPI; Quart brings the Flask that this wheel asks for.
SWAGGER: Final = files("flask_swagger_ui") / "dist"
ASSETS: Final = {
    "docs.js": (OWN, "text/javascript; charset=utf-8"),
    "favicon-32x32.png": (SWAGGER, "image/png"),
    "swagger-ui-bundle.js": (SWAGGER, "text/javascript; charset=utf-8"),
    "swagger-ui.css": (SWAGGER, "text/css; charset=utf-8"),
}
EDITION: Final = f"{VERSION}-{version('flask-swagger-ui')}"
PAGE: Final = Template((OWN / "docs.html").read_text(encoding="utf-8"))
# Swagger UI draws its icons from data: URLs; everything else it loads stands here.
PAGE_POLICY: Final = (
    "default-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


@docs.get("/")
async def index() -> Response:
    """Lead a person to the documentation."""
    response = Response(b"", status=307, headers={"location": f"{request.root_path}/docs"})
    del response.headers["content-type"]
    return response


@docs.get("/openapi.json")
async def openapi() -> Response:
    """Give the OpenAPI document."""
    return Response(await to_thread.run_sync(_document), content_type="application/json")


def _document() -> bytes:
    # Here, in a thread of the first request that wants it: Quart-Schema takes long to import.
    from portico.server.openapi import document_json

    return document_json()


@docs.get("/docs")
async def page() -> Response:
    """Give the page that draws the document."""
    text = PAGE.substitute(root=escape(request.root_path))
    response = Response(text, content_type="text/html; charset=utf-8")
    response.headers["content-security-policy"] = PAGE_POLICY
    return response


@docs.get("/docs/assets/<name>")
async def asset(name: str) -> Response:
    """Give one of the page's own files; no other name leads to a file."""
    if name not in ASSETS:
        abort(404)
    folder, content_type = ASSETS[name]
    content = await to_thread.run_sync((folder / name).read_bytes)
    response = Response(content, content_type=content_type)
    response.headers["cache-control"] = "public, max-age=3600"
    response.set_etag(EDITION)
    return await response.make_conditional(request)
