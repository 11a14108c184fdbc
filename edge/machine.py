"""How the computer is, in numbers: what Linux shows in /proc and /sys. Cheap enough for every status.

I1. What cannot be known is left out, never guessed: a number that is there was read.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wire.messages import BusStatus

_KIB: Final = 1024
_PERCENT_PER_LIFE_STEP: Final = 10  # JEDEC 84-B51: life_time counts in tenths of what the flash can take
_IDLE_COLUMNS: Final = slice(3, 5)  # idle and iowait, proc(5)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnNumbers:
    """How this gateway is, by the names of `wire.quantities`."""

    machine: Mapping[str, float] = field(default_factory=dict)
    buses: tuple[BusStatus, ...] = ()


class Machine:
    """This computer.

    Args:
        state_dir: the folder whose disk counts: where the spool is.
        root: where /proc and /sys are.
    """

    def __init__(self, state_dir: Path, *, root: Path = Path("/")) -> None:
        self._state_dir = state_dir
        self._root = root
        # Changed by numbers only: the processor's time at the last call, all of it and what was idle.
        self._ticks = self._processor_ticks()

    def numbers(self) -> dict[str, float]:
        """By the names of `wire.quantities`; the processor's load since the call before."""
        told: dict[str, float] = {}
        for name, read in (
            ("disk_free_bytes", self._disk_free_bytes),
            ("disk_worn_percent", self._disk_worn_percent),
            ("cpu_temperature", self._cpu_temperature),
            ("cpu_percent", self._cpu_percent),
            ("memory_used_bytes", self._memory_used_bytes),
        ):
            with suppress(OSError, ValueError, KeyError, IndexError):
                number = read()
                if number is not None:
                    told[name] = number
        return told

    def _disk_free_bytes(self) -> float:
        disk = os.statvfs(self._state_dir)
        return float(disk.f_bavail * disk.f_frsize)

    def _disk_worn_percent(self) -> float | None:
        """The wear that an eMMC tells of itself: the worse of its two kinds of cells."""
        worst = max(self._life_steps(), default=0)
        return float(worst * _PERCENT_PER_LIFE_STEP) if worst else None

    def _life_steps(self) -> Iterator[int]:
        for path in sorted((self._root / "sys/block").glob("mmcblk*/device/life_time")):
            yield from (int(step, 16) for step in path.read_text(encoding="ascii").split())

    def _cpu_temperature(self) -> float:
        zone = self._root / "sys/class/thermal/thermal_zone0/temp"
        return int(zone.read_text(encoding="ascii")) / 1000

    def _cpu_percent(self) -> float | None:
        before, now = self._ticks, self._processor_ticks()
        self._ticks = now
        if before is None or now is None or now[0] <= before[0]:
            return None
        return 100 * (1 - (now[1] - before[1]) / (now[0] - before[0]))

    def _processor_ticks(self) -> tuple[int, int] | None:
        try:
            first, _, _ = (self._root / "proc/stat").read_text(encoding="ascii").partition("\n")
            columns = [int(column) for column in first.split()[1:]]
        except (OSError, ValueError):
            return None
        return (sum(columns), sum(columns[_IDLE_COLUMNS])) if columns else None

    def _memory_used_bytes(self) -> float:
        lines = (self._root / "proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {name: rest for name, _, rest in (line.partition(":") for line in lines)}
        total, available = (int(sizes[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        return float((total - available) * _KIB)
