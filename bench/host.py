"""Requests per CPU second of the Trio host, against stock Hypercorn and FastAPI's stack."""

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.exchanges import ALLOWED, from_origin, wire
from bench.measure import Figure, Target, interleave, speed, whole
from bench.over_sockets import loaded
from bench.servers import module_command, serving
from portico.server.local_certificate import LocalCertificate, local_certificate

PORTICO = [str(Path(sys.executable).with_name("portico")), "serve", "--port", "0"]
PEERS = "bench.peers.handlers"

BODY = b"[" + b",".join([b'"%015d"' % number for number in range(910)]) + b"]"

SERVERS = {
    "raw application on the host": module_command(PEERS, "raw-on-host"),
    "raw application on stock Hypercorn": module_command(PEERS, "raw-on-stock"),
    "full server on the host": PORTICO,
    "full server on stock Hypercorn": module_command(PEERS, "portico-on-stock"),
    "routes on the host": [*PORTICO, f"{PEERS}:app"],
    "routes on the FastAPI stack": module_command(PEERS, "fastapi"),
}


def tls_servers(files: LocalCertificate) -> dict[str, list[str]]:
    """The servers that speak TLS, with one certificate."""
    paths = [str(files.certificate), str(files.key)]
    return {
        "full server on the host over TLS": [
            *(*PORTICO, "--tls-cert", paths[0], "--tls-key", paths[1])
        ],
        "FastAPI stack over TLS": [*module_command(PEERS, "fastapi"), *paths],
    }


def get(path: bytes) -> bytes:
    """A browser's GET of *path*."""
    return wire(from_origin(ALLOWED)).replace(b"/v1/health/", path, 1)


def post(path: bytes, body: bytes) -> bytes:
    """The same as a POST of JSON."""
    head = get(path).replace(b"GET ", b"POST ", 1)[:-2]
    length = b"content-length: %d\r\n" % len(body)
    return head + b"content-type: application/json\r\n" + length + b"\r\n" + body


# The case, the server it loads, what it sends, and the share of the requests that it is worth.
CASES: dict[str, tuple[str, bytes, float]] = {
    **{name: (name, get(b"/v1/health/"), 1.0) for name in list(SERVERS)[:4]},
    **{
        name: (name, get(b"/v1/health/"), 1.0)
        for name in ("full server on the host over TLS", "FastAPI stack over TLS")
    },
    "health on the FastAPI stack": ("routes on the FastAPI stack", get(b"/v1/health/"), 1.0),
    "16 KiB of JSON on the host": ("routes on the host", post(b"/items", BODY), 0.5),
    "16 KiB of JSON on FastAPI": ("routes on the FastAPI stack", post(b"/items", BODY), 0.5),
    "100 events on the host": ("routes on the host", get(b"/events"), 0.2),
    "100 events on FastAPI": ("routes on the FastAPI stack", get(b"/events"), 0.2),
}

FIGURES: dict[str, tuple[str, str, Target | None]] = {
    "raw application, host / stock Hypercorn on Trio": (
        "raw application on the host",
        "raw application on stock Hypercorn",
        Target(4.0, floor=True),
    ),
    "full server, host / stock Hypercorn on Trio": (
        "full server on the host",
        "full server on stock Hypercorn",
        Target(2.5, floor=True),
    ),
    "full server on the host / FastAPI stack on Uvicorn": (
        "full server on the host",
        "health on the FastAPI stack",
        Target(1.7, floor=True),
    ),
    "HTTP/1.1 over TLS, full server on the host / FastAPI stack on Uvicorn": (
        "full server on the host over TLS",
        "FastAPI stack over TLS",
        None,
    ),
    "HTTP/1.1 over TLS / in the clear, full server on the host": (
        "full server on the host over TLS",
        "full server on the host",
        None,
    ),
    "POST of 16 KiB JSON, host / FastAPI stack on Uvicorn": (
        "16 KiB of JSON on the host",
        "16 KiB of JSON on FastAPI",
        Target(1.7, floor=True),
    ),
    "stream of 100 events, host / FastAPI stack on Uvicorn": (
        "100 events on the host",
        "100 events on FastAPI",
        Target(2.5, floor=True),
    ),
}


def measure(rounds: int, requests: int) -> list[Figure]:
    """The figures; all servers run side by side, one is loaded at a time."""
    with ExitStack() as stack:
        files = local_certificate(Path(stack.enter_context(TemporaryDirectory())))
        commands = SERVERS | tls_servers(files)
        running = {name: stack.enter_context(serving(cmd)) for name, cmd in commands.items()}
        cases = {
            name: loaded(running[server], int(requests * share), sent)
            for name, (server, sent, share) in CASES.items()
        }
        costs = interleave(cases, rounds)
    return [
        speed(f"{name}, requests per CPU second", costs, of=whole(mine), to=whole(theirs), target=t)
        for name, (mine, theirs, t) in FIGURES.items()
    ]
