"""The README's session with an agent, run as it stands there."""

import re
import subprocess
import sys

import pytest

from tests.api.conftest import Service
from tests.servers import ROOT

pytestmark = pytest.mark.socket


def test_the_session_of_the_readme_works(service: Service) -> None:
    section = (ROOT / "README.md").read_text("utf-8").partition("## Talk to an agent\n")[2]
    program = re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0]
    assert "http://localhost:8283" in program
    ended = subprocess.run(
        [sys.executable, "-c", program.replace("http://localhost:8283", service.server.url)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout == "Hello, Ada\n1 2 3 4 5"
