"""The incidents of a gateway on its disk, for the time after a restart: `faults.jsonl` in its state folder.

I1. A line that a power cut tore costs that line; what stands before and after it is read.
I2. The file is never larger than its bound: beyond it the older half is given up, and never the file as a whole.
"""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FAULT_FILE: Final = "faults.jsonl"
MAX_BYTES: Final = 1_000_000

# A line is JSON of `flight_recorder.incident_told`.
Told = Mapping[str, Any]


class FaultFile:
    """One fault file. Blocks, and is for one writer.

    Args:
        path: the file; made when there is something to keep.
        max_bytes: its bound.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def append(self, incidents: Sequence[Told]) -> None:
        """Keep these too.

        Raises:
            OSError: the disk does not take them.
        """
        new = self._newest([_line(one) for one in incidents])
        self._make_room(len(new))
        with self._path.open("ab") as file:
            if file.tell() and not self._ends_well():
                file.write(b"\n")
            file.write(new)

    def read(self) -> list[Told]:
        """All that is kept and whole, the oldest first; nothing where there is no file.

        Raises:
            OSError: it cannot be read.
        """
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [one for line in lines if (one := _whole(line)) is not None]

    def _newest(self, lines: Sequence[bytes]) -> bytes:
        """As many of the newest lines as fit into half of the bound."""
        kept: list[bytes] = []
        left = self._max_bytes // 2
        for line in reversed(lines):
            left -= len(line)
            if left < 0:
                break
            kept.append(line)
        return b"".join(reversed(kept))

    def _make_room(self, wanted: int) -> None:
        """Give up the older half where the new lines would go beyond the bound; the file is whole at any moment."""
        size = self._path.stat().st_size if self._path.exists() else 0
        if size + wanted + 1 <= self._max_bytes:
            return
        kept = self._path.read_bytes()[-(self._max_bytes // 2) + 1 :]
        _, _, whole = kept.partition(b"\n")  # the first line is most likely cut
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.write(whole)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    def _ends_well(self) -> bool:
        with self._path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"


def _line(one: Told) -> bytes:
    return json.dumps(one, separators=(",", ":")).encode() + b"\n"


def _whole(line: bytes) -> Told | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
