"""The parts of a support bundle and the file they become: no part leaves without its secrets taken out."""

import gzip
import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from edge.diagnosis.redact import redacted

_MODE: Final = 0o644
_MOST_SECRET_BYTES: Final = 64 * 1024


def bundle_bytes(parts: Mapping[str, str], *, secrets: Sequence[str], folder: str, time_s: int) -> bytes:
    """A gzipped tar of the parts, redacted. The same parts give the same bytes.

    Args:
        parts: text by the name of its file.
        secrets: what must be in none of them.
        folder: in which they are unpacked.
        time_s: when it was made; of every file in it.
    """
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", filename="", mtime=time_s) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for name, text in sorted(parts.items()):
            data = redacted(text, secrets).encode("utf-8", "replace")
            info = tarfile.TarInfo(f"{folder}/{redacted(name, secrets)}")
            info.size, info.mtime, info.mode = len(data), time_s, _MODE
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def secrets_of(files: Sequence[Path]) -> list[str]:
    """What stands in files of secrets: the whole text and each line of it; nothing of those that cannot be read."""
    found: list[str] = []
    for file in files:
        try:
            text = file.read_text(encoding="utf-8", errors="replace")[:_MOST_SECRET_BYTES]
        except OSError:
            continue
        found += [part for part in {text.strip(), *(line.strip() for line in text.splitlines())} if part]
    return found
