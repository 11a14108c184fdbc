"""How the computer is goes into every status: what Linux shows, and nothing that it does not."""

import os
from pathlib import Path

from edge.machine import Machine
from wire.quantities import QUANTITIES


def linux(root: Path, *, busy: int, idle: int) -> None:
    for name, text in {
        "proc/stat": f"cpu  {busy} 0 0 {idle} 0 0 0 0 0 0\ncpu0 1 2 3\n",
        "proc/meminfo": "MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     400 kB\n",
        "sys/class/thermal/thermal_zone0/temp": "51540\n",
        "sys/block/mmcblk0/device/life_time": "0x02 0x03\n",
    }.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def test_a_machine_tells_its_disk_processor_memory_and_wear(tmp_path: Path) -> None:
    linux(tmp_path, busy=100, idle=900)
    machine = Machine(tmp_path, root=tmp_path)
    linux(tmp_path, busy=130, idle=970)
    told = machine.numbers()
    assert told.pop("disk_free_bytes") > 0
    assert told == {
        "disk_worn_percent": 30.0,
        "cpu_temperature": 51.54,
        "cpu_percent": 30.000000000000004,
        "memory_used_bytes": 600 * 1024.0,
    }
    assert set(told) < set(QUANTITIES)


def test_what_a_machine_does_not_show_is_left_out_and_never_zero(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root=tmp_path / "nothing")
    assert set(machine.numbers()) == {"disk_free_bytes"}
    (tmp_path / "odd/proc").mkdir(parents=True)
    (tmp_path / "odd/proc/stat").write_text("")
    (tmp_path / "odd/proc/meminfo").write_text("MemTotal: much\n")
    assert Machine(tmp_path / "gone", root=tmp_path / "odd").numbers() == {}


def test_the_processor_counts_from_one_status_to_the_next(tmp_path: Path) -> None:
    linux(tmp_path, busy=0, idle=0)
    machine = Machine(tmp_path, root=tmp_path)
    assert "cpu_percent" not in machine.numbers()
    linux(tmp_path, busy=100, idle=0)
    assert machine.numbers()["cpu_percent"] == 100.0
    linux(tmp_path, busy=100, idle=100)
    assert machine.numbers()["cpu_percent"] == 0.0


def test_this_very_machine_says_something_true(tmp_path: Path) -> None:
    told = Machine(tmp_path).numbers()
    assert 0 < told["memory_used_bytes"] < 1e13
    assert told["disk_free_bytes"] <= os.statvfs(tmp_path).f_blocks * os.statvfs(tmp_path).f_frsize
