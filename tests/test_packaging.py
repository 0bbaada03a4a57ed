"""The files around the code agree with it: README, recipes, changelog, metadata."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
EMBEDDING = README.partition("## Embedding the core\n")[2]  # the session with an agent: tests/api
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def python_blocks(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def recipes() -> set[str]:
    justfile = (ROOT / "justfile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*)(?: \*[A-Z]+)?:(?!=)", justfile, flags=re.MULTILINE))


@pytest.mark.parametrize("block", python_blocks(EMBEDDING))
def test_the_examples_of_the_readme_run(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})  # the text is this repository's own


def test_the_readme_embeds_the_core_in_a_screenful() -> None:
    (block,) = python_blocks(EMBEDDING)
    assert len(block.splitlines()) <= 16


def test_every_recipe_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"(?<!-)\bjust ([a-z][a-z-]*)", README))
    assert named - recipes() == set()


def test_every_file_that_the_readme_links_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (command,) = re.findall(r"^test_command='(.+)'$", script, flags=re.MULTILINE)
    assert f"\n{command}\n" in README


def test_the_installed_version_is_the_projects() -> None:
    assert version("portico") == PROJECT["version"]


def test_the_changelog_has_the_version_or_what_comes_next() -> None:
    headings = re.findall(
        r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert headings[0] == "Unreleased" or PROJECT["version"] in headings


def test_no_python_version_file_stands_in_a_pyenvs_way() -> None:
    assert not (ROOT / ".python-version").exists()
