"""The engine table: one truth for launchers, warnings and `config explain`."""

import pytest

from portico.core.engines import ENGINE_TABLE, ENGINES, EngineName, Gap, find_gap, maps_to


def test_maps_to_names_every_engines_parameter():
    assert maps_to("server.port") == "hypercorn bind | uvicorn port | granian port"


def test_maps_to_leaves_out_an_engine_without_the_parameter():
    assert maps_to("server.keep_alive") == (
        "hypercorn keep_alive_timeout | uvicorn timeout_keep_alive"
    )


def test_maps_to_is_none_for_what_portico_does_itself():
    assert maps_to("cors.origins") is None


@pytest.mark.parametrize(
    ("path", "engine", "value", "code"),
    [
        ("server.keep_alive", "granian", 5.0, "engine-cannot"),
        ("server.keep_alive", "granian", 0.0, None),
        ("server.keep_alive", "uvicorn", 5.0, None),
        ("server.uvloop", "hypercorn", True, "no-effect"),
        ("server.uvloop", "hypercorn", False, None),
        ("server.http2", "uvicorn", True, "engine-cannot"),
        ("server.http2", "uvicorn", False, None),
        ("server.max_memory", "uvicorn", None, None),
        ("server.max_body", "granian", 1, None),
    ],
)
def test_find_gap(path: str, engine: EngineName, value: object, code: str | None):
    gap = find_gap(path, engine, value)
    assert (gap and gap.code) == code


def test_every_gap_says_which_engine_in_a_sentence():
    gaps = [
        (engine, row.cell(engine))
        for row in ENGINE_TABLE.values()
        for engine in ENGINES
        if isinstance(row.cell(engine), Gap)
    ]
    assert gaps
    assert all(isinstance(gap, Gap) and engine in gap.why for engine, gap in gaps)
