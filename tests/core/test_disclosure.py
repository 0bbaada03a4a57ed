"""No object of the core shows a secret: everything that a request and its settings bring along."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from portico.adapters.rate_memory import RateMemory
from portico.core.events import Ask, Proceed, RequestHead, Respond, ResponseHead
from portico.core.launch import LaunchPlan
from portico.core.policy import Policy
from portico.core.settings import Sources, build, database_target, resolve
from portico.core.settings.secret import Secret

CANARY = "canary-7c1e"
URI = f"postgresql://user:{CANARY}@db.test:5432/name"
GOOD = Sources(
    env={"LETTA_SERVER_PASSWORD": CANARY, "LETTA_SERVER_SECURE": "true", "OTHER": CANARY},
    dotenv=(".env", f"OPENAI_API_KEY={CANARY}\n"),
    file=("conf.yaml", f"database:\n  uri: {URI}\n"),
)
BAD = {
    "an environment of mistakes": Sources(
        env={
            "LETTA_PG_URI": f"mysql://user:{CANARY}@db.test/name",
            "LETTA_REDIS_URL": f"redis://:{CANARY}@:badport/0",
            "LETTA_SERVER_PASSWORD": f"{CANARY}\x00",
        }
    ),
    "a file that is no YAML": Sources(file=("conf.yaml", f"auth:\n  password: [{CANARY}\n")),
    "a file with a tab": Sources(file=("conf.yaml", f"auth:\n\tpassword: {CANARY}\n")),
    "a file of other types": Sources(
        file=("conf.yaml", f"auth:\n  password: [{CANARY}]\ndatabase:\n  uri: {{a: {CANARY}}}\n")
    ),
    "a file with a misspelt key": Sources(file=("conf.yaml", f"auth:\n  passwrd: {CANARY}\n")),
    "a file that says it twice": Sources(
        file=("conf.yaml", f"auth:\n  password: {CANARY}\n  password: {CANARY}2\n")
    ),
    "a broken .env": Sources(dotenv=(".env", f'LETTA_SERVER_PASSWORD="{CANARY}\n')),
    "a .env without a name": Sources(dotenv=(".env", f"{CANARY}\n={CANARY}\n")),
    "a URI beside its parts": Sources(
        env={"LETTA_PG_URI": URI, "LETTA_PG_HOST": "db", "LETTA_PG_PASSWORD": CANARY}
    ),
}
HEADS = {
    "right": RequestHead("POST", b"/a", b"key=" + CANARY.encode(), []),
    "administrative": RequestHead("GET", b"/v1/admin", b"", []),
    "malformed": RequestHead("G ET", b"/a", b"", []),
    "too long": RequestHead("GET", b"/" + b"a" * 20000, b"", []),
    "handshake": RequestHead("GET", b"/a", b"", [], kind="websocket"),
}
CREDENTIALS = {
    "right": b"Bearer " + CANARY.encode(),
    "wrong": b"Bearer not-" + CANARY.encode(),
    "malformed": b"Basic " + CANARY.encode(),
}


def reach(thing: Any, seen: dict[int, Any]) -> Iterator[Any]:
    """Give every object of the core that can be reached from *thing*, but not what hides text."""
    if id(thing) in seen or isinstance(thing, (str, bytes, type)):
        return
    seen[id(thing)] = thing
    if type(thing).__module__.startswith("portico.core"):
        yield thing
        if isinstance(thing, Secret):
            return
        names = (name for kind in type(thing).__mro__ for name in getattr(kind, "__slots__", ()))
        for name in names:
            yield from reach(getattr(thing, name, None), seen)
    if isinstance(thing, Mapping):
        thing = tuple(thing.values())
    if isinstance(thing, (Sequence, frozenset)):
        for item in thing:
            yield from reach(item, seen)


def assert_hidden(*things: Any) -> None:
    reached = [found for thing in things for found in reach(thing, {})]
    assert reached
    for found in reached:
        for shown in (repr(found), str(found), f"{found}"):
            assert CANARY not in shown, type(found)


def test_settings_from_every_source_show_none() -> None:
    resolution = resolve(GOOD)
    settings = resolution.settings
    assert settings is not None
    assert settings.auth.password == Secret(CANARY)
    target = database_target(settings)
    assert target is not None
    assert target.password == Secret(CANARY)
    assert_hidden(GOOD, resolution, settings, target, Policy.compile(settings))
    assert_hidden(LaunchPlan.from_settings(settings))


@pytest.mark.parametrize("sources", BAD.values(), ids=BAD)
def test_mistakes_show_none(sources: Sources) -> None:
    resolution = resolve(sources)
    assert resolution.problems or resolution.warnings
    assert_hidden(sources, resolution)


@pytest.mark.parametrize("credentials", CREDENTIALS.values(), ids=CREDENTIALS)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_an_exchange_shows_none(head: RequestHead, credentials: bytes) -> None:
    settings = {"auth.password": Secret(CANARY), "auth.required": True, "server.max_body": 4}
    policy = Policy.compile(build(settings))
    exchange = policy.exchange(peer="192.0.2.1", now=1.0, wall=2.0, entropy=bytes(24))
    lines = [
        (b"host", b"a.test"),
        (b"authorization", credentials),
        (b"cookie", b"session=" + CANARY.encode()),
        (b"x-bare-password", b"password " + CANARY.encode()),
    ]
    step = exchange.request(replace(head, headers=lines))
    answers: list[Any] = [step]
    while isinstance(step, Ask):
        assert_hidden(exchange)
        step = exchange.answer(RateMemory().answer(step))
        answers.append(step)
    assert isinstance(step, (Proceed, Respond))
    if isinstance(step, Proceed):
        answers.append(exchange.response(ResponseHead(200, [(b"set-cookie", CANARY.encode())])))
    record = exchange.finish(now=2.0)
    assert_hidden(policy, exchange, record, *answers)
    assert CANARY.encode() not in record.line()
    assert CANARY not in str(record.fields())
    assert CANARY not in str(exchange.log_context)
