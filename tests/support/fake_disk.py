"""A disk that can lose power: what was written since the last sync survives in part, sector by sector."""

import errno
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from edge.spool.disk import PAGE_BYTES, SyncFailedError

SECTOR_BYTES = 512


@dataclass
class FakeDisk:
    """Files in memory. `before` is called with the name of each operation before it happens, and may raise.

    `durable` is what survives for certain; `unsynced` what may.
    """

    durable: dict[str, bytearray] = field(default_factory=dict)
    files: dict[str, bytearray] = field(default_factory=dict)
    unsynced: dict[str, list[tuple[int, bytes]]] = field(default_factory=dict)
    before: Callable[[str], None] = lambda _: None
    lies: bool = False  # it says that it has synced, and has not
    bytes_written: int = 0
    bytes_laid: int = 0  # what `write` was given, not in pages
    room_bytes: int = 1 << 40
    unreadable: set[tuple[str, int]] = field(default_factory=set)  # name and page

    def sizes(self) -> dict[str, int]:
        return {name: len(data) for name, data in self.files.items()}

    def create(self, name: str, size_bytes: int) -> None:
        self.before("create")
        if sum(map(len, self.files.values())) + size_bytes > self.room_bytes:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.files[name] = bytearray(size_bytes)
        self.durable[name] = bytearray(size_bytes)
        self.bytes_written += size_bytes

    def read(self, name: str, offset: int, size_bytes: int) -> bytes:
        self.before("read")
        if self.unreadable:
            pages = range(offset // PAGE_BYTES, (offset + size_bytes - 1) // PAGE_BYTES + 1)
            if any((name, page) in self.unreadable for page in pages):
                raise OSError(errno.EIO, "Input/output error")
        return bytes(memoryview(self.files[name])[offset : offset + size_bytes])

    def write(self, name: str, offset: int, data: bytes) -> None:
        self.before("write")
        assert offset + len(data) <= len(self.files[name]), "a file grew"
        self.files[name][offset : offset + len(data)] = data
        self.unsynced.setdefault(name, []).append((offset, data))
        self.bytes_laid += len(data)

    def sync(self, name: str) -> None:
        try:
            self.before("sync")
        except OSError as error:
            raise SyncFailedError(error.errno, error.strerror) from error
        if self.lies:
            return
        pages: set[int] = set()
        for offset, data in self.unsynced.pop(name, []):
            self.durable[name][offset : offset + len(data)] = data
            pages.update(range(offset // PAGE_BYTES, (offset + len(data) - 1) // PAGE_BYTES + 1))
        self.bytes_written += PAGE_BYTES * len(pages)

    def close(self) -> None:
        """Nothing to let go."""

    def after_power_cut(self, chance: random.Random) -> "FakeDisk":
        """What is found when the power comes back: of each write since the last sync any sectors, in any order."""
        share = chance.choice((0.0, 0.5, 0.9, 1.0))
        return self._with([part for part in self._unsynced_parts() if chance.random() < share])

    def states_after_power_cut(self, chance: random.Random, most: int) -> Iterator["FakeDisk"]:
        """Different disks that may be found: none of the unsynced sectors, all, any; and any torn at any byte."""
        parts = self._unsynced_parts()
        seen: set[tuple[bytes, ...]] = set()
        for n in range(2 * most):
            share = (0.0, 1.0)[n] if n < 2 else chance.choice((0.3, 0.6, 0.9, 1.0))
            kept = [part for part in parts if chance.random() < share]
            if n > 1 and kept and chance.random() < 0.6:
                at = chance.randrange(len(kept))
                kept[at] = _torn(kept[at], chance)
            found = self._with(kept)
            key = tuple(bytes(data) for data in found.files.values())
            if key not in seen:
                seen.add(key)
                yield found
            if len(seen) == most:
                return

    def _unsynced_parts(self) -> list[tuple[str, int, bytes]]:
        return [
            (name, start, sector)
            for name, writes in self.unsynced.items()
            for offset, data in writes
            for start, sector in _sectors(offset, data)
        ]

    def _with(self, parts: list[tuple[str, int, bytes]]) -> "FakeDisk":
        files = {name: bytearray(data) for name, data in self.durable.items()}
        for name, start, part in parts:
            files[name][start : start + len(part)] = part
        return FakeDisk(files=files, durable={name: bytearray(data) for name, data in files.items()})

    def copy(self) -> "FakeDisk":
        """As it stands, everything durable."""
        files = {name: bytearray(data) for name, data in self.files.items()}
        return FakeDisk(files=files, durable={name: bytearray(data) for name, data in files.items()})


def _torn(part: tuple[str, int, bytes], chance: random.Random) -> tuple[str, int, bytes]:
    """Only the beginning of a part, or only its end."""
    name, start, data = part
    at = chance.randrange(len(data))
    return (name, start, data[:at]) if chance.random() < 0.5 else (name, start + at, data[at:])


def _sectors(offset: int, data: bytes) -> list[tuple[int, bytes]]:
    """The parts of a write, each within one sector."""
    parts = []
    while data:
        length = min(len(data), SECTOR_BYTES - offset % SECTOR_BYTES)
        parts.append((offset, data[:length]))
        offset, data = offset + length, data[length:]
    return parts
