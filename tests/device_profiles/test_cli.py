"""`sen-profile` as an author uses it: a real process, its exit code, and no traceback ever."""

import json
import subprocess
import sys
from pathlib import Path

import pytest


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "device_profiles", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_a_new_profile_begins_good_and_is_never_overwritten(tmp_path: Path) -> None:
    folder = str(tmp_path)
    assert run("new", "acme/t100", "--dir", folder).returncode == 0
    path = str(tmp_path / "acme" / "t100.yaml")
    assert run("lint", path).returncode == 0
    assert run("test", "acme/t100", "--dir", folder).returncode == 0
    again = run("new", "acme/t100", "--dir", folder)
    assert again.returncode == 1
    assert "is there already" in again.stderr


def test_lint_tells_all_faults_and_fails(tmp_path: Path) -> None:
    run("new", "acme/t100", "--dir", str(tmp_path))
    path = tmp_path / "acme" / "t100.yaml"
    path.write_text(path.read_text().replace("revision: 1", "revision: one").replace("key: humidity", "key: Humidity"))
    told = run("lint", str(path))
    assert told.returncode == 1
    assert len(told.stdout.splitlines()) == 2
    listed = run("lint", str(path), "--json")
    assert listed.returncode == 1
    assert [fault["line"] for fault in json.loads(listed.stdout)] == [4, 32]


def test_the_library_is_good() -> None:
    done = run("lint")
    assert (done.returncode, done.stderr) == (0, "")


def test_show_prints_points_requests_and_bus_time() -> None:
    shown = run("show", "eastron/sdm120")
    assert shown.returncode == 0
    assert "voltage" in shown.stdout
    assert "read input 0x0000 x 38: 120.0 ms" in shown.stdout
    data = json.loads(run("show", "eastron/sdm120", "--json").stdout)
    assert data["groups"][0]["points"][0] == {
        "key": "voltage",
        "quantity": "voltage",
        "unit": "V",
        "where": "input 0x0000 f32",
    }


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "acme/none"),
        ("show", "/nowhere/acme/none.yaml"),
        ("lint", "/"),
        ("test", "/nowhere.yaml"),
        ("new", "No Good"),
        ("new", "acme/t1", "--dir", "/proc/nowhere"),
    ],
)
def test_what_cannot_be_done_is_told_in_one_line(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["new", "lint", "test", "show"])
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0
    assert f"Example: sen-profile {command}" in done.stdout
