"""`sen-edge scan`: which ports there are, who is on a bus, and what it may be."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from device_profiles.compiled import plain_of
from device_profiles.faults import FileFaults
from device_profiles.library import LibraryError, load_all
from device_profiles.model import DeviceProfile
from device_profiles.point_model import Line, Parity
from edge.app import AgentError, checked_in_child
from edge.commands.ending import AsJson, fail
from edge.commands.listening import listen as heard
from edge.commands.scan_text import asking_text, attempts_text, file_lines, others_text, ports_text, survey_text
from edge.commands.target import Given, Target, target_of
from edge.config import BusKind
from edge.diagnosis.ports import serial_ports
from edge.diagnosis.scan import WINDOW_S, Asking
from edge.diagnosis.survey import ALL_UNITS, USUAL_LINES, Attempt, Survey, attempts, likely_units, surveys
from edge.drivers.base import DriverError

ScannedFile = Annotated[Path | None, typer.Argument(help="A gateway file; with --bus its bus is scanned.")]
BusName = Annotated[str | None, typer.Option("--bus", help="A bus of the gateway file.")]
Port = Annotated[str | None, typer.Option("--port", help="A serial port, for instance /dev/ttyUSB0.")]
Host = Annotated[str | None, typer.Option("--host", help="HOST[:PORT] of a Modbus TCP device or gateway.")]
Baud = Annotated[int | None, typer.Option("--baud", min=50, max=4_000_000, help="The line's speed (9600).")]
ParityChoice = Annotated[Parity | None, typer.Option("--parity", help="N, E or O (N).")]
StopBits = Annotated[int | None, typer.Option("--stop-bits", min=1, max=2, help="1 or 2 (1).")]
Units = Annotated[str | None, typer.Option("--units", help="Addresses, as 1-247 or 1,2,10-20.")]
Guess = Annotated[bool, typer.Option("--guess", help="Try the usual line settings until somebody answers.")]
Window = Annotated[int, typer.Option("--window-ms", min=5, max=5000, help="How long an answer may take to begin.")]
Listen = Annotated[bool, typer.Option("--listen", help="Send nothing: hear a device that speaks by itself.")]
NoProfiles = Annotated[bool, typer.Option("--no-profiles", help="Do not ask what the devices found may be.")]

_WINDOW_MS: Final = round(WINDOW_S * 1000)
_TCP_BAUD: Final = 1_000_000
_TCP_WINDOW_S: Final = 0.3
_HIGHEST_UNIT: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """What a scan will try. `are_likely`: its addresses are those where devices are likely, and no others."""

    target: Target
    lines: Sequence[Line]
    units: Sequence[int]
    profiles: Mapping[str, DeviceProfile]
    window_s: float
    are_likely: bool = False

    def attempts(self) -> list[Attempt]:
        """Each setting, and how long it takes."""
        return attempts(self.lines, self.units, window_s=self.window_s)


def scan(  # noqa: PLR0913 - a command's options
    config: ScannedFile = None,
    *,
    bus: BusName = None,
    port: Port = None,
    host: Host = None,
    baud: Baud = None,
    parity: ParityChoice = None,
    stop_bits: StopBits = None,
    units: Units = None,
    guess: Guess = False,
    window_ms: Window = _WINDOW_MS,
    listen: Listen = False,
    no_profiles: NoProfiles = False,
    as_json: AsJson = False,
) -> None:
    """The serial ports of this machine; with --port, --host or --bus, who is on that Modbus bus. Only reads.

    Example: sen-edge scan --port /dev/ttyUSB0 --baud 9600

    Example: sen-edge scan --port /dev/ttyUSB0 --listen

    Example: sen-edge scan /etc/sen/gateway.yaml --bus rs485-1
    """
    given = Given(config=config, bus=bus, port=port, host=host, baud=baud, parity=parity, stop_bits=stop_bits)
    try:
        if port is None and host is None and bus is None:
            _list_ports(config, as_json=as_json)
            return
        if listen:
            heard(given, load_all(_beside(config)), as_json=as_json)
            return
        profiles = {} if no_profiles else load_all(_beside(config))
        plan = _planned(target_of(given), profiles, units=units, guess=guess, window_s=window_ms / 1000)
        done = asyncio.run(_survey(plan, is_told=not as_json))
    except (AgentError, DriverError, LibraryError, FileFaults) as error:
        fail(str(error))
    _tell(plan, done, as_json=as_json)


def _list_ports(config: Path | None, *, as_json: bool) -> None:
    ports = serial_ports()
    users: dict[str, str] = {}
    for bus in () if config is None else checked_in_child(config).config.buses:
        if bus.port is not None:
            users[str(Path(bus.port).resolve())] = bus.bus
    if as_json:
        typer.echo(json.dumps([{**_plain(one), "bus": users.get(one.device)} for one in ports]))
        return
    typer.echo(ports_text(ports, users))


def _planned(
    target: Target, profiles: Mapping[str, DeviceProfile], *, units: str | None, guess: bool, window_s: float
) -> _Plan:
    """What will be tried.

    Raises:
        AgentError: what was asked for does not go together.
    """
    kind = target.bus.kind
    if not kind.is_modbus:
        raise AgentError(
            f"bus {target.bus.bus}: its device has a protocol of its own; `sen-edge scan --listen` hears it"
        )
    lines = [target.line]
    if kind is BusKind.MODBUS_TCP:
        lines, window_s = [Line(baud=_TCP_BAUD)], max(window_s, _TCP_WINDOW_S)
    if guess:
        if not kind.is_port or target.door is not None:
            raise AgentError(
                f"{target.place}: --guess needs a serial port that no agent has open; stop the agent first"
            )
        lines = [target.line, *(line for line in USUAL_LINES if line != target.line)]
    asked = likely_units(profiles) if guess else ALL_UNITS
    if units is not None:
        asked = _units(units)
    return _Plan(
        target=target,
        lines=lines,
        units=asked,
        profiles=profiles,
        window_s=window_s,
        are_likely=guess and units is None,
    )


def _units(text: str) -> tuple[int, ...]:
    """The addresses that `1-247` or `1,2,10-20` names.

    Raises:
        AgentError: it names none.
    """
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdigit() or not (last or first).isdigit():
            raise AgentError(f"--units {text}: expected addresses like 1-247 or 1,2,10-20")
        found |= set(range(int(first), int(last or first) + 1))
    if not found or not found <= set(range(1, _HIGHEST_UNIT + 1)):
        raise AgentError(f"--units {text}: expected addresses of 1 to {_HIGHEST_UNIT}")
    return tuple(sorted(found))


async def _survey(plan: _Plan, *, is_told: bool) -> list[Survey]:
    done: list[Survey] = []
    if is_told:
        typer.echo(attempts_text(plan.target.place, plan.attempts(), units=len(plan.units)))

    def progress(asking: Asking) -> None:
        if sys.stderr.isatty():
            typer.echo(f"\r{asking_text(asking):78}", err=True, nl=False)

    found = surveys(
        plan.lines,
        plan.target.opened,
        plan.units,
        profiles=plan.profiles,
        window_s=plan.window_s,
        progress=progress if is_told else None,
    )
    async for one in found:
        done.append(one)
        if is_told:
            if sys.stderr.isatty():
                typer.echo(f"\r{'':78}\r", err=True, nl=False)
            typer.echo(survey_text(one))
    return done


def _tell(plan: _Plan, done: Sequence[Survey], *, as_json: bool) -> None:
    found = [one for survey in done for one in survey.units]
    if as_json:
        typer.echo(json.dumps({"place": plan.target.place, "scans": [_plain(one) for one in done]}))
    elif found:
        typer.echo(file_lines(plan.target.bus, done[-1], is_recognised=bool(plan.profiles)))
        if plan.are_likely:
            typer.echo(others_text(plan.target.place, done[-1].line, units=len(plan.units)))
    if not found:
        config = "gateway.yaml" if plan.target.door is None else "the gateway file"
        hint = "`sen-edge scan --guess` tries other line settings; " if len(done) == 1 else ""
        hint += "--listen hears devices that speak by themselves; " if plan.target.bus.kind.is_port else ""
        fail(f"{plan.target.place}: nobody answered; {hint}`sen-edge doctor {config}` looks for the cause")


def _beside(config: Path | None) -> list[Path]:
    folder = None if config is None else config.resolve().parent / "profiles"
    return [folder] if folder is not None and folder.is_dir() else []


def _plain(one: object) -> dict[str, Any]:
    plain = plain_of(one)
    if not isinstance(plain, dict):
        raise TypeError(f"{type(one).__name__} is no dataclass")
    return plain
