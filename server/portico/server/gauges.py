"""What can be measured of this process and its machine, each in one number. The edge alone."""

import os
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Final

from portico.core.readiness import used_share

Gauge = Callable[[], float | None]
"""Measures; None where there is nothing to measure. What cannot be measured is an OSError."""

DESCRIPTORS: Final = Path("/proc/self/fd")


def read_disk_share(directory: str) -> float | None:
    """Measure how full the file system of *directory* is, in blocks and in files.

    Args:
        directory: A path, ``~`` for the home directory allowed.

    Returns:
        The greater share, from 0 to 1; None while there is no such directory.

    Raises:
        OSError: The file system does not tell.
    """
    try:
        # Not pathlib's, which raises for a user without a home, as containers have them.
        figures = os.statvfs(os.path.expanduser(directory))  # noqa: PTH111
    except (FileNotFoundError, NotADirectoryError):
        return None
    blocks = used_share(figures.f_blocks, figures.f_bfree, figures.f_bavail)
    return max(blocks, used_share(figures.f_files, figures.f_ffree, figures.f_favail))


def read_descriptor_share(descriptors: Path = DESCRIPTORS) -> float | None:
    """Measure how many of the descriptors that this process may have are open.

    Args:
        descriptors: Where the kernel lists them.

    Returns:
        The share, from 0 to 1; None where nothing bounds them, or the kernel does not list them.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    try:
        # Since Linux 6.2 the size is the number; before, it is 0 and each has to be listed.
        opened = descriptors.stat().st_size or len(os.listdir(descriptors))  # noqa: PTH208
    except FileNotFoundError:
        return None
    return min(1.0, opened / max(1, soft))
