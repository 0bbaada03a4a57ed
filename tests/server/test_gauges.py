"""What is measured of this process and its machine."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from portico.server.gauges import read_descriptor_share, read_disk_share


@pytest.fixture
def descriptor_limit() -> Iterator[tuple[int, int]]:
    """Restore the soft limit that a test lowers."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_disk_is_measured_where_the_directory_is(tmp_path: Path) -> None:
    share = read_disk_share(str(tmp_path))
    assert share is not None
    assert 0.0 < share <= 1.0


def test_a_directory_that_is_not_there_has_no_disk(tmp_path: Path) -> None:
    assert read_disk_share(str(tmp_path / "none")) is None
    (tmp_path / "file").touch()
    assert read_disk_share(str(tmp_path / "file" / "below")) is None


def test_a_disk_that_cannot_be_asked_is_an_error() -> None:
    with pytest.raises(OSError, match="name too long"):
        read_disk_share("/" + "long" * 100)


def test_the_home_directory_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read_disk_share("~") is not None
    assert read_disk_share("~/.portico") is None


def test_open_descriptors_are_a_share_of_the_soft_limit(descriptor_limit: tuple[int, int]) -> None:
    # Whatever else this process holds open, there is room for a few more.
    limit = sum(1 for _ in Path("/proc/self/fd").iterdir()) + 256
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, descriptor_limit[1]))
    before = read_descriptor_share()
    pipes = [os.pipe() for _ in range(8)]
    after = read_descriptor_share()
    for descriptor in (end for pipe in pipes for end in pipe):
        os.close(descriptor)
    assert before is not None
    assert after is not None
    assert after - before == pytest.approx(16 / limit)


def test_where_the_kernel_gives_no_number_each_is_counted(
    descriptor_limit: tuple[int, int],
) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, descriptor_limit[1]))
    # Its size is told as 0, like that of the descriptors before Linux 6.2.
    listing = Path("/proc/self/task")
    assert listing.stat().st_size == 0
    assert read_descriptor_share(listing) == len(list(listing.iterdir())) / 256


def test_where_the_kernel_lists_none_there_is_nothing_to_measure(tmp_path: Path) -> None:
    assert read_descriptor_share(tmp_path / "none") is None


def test_without_a_limit_there_is_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert read_descriptor_share() is None
