"""The folder a spool lives in, as files of fixed size that are written in place.

I1. What was written before a `sync` that returned survives a power cut; what was written since may survive in part.
I2. A file that `create` returned for is as large as it was asked for, and stays: writing in it needs no room.

Errors are `OSError`, as the system tells them.
"""

import errno
import fcntl
import os
from pathlib import Path
from typing import Final, Protocol

from edge.spool.base import SpoolError

PAGE_BYTES: Final = 4096
_LOCK: Final = "lock"
_ZEROS: Final = bytes(256 * 1024)
_MAX_SHARE: Final = 0.5
_NO_WAY: Final = {
    errno.ENOSPC: "free space on its partition",
    errno.EDQUOT: "free space, or raise this user's quota",
    errno.EROFS: "see why the disk is read-only (`dmesg`); where it is damaged, replace the card",
}


class SyncFailedError(OSError):
    """A sync failed: what the file holds is not known any more, whatever a second sync would say."""


class Disk(Protocol):
    """Files by name. One caller at a time."""

    @property
    def bytes_written(self) -> int:
        """What went to the device since this was opened, in whole pages."""
        ...

    def sizes(self) -> dict[str, int]:
        """The files, with their bytes."""
        ...

    def create(self, name: str, size_bytes: int) -> None:
        """A new file of zeros, durable."""
        ...

    def read(self, name: str, offset: int, size_bytes: int) -> bytes:
        """Bytes of a file; fewer where it ends."""
        ...

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Bytes into a file, within its size."""
        ...

    def sync(self, name: str) -> None:
        """Make what was written in a file durable.

        Raises:
            SyncFailedError: perhaps it is, perhaps not.
        """
        ...

    def close(self) -> None:
        """Let the files go."""
        ...


class FolderDisk:
    """A folder of the machine, held against a second agent for as long as this is open.

    Raises:
        SpoolError: another agent holds it, or it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = _locked(folder)
        # Changed by the methods of this class, one caller at a time.
        self._open: dict[str, int] = {}
        self._dirty: dict[str, set[int]] = {}
        self._bytes_written = 0

    @property
    def bytes_written(self) -> int:
        """What went to the device since this was opened, in whole pages."""
        return self._bytes_written

    def room_bytes(self) -> int:
        """How large the spool may become here: half of the partition at most, whatever else is on it."""
        partition = os.statvfs(self._folder)
        return int(partition.f_blocks * partition.f_frsize * _MAX_SHARE)

    def sizes(self) -> dict[str, int]:
        """The files, with their bytes."""
        with os.scandir(self._folder) as found:
            return {one.name: one.stat().st_size for one in found if one.is_file() and one.name != _LOCK}

    def create(self, name: str, size_bytes: int) -> None:
        """A new file of zeros, durable: pages that were never written would cost a journal entry each time."""
        path = self._folder / name
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            for offset in range(0, size_bytes, len(_ZEROS)):
                _write_all(descriptor, offset, _ZEROS[: size_bytes - offset])
            os.fsync(descriptor)
            # What was written in one piece the kernel may keep, and write again, in one piece: it shall forget it.
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            _sync_folder(self._folder)
        except OSError:
            os.close(descriptor)
            path.unlink(missing_ok=True)
            raise
        self._open[name] = descriptor
        self._bytes_written += size_bytes

    def read(self, name: str, offset: int, size_bytes: int) -> bytes:
        """Bytes of a file; fewer where it ends."""
        return os.pread(self._descriptor(name), size_bytes, offset)

    def write(self, name: str, offset: int, data: bytes) -> None:
        """Bytes into a file, within its size."""
        _write_all(self._descriptor(name), offset, data)
        pages = range(offset // PAGE_BYTES, (offset + len(data) - 1) // PAGE_BYTES + 1)
        self._dirty.setdefault(name, set()).update(pages)

    def sync(self, name: str) -> None:
        """Make what was written in a file durable."""
        try:
            os.fdatasync(self._descriptor(name))
        except OSError as error:
            raise SyncFailedError(error.errno, error.strerror) from error
        self._bytes_written += PAGE_BYTES * len(self._dirty.pop(name, ()))

    def close(self) -> None:
        """Let the files go, and the lock with them."""
        for descriptor in (*self._open.values(), self._lock):
            os.close(descriptor)
        self._open.clear()

    def _descriptor(self, name: str) -> int:
        if name not in self._open:
            self._open[name] = os.open(self._folder / name, os.O_RDWR | os.O_CLOEXEC)
            os.posix_fadvise(self._open[name], 0, 0, os.POSIX_FADV_RANDOM)
        return self._open[name]


def _write_all(descriptor: int, offset: int, data: bytes) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        offset, data = offset + written, data[written:]


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _locked(folder: Path) -> int:
    """Hold the folder; the descriptor is the lock, and goes with the process."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        advice = _NO_WAY.get(error.errno or 0, "choose a folder this user may write")
        raise SpoolError(f"spool {folder}: {error.strerror}; {advice}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpoolError(
            f"spool {folder}: another agent uses it; stop that one first (`sen-edge status` tells of it)"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise SpoolError(f"spool {folder}: {error.strerror}; choose a file system that has locks") from error
    return descriptor
