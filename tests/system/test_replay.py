"""Recorded reality through the wires of the demonstration: it is stored whole, and says `simulated`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
DEMO = ROOT / "deploy" / "demo" / "demo.py"


@pytest.mark.recorded
def test_recordings_go_through_all_wires_and_nothing_is_lost(recorded_data: Path, tmp_path: Path) -> None:
    command = [sys.executable, str(DEMO), "--seconds", "12", "--replay", str(recorded_data), "--speed", "5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    lines = done.stdout.splitlines()
    accounts = json.loads(lines[-1])
    assert accounts["stored"] > 50
    assert accounts["lost"] == accounts["refused"] == accounts["unexplained"] == 0
    for recording in ("PRSA_Data_", "jamar_vehicle__", "bu353s4.log", "bluesolar_1.23.dump", "bvm702.dump"):
        assert any(recording in line for line in lines), f"{recording} is not said to feed anything"
    values = [line for line in lines if line.startswith(("gps-1 ", "solar-1 ", "weather-1 ", "radar-1 ", "counter-1 "))]
    assert {line.split()[0] for line in values} == {"gps-1", "solar-1", "weather-1", "radar-1", "counter-1"}
    assert all(" simulated" in line for line in values)
    # The receiver stood in Hamilton, New Zealand.
    assert any("latitude" in line and "-37.78" in line for line in values)


@pytest.mark.parametrize("folder", ["empty", "damaged"])
def test_a_folder_without_usable_recordings_is_refused_and_says_why(tmp_path: Path, folder: str) -> None:
    data = tmp_path / folder
    data.mkdir()
    if folder == "damaged":
        (data / "jamar_vehicle__1.txt").write_text("Site Code:, 1\nnothing of use\n")
    command = [sys.executable, str(DEMO), "--seconds", "5", "--replay", str(data)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert {"empty": "found no recording", "damaged": "jamar_vehicle__1.txt: found no vehicles"}[folder] in done.stderr
    assert "Traceback" not in done.stderr
