"""Import strings: what is found, and what each mistake is told."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from portico.server.loading import LoadError, load_application

SOURCE = """
import json

async def app(scope, receive, send): pass

class Callable3:
    async def __call__(self, scope, receive, send, *, extra=1, **more): pass

class Nested:
    inner = Callable3()

class Anything:
    async def __call__(self, *arguments): pass

class Unseen:
    __signature__ = "no signature"
    async def __call__(self, scope, receive, send): pass

def wsgi(environ, start_response): pass
def asgi2(scope): pass
def make(): return app
def fail(): raise RuntimeError("no\\nluck")
def make_number(): return 5

anything, number, unseen = Anything(), 5, Unseen()
"""


@pytest.fixture(autouse=True)
def application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A module in the current directory, which is found there."""
    (tmp_path / "loaded_app.py").write_text(SOURCE)
    (tmp_path / "loaded_broken.py").write_text("\n1 / 0\n")
    (tmp_path / "loaded_typo.py").write_text("app = (\n")
    (tmp_path / "loaded_needy.py").write_text("import surely_not_installed\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("loaded_")]:
        del sys.modules[name]


@pytest.mark.parametrize("attribute", ["app", "Nested.inner", "anything", "unseen", "make"])
def test_applications_are_found(attribute: str):
    assert callable(load_application(f"loaded_app:{attribute}"))


def test_a_factory_is_called():
    assert load_application("loaded_app:make").__name__ == "app"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("loaded_app", "'loaded_app' is no package.module:app; did you mean loaded_app:app?"),
        ("loaded_app:", "'loaded_app:' is no package.module:app; did you mean loaded_app:app?"),
        ("loaded_no:app", "no module 'loaded_no' in {cwd} or among packages"),
        ("loaded_no.inner:app", "no module 'loaded_no' in {cwd} or among packages"),
        (
            "loaded_needy:app",
            "loaded_needy needs the module 'surely_not_installed', which is not installed",
        ),
        (
            "loaded_broken:app",
            "loaded_broken cannot be imported: ZeroDivisionError: division by zero"
            " ({cwd}/loaded_broken.py:2)",
        ),
        (
            "loaded_typo:app",
            "loaded_typo cannot be imported: SyntaxError: '(' was never closed"
            " (loaded_typo.py, line 1)",
        ),
        ("loaded_app:ap", "loaded_app has no 'ap'; did you mean 'app'?"),
        ("loaded_app:zzzz", "loaded_app has no 'zzzz'"),
        ("loaded_app:number", "loaded_app:number is no application but int"),
        (
            "loaded_app:wsgi",
            "loaded_app:wsgi is a WSGI application; put an adapter such as a2wsgi around it",
        ),
        (
            "loaded_app:asgi2",
            "loaded_app:asgi2 takes one argument; an ASGI 3 application takes three",
        ),
        (
            "loaded_app:fail",
            "loaded_app:fail() failed: RuntimeError: no luck ({cwd}/loaded_app.py:22)",
        ),
        ("loaded_app:make_number", "loaded_app:make_number() is no application but int"),
    ],
)
def test_each_mistake_is_told_in_one_line(target: str, message: str):
    with pytest.raises(LoadError) as error:
        load_application(target)
    assert str(error.value) == message.format(cwd=Path.cwd())
