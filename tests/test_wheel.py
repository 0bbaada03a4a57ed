"""The wheel as users get it: built from this tree, installed where nothing else is.

Slow for what it finds on most days, so `just check` and `just test-all` run it, `just test` not.
"""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PORTIONS = ("core", "adapters", "server")
# What the core's tests need besides the wheel; the same as in the development group.
TEST_TOOLS = ("pytest", "hypothesis", "jsonschema")

pytestmark = pytest.mark.wheel


def run(*command: str | Path, cwd: Path = ROOT, code: int = 0) -> str:
    """Run a command without this environment's variables; its output, both streams together."""
    kept = {name: value for name, value in os.environ.items() if name not in HIDDEN}
    done = subprocess.run(
        command, cwd=cwd, env=kept, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == code, done.stdout
    return done.stdout


HIDDEN = frozenset(
    {"VIRTUAL_ENV", "PYTHONPATH", "UV_PROJECT_ENVIRONMENT", "COVERAGE_PROCESS_START"}
)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the source distribution."""
    dist = tmp_path_factory.mktemp("dist")
    run("uv", "build", "--quiet", "--out-dir", dist)
    return dist


@pytest.fixture(scope="session")
def wheel(built: Path) -> Path:
    (path,) = built.glob("portico-*.whl")
    return path


def environment(folder: Path, *requirements: str) -> Path:
    """A new environment that holds *requirements* and nothing else; its folder of programs."""
    run("uv", "venv", "--quiet", "--python", sys.executable, folder)
    python = folder / "bin" / "python"
    run("uv", "pip", "install", "--quiet", "--python", python, *requirements, cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="session")
def bare(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel and no extra."""
    return environment(tmp_path_factory.mktemp("bare"), str(wheel))


@pytest.fixture(scope="session")
def serving(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, its server extra and what the tests need."""
    folder = tmp_path_factory.mktemp("serving")
    return environment(folder, f"{wheel}[server]", *TEST_TOOLS)


def test_the_wheel_holds_the_three_portions_of_a_namespace(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "portico/__init__.py" not in names
    assert {f"portico/{portion}/py.typed" for portion in PORTIONS} <= set(names)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"portico"}
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)


def test_the_wheel_holds_every_file_of_the_portions(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = run("git", "ls-files", *(f"{portion}/portico" for portion in PORTIONS)).splitlines()
    assert {file.partition("/")[2] for file in files} == {
        name for name in names if ".dist-info/" not in name
    }


def test_the_source_distribution_builds_the_same_wheel(built: Path, tmp_path: Path) -> None:
    (archive,) = built.glob("portico-*.tar.gz")
    run("tar", "-xzf", archive, "-C", tmp_path)
    (folder,) = tmp_path.iterdir()
    run("uv", "build", "--quiet", "--wheel", "--out-dir", tmp_path / "dist", folder)
    (again,) = (tmp_path / "dist").glob("portico-*.whl")
    (first,) = built.glob("portico-*.whl")
    assert zipfile.ZipFile(again).namelist() == zipfile.ZipFile(first).namelist()


def test_the_core_imports_without_extras(bare: Path, tmp_path: Path) -> None:
    program = "import portico.core.settings, portico.core.cors, portico.core.policy"
    run(bare / "python", "-c", program, cwd=tmp_path)


def test_the_command_names_the_missing_extra(bare: Path, tmp_path: Path) -> None:
    output = run(bare / "portico", "--help", cwd=tmp_path, code=2)
    assert "portico[server]" in output
    assert "Traceback" not in output


def test_the_command_helps_with_the_server_extra(serving: Path, tmp_path: Path) -> None:
    output = run(serving / "portico", "--help", cwd=tmp_path)
    assert {"serve", "config", "cors", "plan"} <= set(output.split())


def test_the_core_passes_its_tests_from_the_wheel(serving: Path, tmp_path: Path) -> None:
    """Away from the tree, so that only the installed wheel can be what is tested."""
    for name in ("core", "vectors"):
        shutil.copytree(ROOT / "tests" / name, tmp_path / "tests" / name)
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path / "tests")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    output = run(serving / "python", "-m", "pytest", "-q", "tests/core", cwd=tmp_path)
    assert " passed" in output
    found = run(
        serving / "python", "-c", "import portico.core as c; print(c.__file__)", cwd=tmp_path
    )
    assert Path(found.strip()).is_relative_to(serving.parent)
