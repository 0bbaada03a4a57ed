r"""A Django application over ASGI behind Portico's policy.

pip install "portico[django,uvicorn]"
LETTA_SERVER_SECURE=true LETTA_SERVER_PASSWORD=secret \
        LETTA_CORS_ORIGINS=https://app.example.com python django_asgi.py

curl -i localhost:8283/livez
curl -i localhost:8283/items/7 -H 'Authorization: Bearer secret' \
        -H 'Origin: https://app.example.com'
"""

import os
import sys

import uvicorn
from django.conf import settings as django_settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from portico.adapters.codings import OFFERED
from portico.adapters.django import protect_asgi
from portico.core.access import AccessRecord
from portico.core.policy import Policy
from portico.core.routes import Route
from portico.core.settings import Sources, resolve
from portico.core.settings.report import check_text

resolution = resolve(Sources(env=dict(os.environ)))
if resolution.settings is None:
    sys.exit(check_text(resolution))
settings = resolution.settings
policy = Policy.compile(settings, routes=[Route("/livez", probe=True)], codings=OFFERED)


def write(record: AccessRecord) -> None:
    """Write one line of JSON for each request."""
    print(record.line().decode(), end="", flush=True)


def livez(request: HttpRequest) -> HttpResponse:
    """Say that this process answers; it needs no password."""
    return HttpResponse("ok")


def item(request: HttpRequest, item_id: int) -> JsonResponse:
    """Give one item."""
    return JsonResponse({"id": item_id})


urlpatterns = [path("livez", livez), path("items/<int:item_id>", item)]
django_settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],  # hosts are the policy's: LETTA_ALLOWED_HOSTS
    MIDDLEWARE=["portico.adapters.django.report_route"],
)
app = protect_asgi(get_asgi_application(), policy, on_record=write)


if __name__ == "__main__":
    uvicorn.run(app, host=settings.server.host, port=settings.server.port, log_level="warning")
