"""The demonstration as a person runs it: it ends by itself, and its last line accounts for every record."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import Program, pause, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "deploy" / "demo" / "demo.py"
DEVICES = (
    "meter-1", "meter-2", "climate-1", "weather-1", "air-1", "climate-2", "counter-1", "level-1", "dust-1", "dust-2",
    "gps-1", "solar-1", "battery-1",
)  # fmt: skip


def run_demo(*arguments: str, cwd: Path) -> tuple[list[str], dict[str, Any]]:
    """Run it to its end; its lines, and the last of them as JSON."""
    command = [sys.executable, str(DEMO), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "Traceback" not in done.stderr
    lines = done.stdout.splitlines()
    accounts: dict[str, Any] = json.loads(lines[-1])
    return lines, accounts


def check_accounts(accounts: dict[str, Any]) -> None:
    """Nothing is lost, refused, or unexplained."""
    assert accounts["stored"] > 0
    assert accounts["lost"] == accounts["refused"] == accounts["unexplained"] == 0
    assert accounts["accepted"] == accounts["stored"] + accounts["in_flight"]


def test_the_demonstration_shows_every_device_and_loses_nothing(tmp_path: Path) -> None:
    lines, accounts = run_demo("--seconds", "15", cwd=tmp_path)
    check_accounts(accounts)
    assert accounts["in_flight"] == 0
    assert accounts["stored"] > 100
    assert accounts["series"] > 100
    shown = "\n".join(lines[-40:])
    assert [device for device in DEVICES if f"{device} " not in shown] == []
    values = [line for line in lines if line.startswith(DEVICES)]
    assert all(" simulated" in line for line in values)
    assert "page:   http://127.0.0.1:" in "\n".join(lines)


def test_ctrl_c_ends_it_in_order(tmp_path: Path) -> None:
    demo = Program([sys.executable, str(DEMO)], tmp_path / "demo.log", tmp_path)
    demo.start()
    try:
        wait_until("values are shown", lambda: "newest" in demo.tail(60), within_s=60)
        assert demo.process is not None
        demo.process.send_signal(signal.SIGINT)
        wait_until("it ends", lambda: not demo.runs, within_s=60)
        assert demo.process.returncode == 0, demo.tail()
    finally:
        if demo.runs:
            demo.stop(within_s=60)
    check_accounts(json.loads(demo.tail(1)))


def test_it_says_which_part_ended_before_its_time(tmp_path: Path) -> None:
    demo = Program([sys.executable, str(DEMO), "--seconds", "60"], tmp_path / "demo.log", tmp_path)
    demo.start()
    try:
        wait_until("values are shown", lambda: "newest" in demo.tail(60), within_s=60)
        assert demo.process is not None
        children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children").read_text().split()
        subprocess.run(["kill", "-KILL", children[-1]], check=True)
        wait_until("it ends", lambda: not demo.runs, within_s=60)
        pause(0.1)
        assert demo.process.returncode == 1
        assert "ended (exit code -9)" in demo.tail(40)
        assert "Traceback" not in demo.tail(400)
    finally:
        if demo.runs:
            demo.stop(within_s=60)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--seconds", "-3"), "expected a number above 0"),
        (("--replay", "nowhere"), "there is no such folder"),
        (("--speed", "0"), "expected a number above 0"),
    ],
)
def test_arguments_that_make_no_sense_are_refused_at_once(
    tmp_path: Path, arguments: tuple[str, str], told: str
) -> None:
    command = [sys.executable, str(DEMO), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
