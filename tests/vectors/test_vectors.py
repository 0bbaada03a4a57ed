"""Every vector file here passes whole, and the runner says the truth about files that do not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.vectors.run import checker_for, load, main, name_of

HERE = Path(__file__).parent
VECTORS = [
    pytest.param(vector, id=f"{path.stem}-{name_of(vector)}")
    for path in sorted(HERE.glob("*.json"))
    for vector in load(path)
]


@pytest.mark.parametrize("vector", VECTORS)
def test_vector(vector):
    assert checker_for([vector])(vector) == []


def write(directory, document):
    path = directory / "some.json"
    path.write_text(json.dumps(document))
    return str(path)


WRONG = {
    "id": "x1",
    "type": "merge",
    "decision_headers": {"vary": "Origin"},
    "app_headers": [],
    "expect": {"headers": []},
}
RIGHT = {**WRONG, "id": "x2", "expect": {"headers": [["vary", "Origin"]]}}


def test_counts_and_names_failures(tmp_path, capsys):
    assert main([write(tmp_path, {"vectors": [RIGHT, WRONG]})]) == 1
    out = capsys.readouterr().out
    assert "x1" in out
    assert "headers: expected []" in out
    assert out.endswith("1 passed, 1 failed\n")


def test_a_vector_of_unknown_type_fails(tmp_path, capsys):
    assert main([write(tmp_path, {"vectors": [RIGHT, {"id": "x3", "type": "guess"}]})]) == 1
    assert "unknown type of vector: 'guess'" in capsys.readouterr().out


def test_a_vector_without_its_parts_fails(tmp_path, capsys):
    assert main([write(tmp_path, {"vectors": [{"id": "x4", "type": "merge"}]})]) == 1
    assert "KeyError" in capsys.readouterr().out


@pytest.mark.parametrize(
    "document", [{"vectors": []}, {"vectors": [{"id": "x"}]}, {}, [], 3, {"vectors": ["x"]}]
)
def test_files_of_no_known_format_are_refused(tmp_path, document):
    assert main([write(tmp_path, document)]) == 2


def test_unreadable_files_are_refused(tmp_path, capsys):
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    assert main([str(broken)]) == 2
    assert main([str(tmp_path / "missing.json")]) == 2
    assert main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_runs_from_any_directory(tmp_path):
    command = [sys.executable, str(HERE / "run.py"), str(HERE / "cors.json")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "194 passed, 0 failed\n"
