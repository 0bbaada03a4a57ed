"""Requests per CPU second over loopback: the full server on each engine against its peers."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from bench import load
from bench.exchanges import ALLOWED, from_origin, wire
from bench.measure import Costs, Figure, Target, interleave, speed, whole
from bench.servers import Server, module_command, serving

PEER = "FastAPI stack on Uvicorn"
PORTICO = str(Path(sys.executable).with_name("portico"))

ENGINES = {
    "Portico on Uvicorn": (["--engine", "uvicorn", "--uvloop"], Target(1.8, floor=True)),
    "Portico on Granian": (["--engine", "granian", "--uvloop"], Target(1.6, floor=True)),
    "Portico on Hypercorn and Trio": (["--engine", "hypercorn"], None),
}
INFORMATION = {
    "Quart with quart-cors on Uvicorn": module_command("bench.peers.quart_stacks", "quart-cors"),
    "bare QuartTrio on stock Hypercorn": module_command(
        "bench.peers.quart_stacks", "stock-hypercorn"
    ),
}


def commands() -> dict[str, list[str]]:
    """How to start each server, by the name of its row."""
    engines = {
        name: [PORTICO, "serve", "--port", "0", *flags] for name, (flags, _) in ENGINES.items()
    }
    return {
        PEER: module_command("bench.peers.fastapi_stack", "uvloop"),
        **engines,
        **INFORMATION,
    }


def measure(rounds: int, requests: int) -> list[Figure]:
    """The figures over sockets.

    Args:
        rounds: Rounds over all servers, which run side by side; one is loaded at a time.
        requests: Requests that each server answers in one round.
    """
    with ExitStack() as stack:
        cases = {
            name: loaded(stack.enter_context(serving(command)), requests)
            for name, command in commands().items()
        }
        return figures(interleave(cases, rounds))


HEALTH = wire(from_origin(ALLOWED))


def loaded(server: Server, requests: int, request: bytes = HEALTH) -> Callable[[], float]:
    """The case that sends *requests* and returns the server's CPU seconds for one of them."""

    def case() -> float:
        with load.connections(server.address, tls=server.tls) as opened:
            load.run(opened, request, len(opened) * 4)
            before = server.cpu_s()
            load.run(opened, request, requests)
            return (server.cpu_s() - before) / requests

    return case


def figures(rounds: list[Costs]) -> list[Figure]:
    """Requests per CPU second of every server over the peer's."""
    targets = {name: target for name, (_, target) in ENGINES.items()}
    return [
        speed(
            f"{name} / {PEER}, requests per CPU second",
            rounds,
            of=whole(name),
            to=whole(PEER),
            target=targets.get(name),
        )
        for name in [*ENGINES, *INFORMATION]
    ]
