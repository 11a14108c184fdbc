"""Which messages were in work when a worker died: a message that ended three of them is put aside unopened.

I1. A message is suspected only for deaths during its own work, and after the first of them it is worked on alone.
I2. The journal survives the death of the process, not of the machine: then nobody is to blame.
I3. What the file holds is bounded, and a file that cannot be read or written costs only the suspicion.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

_logger = logging.getLogger(__name__)
_MOST_SUSPECTS: Final = 1000
DEATHS_ALLOWED: Final = 3


class CrashJournal:
    """The journal in two files: `<path>`, what is in work now, and `<path>.suspects`, deaths by message.

    Args:
        path: a file of this worker alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._suspects_path = path.with_suffix(".suspects")
        self._deaths = _read_deaths(self._suspects_path)
        for digest in _read_in_work(path):
            self._deaths[digest] = self._deaths.get(digest, 0) + 1
        if self._deaths:
            _logger.warning("a worker died while %d messages were in work: they are tried alone", len(self._deaths))
        self._write_deaths()
        self._file = _opened(path)
        self._in_work: list[str] = []

    def deaths(self, payload: bytes) -> int:
        """How many workers died while they had this message."""
        return self._deaths.get(_digest(payload), 0) if self._deaths else 0

    def begin(self, payloads: Sequence[bytes]) -> None:
        """These are in work from now on."""
        self._in_work += map(_digest, payloads)
        self._write("\n".join(self._in_work))

    def end(self, payloads: Sequence[bytes]) -> None:
        """They are done with, and not to blame for anything."""
        done = set(map(_digest, payloads))
        self._in_work = [digest for digest in self._in_work if digest not in done]
        self._write("\n".join(self._in_work))
        if self._deaths:
            before = len(self._deaths)
            for payload in payloads:
                self._deaths.pop(_digest(payload), None)
            if len(self._deaths) != before:
                self._write_deaths()

    def close(self) -> None:
        """End in peace."""
        self._write("")
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _write(self, text: str) -> None:
        if self._file is None:
            return
        with suppress(OSError):
            os.pwrite(self._file, text.encode("ascii"), 0)
            os.ftruncate(self._file, len(text))

    def _write_deaths(self) -> None:
        while len(self._deaths) > _MOST_SUSPECTS:
            self._deaths.pop(next(iter(self._deaths)))
        try:
            self._suspects_path.write_text(json.dumps(self._deaths), encoding="ascii")
        except OSError as error:
            _logger.warning("%s: %s; what kills a worker will not be recognised", self._suspects_path, error.strerror)


def _digest(payload: bytes) -> str:
    return hashlib.blake2b(payload, digest_size=16).hexdigest()


def _read_in_work(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        return []


def _read_deaths(path: Path) -> dict[str, int]:
    try:
        return {str(digest): int(count) for digest, count in json.loads(path.read_text(encoding="ascii")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _opened(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        _logger.warning("%s: %s; what kills a worker will not be recognised", path, error.strerror)
        return None
