"""`sen-edge support-bundle`: one file with what somebody far away needs to help, and no secrets in it."""

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from device_profiles.compiled import plain_of
from edge.app import AgentError, checked_in_child, state_dir_of
from edge.clock import SystemClock
from edge.commands.ending import AsJson, fail
from edge.commands.logs import faults_of
from edge.config import CheckedGateway
from edge.control import ControlError, ask, socket_path
from edge.diagnosis.bundle import bundle_bytes, secrets_of
from edge.diagnosis.machine import free_bytes, is_synchronised
from edge.diagnosis.ports import serial_ports

Config = Annotated[Path, typer.Argument(help="The gateway file.")]
To = Annotated[Path | None, typer.Option("--to", help="The file to write; sen-support-TIME.tar.gz here.")]

_JOURNAL_LINES: Final = "1000"
_JOURNAL_S: Final = 10.0
_SECRET_FILES: Final = ("*.password", "*.token", "*.key", "*.pem", "*.secret")
# In the gateway file, by its text: it may be too broken to be read otherwise.
_NAMED_FILES: Final = re.compile(r"(?m)\bpassword_file\s*:\s*[\"']?([^\s\"',}#]+)")


def support_bundle(config: Config = Path("gateway.yaml"), *, to: To = None, as_json: AsJson = False) -> None:
    """Pack the gateway file, status, faults, versions, disk and clock into one file, without any secret.

    Works with a running agent and without one, and with a gateway file that has faults.

    Example: sen-edge support-bundle /etc/sen/gateway.yaml
    """
    now_s = SystemClock().now_ms() // 1000
    name = f"sen-support-{now_s}"
    target = to or Path(f"{name}.tar.gz")
    secrets = secrets_of(_secret_files(config))
    parts = dict(_parts(config))
    try:
        data = bundle_bytes(parts, secrets=secrets, folder=name, time_s=now_s)
        target.write_bytes(data)
    except OSError as error:
        fail(f"{target}: {error.strerror or error}; name another file with --to")
    if as_json:
        typer.echo(json.dumps({"file": str(target), "bytes": len(data), "parts": sorted(parts)}))
    else:
        typer.echo(f"{target}: {len(data)} bytes with {', '.join(sorted(parts))}; secrets were taken out")


def _secret_files(config: Path) -> list[Path]:
    """Files whose contents must not leave: those the gateway file names, and those beside it that look like secrets."""
    folder = config.resolve().parent
    found = [file for pattern in _SECRET_FILES for file in sorted(folder.rglob(pattern))]
    try:
        named = _NAMED_FILES.findall(config.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        named = []
    return [*found, *(folder / name for name in named)]


def _parts(config: Path) -> Iterator[tuple[str, str]]:
    """The files of the bundle. What cannot be had is replaced by the reason."""
    yield "gateway.yaml", _or_reason(lambda: config.read_text(encoding="utf-8", errors="replace"))
    for file in sorted((config.resolve().parent / "profiles").glob("*/*.yaml")):
        yield f"profiles/{file.parent.name}/{file.name}", _or_reason(lambda: file.read_text(errors="replace"))  # noqa: B023 - called at once
    yield "versions.json", _json(_versions())
    yield "ports.json", _json([plain_of(port) for port in serial_ports()])
    yield "journal.txt", _journal()
    try:
        checked = checked_in_child(config)
    except AgentError as error:
        yield "configuration-faults.txt", str(error)
        return
    state_dir = state_dir_of(checked)
    yield "status.json", _or_reason(lambda: _json(ask(socket_path(state_dir), {"ask": "status"})))
    yield "faults.jsonl", _or_reason(lambda: "\n".join(json.dumps(one) for one in faults_of(state_dir)))
    yield "machine.json", _json(_machine(checked))


def _or_reason(text: Callable[[], str]) -> str:
    try:
        return text()
    except (OSError, ControlError) as error:
        return f"not to be had: {error}\n"


def _json(value: object) -> str:
    return json.dumps(value, indent=1)


def _versions() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "packages": {one.name: one.version for one in sorted(distributions(), key=lambda one: one.name)},
    }


def _machine(checked: CheckedGateway) -> dict[str, Any]:
    """Disk, clock and load."""
    state_dir, clock = state_dir_of(checked), SystemClock()
    return {
        "now_ms": clock.now_ms(),
        "monotonic_s": clock.monotonic_s(),
        "clock_is_synchronised": is_synchronised(),
        "free_bytes": free_bytes(state_dir),
        "state_files": {file.name: file.stat().st_size for file in sorted(state_dir.glob("*")) if file.is_file()},
        "load_average": os.getloadavg(),
    }


def _journal() -> str:
    """The agent's newest log lines, where systemd keeps them."""
    program = shutil.which("journalctl")
    if program is None:
        return "not to be had: no journalctl here\n"
    command = [program, "--unit", "sen-edge", "--lines", _JOURNAL_LINES, "--no-pager", "--output", "short-iso-precise"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_JOURNAL_S, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"not to be had: {error}\n"
    return done.stdout or done.stderr
