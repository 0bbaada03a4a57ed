import pytest

from portico.core.settings import Secret, Service
from portico.core.settings.wording import (
    coloured,
    columns,
    counted,
    place_of,
    plain,
    to_json,
    visible,
)


@pytest.mark.parametrize(
    ("origin", "name", "shown"),
    [
        ("default", "server.port", "built-in default"),
        ("profile:prod", "server.port", "profile prod"),
        ("file:conf.yaml:2", "server.port", "conf.yaml:2 server.port"),
        ("dotenv:.env:3", "LETTA_PORT", ".env:3 LETTA_PORT"),
        ("dotenv:.env:3", "", ".env:3"),
        ("env:LETTA_PORT", "LETTA_PORT", "environment LETTA_PORT"),
        ("env:X_FILE->/run/x", "X_FILE", "environment X_FILE -> /run/x"),
        ("flag:--port", "--port", "flag --port"),
    ],
)
def test_a_place_is_written_as_a_person_knows_it(origin: str, name: str, shown: str) -> None:
    assert place_of(origin, name) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text", "plain text"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("two\nlines\t", "two\\nlines\\t"),
        ("\udcff", "\\udcff"),
        ("\u202eright", "\\u202eright"),
        ("ünï", "ünï"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "..."),
    ],
)
def test_what_a_terminal_would_act_on_is_escaped(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_emphasis_is_a_choice() -> None:
    assert plain("error", "no") == "no"
    assert coloured("error", "no") == "\x1b[1;31mno\x1b[0m"


def test_typed_values_become_json() -> None:
    service = Service("a", "https://a.example", None)
    assert to_json(Secret("hunter2")) == "********"
    assert to_json((1, "x", None)) == [1, "x", None]
    assert to_json((service,)) == [
        {"name": "a", "base_url": "https://a.example", "api_key_file": None}
    ]
    assert to_json(5.0) == 5.0


def test_columns_align_but_for_a_cell_that_is_far_too_wide() -> None:
    assert columns([("a", "b", ""), ("long", "x" * 50, "c"), ("a", "y", "c")]) == [
        "a     b",
        f"long  {'x' * 50}  c",
        f"a     {'y'.ljust(40)}  c",
    ]


def test_numbers_agree_with_their_nouns() -> None:
    assert [counted(n, "problem") for n in (0, 1, 2)] == ["0 problems", "1 problem", "2 problems"]
