"""The core's rule, held by the source itself and by a fresh interpreter.

ruff's banned APIs and import-linter's contracts hold most of it too; what they cannot see is held
here: a call of ``open``, an ``async`` function, what an allowed module drags in.
"""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parent.parent
PORTIONS = ("core", "adapters", "server")

ALLOWED_IN_CORE = frozenset(
    {
        "base64",
        "bisect",
        "collections",
        "dataclasses",
        "difflib",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "idna",
        "ipaddress",
        "itertools",
        "json",
        "math",
        "operator",
        "re",
        "string",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "portico.core",
    }
)
# Parsers that `resolve` alone needs, imported inside its functions: `--help` must not pay for them.
ALLOWED_INSIDE_RESOLVE = frozenset({"environs", "yaml", "dotenv.parser"})
FORBIDDEN_CALLS = frozenset(
    {"open", "print", "input", "eval", "exec", "compile", "__import__", "breakpoint"}
)

# Nothing in a core that decides from its arguments needs one of these, directly or not.
IO_MODULES = frozenset(
    {
        *("anyio", "asyncio", "concurrent", "multiprocessing", "sniffio", "trio"),
        *("_socket", "_ssl", "http", "select", "selectors", "socket", "socketserver", "ssl"),
        *("email", "ftplib", "urllib.request", "urllib.response"),
        *("fcntl", "glob", "mmap", "pathlib", "shutil", "subprocess", "tempfile"),
        *("_posixsubprocess", "pty", "resource", "signal", "termios"),
        *("_random", "random", "secrets", "uuid"),
        *("_datetime", "datetime", "calendar", "locale", "logging", "sched", "threading"),
        *("ctypes", "dbm", "importlib.metadata", "importlib.resources", "pickle", "sqlite3"),
        *("dotenv", "environs", "marshmallow", "yaml"),
    }
)
THIRD_PARTY_OF_CORE = frozenset({"portico", "idna"})

Import = tuple[str, bool]  # the module's dotted name, and whether it stands at the module's level


def sources(portion: str) -> list[Path]:
    return sorted((ROOT / portion / "portico" / portion).rglob("*.py"))


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def every_source() -> list[Path]:
    return [path for portion in PORTIONS for path in sources(portion)]


def package_of(path: Path) -> list[str]:
    """The dotted parts of the package in which the module at *path* stands."""
    return list(path.relative_to(ROOT).parts[1:-1])


def imports(path: Path) -> Iterator[Import]:
    """Every module that the file at *path* names in an import statement, at whatever depth."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = set(map(id, module_level(tree)))
    for node in ast.walk(tree):
        for name in imported_names(node, package_of(path)):
            yield name, id(node) in top


def module_level(tree: ast.Module) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: no bodies of functions, nothing for mypy."""
    pending: list[ast.AST] = list(tree.body)
    while pending:
        match pending.pop():
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                continue
            case ast.If(test=ast.Name(id="TYPE_CHECKING"), orelse=otherwise):
                pending.extend(otherwise)
            case node:
                yield node
                pending.extend(ast.iter_child_nodes(node))


def imported_names(node: ast.AST, package: list[str]) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom(module=module, level=level):
            above = package[: len(package) - level + 1] if level else []
            base = ".".join([*above, *([module] if module else [])])
            return (
                [base]
                if base not in {"urllib", "portico", "dotenv"}
                else [f"{base}.{alias.name}" for alias in node.names]
            )
        case _:
            return []


def within(name: str, allowed: frozenset[str]) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:n]) in allowed for n in range(1, len(parts) + 1))


def settings_module(path: Path) -> bool:
    return "settings" in path.relative_to(ROOT / "core/portico/core").parts[:-1]


@pytest.mark.parametrize("path", sources("core"), ids=named)
def test_core_imports_only_what_is_allowed(path: Path) -> None:
    outside = [
        name
        for name, at_top in imports(path)
        if not within(name, ALLOWED_IN_CORE)
        and not (settings_module(path) and not at_top and within(name, ALLOWED_INSIDE_RESOLVE))
    ]
    assert outside == []


@pytest.mark.parametrize("path", sources("core"), ids=named)
def test_core_never_awaits(path: Path) -> None:
    waiting = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert [node.lineno for node in ast.walk(tree) if isinstance(node, waiting)] == []
    assert not any(isinstance(node, ast.comprehension) and node.is_async for node in ast.walk(tree))


@pytest.mark.parametrize("path", sources("core"), ids=named)
def test_core_calls_nothing_that_reads_writes_or_runs_text(path: Path) -> None:
    calls = [
        (node.func.id, node.lineno)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    ]
    assert [call for call in calls if call[0] in FORBIDDEN_CALLS] == []


@pytest.mark.parametrize("path", [*sources("core"), *sources("adapters")], ids=named)
def test_nothing_imports_the_server(path: Path) -> None:
    assert [name for name, _ in imports(path) if within(name, frozenset({"portico.server"}))] == []


@pytest.mark.parametrize("portion", PORTIONS)
def test_the_namespace_has_no_init(portion: str) -> None:
    """An ``__init__.py`` in one portion would hide the other two."""
    assert not (ROOT / portion / "portico" / "__init__.py").exists()
    assert (ROOT / portion / "portico" / portion / "py.typed").exists()


@pytest.mark.parametrize("portion", PORTIONS)
def test_every_package_below_the_namespace_has_an_init(portion: str) -> None:
    folders = {path.parent for path in sources(portion)}
    assert [named(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


def fresh_modules(statement: str) -> set[str]:
    """What a new interpreter holds after *statement*, less what it held before.

    ``-S`` leaves out site, whose ``.pth`` files import modules of their own; the path is given.
    """
    program = (
        "import sys; sys.path[:0] = sys.argv[1:]; before = set(sys.modules)\n"
        f"{statement}\n"
        "loaded = sorted(set(sys.modules) - before)\n"
        "import json; print(json.dumps(loaded))"
    )
    path = [str(ROOT / "core"), *(entry for entry in sys.path if entry.endswith("-packages"))]
    command = [sys.executable, "-I", "-S", "-c", program, *path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return set(json.loads(done.stdout))


def core_modules() -> list[str]:
    inits = (path.parent if path.name == "__init__.py" else path for path in sources("core"))
    return [".".join(p.relative_to(ROOT / "core").with_suffix("").parts) for p in inits]


def test_importing_all_of_core_loads_no_io_module() -> None:
    loaded = fresh_modules(f"import {', '.join(core_modules())}")
    assert "portico.core" in loaded
    assert sorted(name for name in loaded if within(name, IO_MODULES)) == []


def test_importing_all_of_core_loads_no_other_distribution() -> None:
    loaded = fresh_modules(f"import {', '.join(core_modules())}")
    strangers = {name.partition(".")[0] for name in loaded} - THIRD_PARTY_OF_CORE
    assert sorted(strangers - sys.stdlib_module_names) == []


def test_the_command_line_starts_without_third_party_code() -> None:
    """``portico.server.cli`` names the missing extra, so it must import without any."""
    program = f"import sys; sys.path.insert(0, {str(ROOT / 'server')!r}); import portico.server.cli"
    strangers = {name.partition(".")[0] for name in fresh_modules(program)} - {"portico"}
    assert sorted(strangers - sys.stdlib_module_names) == []


@pytest.mark.parametrize("path", every_source(), ids=named)
def test_modules_are_short(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


# The brackets keep these patterns from finding themselves.
UNFINISHED = re.compile(
    r"[T]ODO|[F]IXME|[X]XX|[N]otImplementedError|[t]ype: ignore|[p]ragma: no cover"
)
SILENCED_TESTS = re.compile(r"pytest[.](skip|mark[.](skip|xfail))|[a]ssert True")
CLOCKS = frozenset({"time", "trio", "anyio", "asyncio"})


@pytest.mark.parametrize("path", every_source(), ids=named)
def test_nothing_is_left_unfinished(path: Path) -> None:
    assert UNFINISHED.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("*.py")), ids=named)
def test_no_test_is_silenced(path: Path) -> None:
    assert SILENCED_TESTS.findall(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", sorted((ROOT / "tests").rglob("test_*.py")), ids=named)
def test_no_test_sleeps(path: Path) -> None:
    """A test waits for a condition; the applications that it serves may take their time."""
    calls = (node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if is_sleep(node))
    assert [call.lineno for call in calls] == []


def is_sleep(node: ast.AST) -> TypeGuard[ast.Call]:
    match node:
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr="sleep")):
            return module in CLOCKS
        case _:
            return False
