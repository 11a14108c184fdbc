"""A real file system of a few megabytes on a loop device, that can be filled, emptied and damaged. Needs root."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BALLAST = "ballast"
_PIECE_BYTES = 4096


@dataclass(frozen=True)
class SmallDisk:
    """Mounted at `folder`."""

    folder: Path

    def fill(self) -> None:
        """Leave no room."""
        with (self.folder / _BALLAST).open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(_PIECE_BYTES))
            except OSError:
                os.fsync(ballast.fileno())

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / _BALLAST).unlink()

    def damage(self) -> None:
        """Have the kernel find an error in it: from now on it is read-only, whoever has files open for writing."""
        trigger = Path("/sys/fs/ext4") / self._device().name / "trigger_fs_error"
        if not trigger.exists():
            pytest.skip("this kernel finds no errors in ext4 on demand")
        trigger.write_text("1")

    def _device(self) -> Path:
        told = subprocess.run(["findmnt", "-no", "SOURCE", self.folder], check=True, capture_output=True, text=True)
        return Path(told.stdout.strip())


@contextmanager
def small_disk(folder: Path, *, kilobytes: int) -> Iterator[SmallDisk]:
    """Mount one at this folder, which is made; the test is skipped where that is not allowed."""
    if os.geteuid():
        pytest.skip("a loop image is mounted by root only")
    folder.mkdir(parents=True)
    image = folder.parent / f"{folder.name}.image"
    with image.open("wb") as file:
        file.truncate(kilobytes * 1024)
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-O", "^has_journal", image], check=True, capture_output=True)
    mounted = subprocess.run(
        ["mount", "-o", "loop,errors=remount-ro", image, folder], check=False, capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"a loop image cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)
