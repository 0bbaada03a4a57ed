"""Regular files below a directory, and nothing else: opened by name, from folder to folder.

Each name is looked up in the folder that was opened before it, and no symbolic link is followed,
so that nobody who may write there can lead out of the directory, whenever they change it.

Source: open(2), openat(2); a device is not even opened, which for some has an effect.
"""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from stat import S_ISDIR, S_ISREG
from typing import Final

__all__ = ["DirectoryLostError", "OpenFile", "ShrunkError", "describe", "open_file", "open_folder"]

_ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_FOLDER: Final = _ROOT | os.O_NOFOLLOW
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_ABSENT: Final = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL),
        *(errno.EACCES, errno.EPERM, errno.EISDIR, errno.ENXIO, errno.ENODEV),
    }
)
"""What a name leads to is not there, or not for this process; anything else is an error."""


class DirectoryLostError(RuntimeError):
    """The directory itself cannot be opened any more."""


class ShrunkError(RuntimeError):
    """A file has become shorter than its answer's head said."""


class OpenFile:
    """A file that is open for reading, and is closed when nobody has it any more.

    A thread that opens one may come too late for a request that was cancelled meanwhile.
    """

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def stat(self) -> os.stat_result:
        """Describe the file."""
        return os.fstat(self._descriptor)

    def read(self, start: int, size: int) -> bytes:
        """Read exactly *size* bytes from *start* on.

        Raises:
            ShrunkError: There are fewer.
        """
        data = os.pread(self._descriptor, size, start)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), start + len(data))
            if not more:
                raise ShrunkError("a file has become shorter while it was sent")
            data += more
        return data

    def close(self) -> None:
        """Close the file; again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    __del__ = close


@contextmanager
def open_folder(directory: str, names: Sequence[bytes]) -> Iterator[int]:
    """Open the folder that *names* lead to from *directory*.

    Raises:
        DirectoryLostError: The directory is gone.
        FileNotFoundError: There is no such folder, or a symbolic link on the way.
    """
    try:
        descriptor = os.open(directory, _ROOT)
    except OSError as error:
        message = f"cannot open the directory of static files, {directory}: {error.strerror}"
        raise DirectoryLostError(message) from error
    try:
        for name in names:
            with _absences():
                deeper = os.open(name, _FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = deeper
        yield descriptor
    finally:
        os.close(descriptor)


def describe(folder: int, name: bytes) -> os.stat_result:
    """Describe the regular file *name* in an open *folder*.

    Raises:
        FileNotFoundError: There is none.
        IsADirectoryError: It is a folder.
    """
    with _absences():
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if S_ISDIR(status.st_mode):
        raise IsADirectoryError(name)
    return _regular(status)


def open_file(folder: int, name: bytes) -> OpenFile:
    """Open the regular file *name* in an open *folder*.

    Raises:
        FileNotFoundError: There is none, or none that may be read.
        IsADirectoryError: It is a folder.
    """
    describe(folder, name)
    with _absences():
        file = OpenFile(os.open(name, _FILE, dir_fd=folder))
    _regular(file.stat())  # it may be another one by now
    return file


def _regular(status: os.stat_result) -> os.stat_result:
    if not S_ISREG(status.st_mode):
        raise FileNotFoundError(errno.ENOENT, "no regular file")
    return status


@contextmanager
def _absences() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _ABSENT:
            raise FileNotFoundError(errno.ENOENT, error.strerror) from error
        raise
