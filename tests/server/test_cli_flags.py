import click
import pytest

from portico.core.settings import TABLE
from portico.server.commands.flags import (
    Words,
    boolean_flags,
    options_with_value,
    options_without_value,
    part,
    setting_options,
)
from portico.server.commands.serve import serve

WITH_VALUE = frozenset({"--format"})
WITHOUT_VALUE = frozenset({"--strict", "--help"})


@pytest.mark.parametrize(
    ("line", "own", "flags"),
    [
        ("", "", ""),
        ("app:app", "app:app", ""),
        ("--port 9000 app:app", "app:app", "--port 9000"),
        ("--port=9000 app:app", "app:app", "--port=9000"),
        ("--reload app:app", "app:app", "--reload"),
        ("--no-reload app:app", "app:app", "--no-reload"),
        ("--format json --port 1", "--format json", "--port 1"),
        ("--format=json app:app", "--format=json app:app", ""),
        ("--strict app:app --port 1", "--strict app:app", "--port 1"),
        ("--profile dev --config c.yaml x", "x", "--profile dev --config c.yaml"),
        ("--prot 9000 app:app", "app:app", "--prot 9000"),
        ("--prot --strict", "--strict", "--prot"),
        ("--port --format json", "--format json", "--port"),
        ("--port -1", "", "--port -1"),
        ("--port", "", "--port"),
        ("--format", "--format", ""),
        ("-h", "-h", ""),
        ("--port 1 -- --port 2", "-- --port 2", "--port 1"),
    ],
)
def test_words_are_parted_into_click_s_and_the_settings_own(
    line: str, own: str, flags: str
) -> None:
    expected = Words(tuple(own.split()), tuple(flags.split()))
    assert part(line.split(), WITH_VALUE, WITHOUT_VALUE) == expected


def test_the_options_of_a_command_are_told_apart() -> None:
    assert options_with_value(serve.params) == {"--format", "--static"}
    assert options_without_value(serve.params) == {"--asyncio", "--spa", "--strict", "--help"}


def test_booleans_are_flags_without_a_value() -> None:
    assert {"--reload", "--no-reload", "--secure", "--no-secure", "--localhttps"} <= boolean_flags()
    assert "--port" not in boolean_flags()


def test_every_setting_but_secrets_has_an_option() -> None:
    declared = {
        name for option in setting_options() for name in (*option.opts, *option.secondary_opts)
    }
    assert declared == {flag for spec in TABLE.values() for flag in spec.flags}


def test_options_complete_their_values() -> None:
    types = {option.opts[0]: option.type for option in setting_options()}
    assert isinstance(types["--engine"], click.Choice)
    assert isinstance(types["--tls-cert"], click.Path)
    assert types["--port"] is click.STRING


def test_no_flag_of_a_setting_hides_an_option_of_a_command() -> None:
    own = options_with_value(serve.params) | options_without_value(serve.params)
    assert own.isdisjoint(flag for spec in TABLE.values() for flag in spec.flags)
