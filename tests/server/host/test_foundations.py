"""The self-test of what the host builds on."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

import portico.server.host
from portico.server.host.foundations import NAMES, FoundationError, check, lacking

PACKAGES = ("h11", "h2", "hyperframe", "hypercorn", "wsproto")


def test_all_that_the_host_builds_on_is_there() -> None:
    check()


def test_every_import_of_the_host_is_in_the_table() -> None:
    imported = set()
    for path in Path(portico.server.host.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                imported.add(node.module)
            elif isinstance(node, ast.Import):
                imported.update(alias.name for alias in node.names)
    theirs = {name for name in imported if name.partition(".")[0] in PACKAGES}
    assert theirs - {"h2.events"} <= NAMES.keys()


def test_what_is_missing_is_named_with_the_version_that_lacks_it() -> None:
    names = {"h11": ("Connection.receive_data", "Connection.gone"), "h11.gone": ("x",), "gone": ()}
    assert lacking(names) == ["h11.Connection.gone", "h11.gone", "gone"]
    with pytest.raises(FoundationError) as caught:
        check(names)
    text = str(caught.value)
    assert "h11.Connection.gone, h11.gone, gone" in text
    assert f"h11 {import_module('h11').__version__}" in text
    assert "gone is not installed" in text
    assert "install the versions that portico[server] asks for" in text
