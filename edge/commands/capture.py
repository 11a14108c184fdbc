"""`sen-edge capture`: what a device says now, as a profile's capture file."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from device_profiles.capture import Capture, Exchange
from device_profiles.capture_text import capture_text
from device_profiles.faults import FileFaults
from device_profiles.library import LibraryError, capture_path, load_profile, read_text
from device_profiles.modbus import ReadRequest
from device_profiles.modbus_model import ModbusDevice
from device_profiles.model import DeviceProfile
from device_profiles.parse import parse_profile
from device_profiles.plan import read_plan
from device_profiles.point_model import Parity
from device_profiles.serial_model import SerialDevice
from edge.app import AgentError, checked_in_child
from edge.clock import SystemClock
from edge.commands.ending import AsJson, fail
from edge.commands.recorded import modbus_exchange, recorded, serial_exchanges, words_exchange
from edge.commands.target import Given, Target, target_of
from edge.config import BusKind
from edge.diagnosis.agent_bus import heard_by_agent
from edge.diagnosis.lines import line_alone
from edge.diagnosis.probing import SeenPieces, listened_for
from edge.drivers.base import DriverError, DriverFault, RegisterBus

Config = Annotated[Path | None, typer.Argument(help="The gateway file.")]
Device = Annotated[str | None, typer.Argument(help="A device of the file.")]
Port = Annotated[str | None, typer.Option("--port", help="A serial port, where there is no gateway file yet.")]
Profile = Annotated[
    str | None, typer.Option("--profile", help="How the device on --port is read: vendor/model, or a file.")
]
Unit = Annotated[int | None, typer.Option("--unit", min=1, max=255, help="Its address.")]
Baud = Annotated[int | None, typer.Option("--baud", min=50, max=4_000_000, help="The line's speed.")]
ParityChoice = Annotated[Parity | None, typer.Option("--parity", help="N, E or O.")]
Seconds = Annotated[float, typer.Option("--seconds", min=0.5, max=3600, help="How long to listen to a stream.")]
To = Annotated[
    Path | None,
    typer.Option("--to", help="The file to write; else MODEL.capture.yaml here, or beside the profile's file."),
]

_COMMENT: Final = """\
Captured by sen-edge. The values are what the profile makes of the bytes: compare each
with the device's display before this file is trusted, and say so in a note.
"""
_YAML: Final = ".yaml"
_ASK_AGAIN_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Subject:
    """One device: its bus, its profile, its address."""

    target: Target
    profile: DeviceProfile
    unit: int | None


def capture(  # noqa: PLR0913 - a command's options
    config: Config = None,
    device: Device = None,
    *,
    port: Port = None,
    profile: Profile = None,
    unit: Unit = None,
    baud: Baud = None,
    parity: ParityChoice = None,
    seconds: Seconds = 12.0,
    to: To = None,
    as_json: AsJson = False,
) -> None:
    """Read a device once, or listen to it, and write what was seen as its profile's capture file.

    Example: sen-edge capture /etc/sen/gateway.yaml meter-1

    Example: sen-edge capture --port /dev/ttyUSB0 --profile eastron/sdm120 --unit 1
    """
    try:
        if config is not None and device is not None:
            subject = _of_file(config, device)
        else:
            subject = _of_port(Given(port=port, baud=baud, parity=parity), profile, unit)
        target = _free(to or _place(subject, profile))
        found = asyncio.run(_seen(subject, seconds))
        _write(target, capture_text(found, comment=_COMMENT))
    except (AgentError, DriverError, LibraryError, FileFaults) as error:
        fail(str(error))
    _tell(target, found, as_json=as_json)


def _of_file(config: Path, device: str) -> _Subject:
    """A device of a gateway file.

    Raises:
        AgentError: there is none of that name.
    """
    checked = checked_in_child(config)
    found = next((one for one in checked.config.devices if one.device == device), None)
    if found is None:
        names = ", ".join(one.device for one in checked.config.devices)
        raise AgentError(f"device {device!r}: not in the gateway file; it has {names}")
    return _Subject(
        target=target_of(Given(config=config, bus=found.bus)),
        profile=checked.profiles[found.profile],
        unit=found.unit,
    )


def _of_port(given: Given, profile: str | None, unit: int | None) -> _Subject:
    """A device on a port that no gateway file names.

    Raises:
        AgentError: not enough was said.
        LibraryError, FileFaults: the profile cannot be read.
    """
    if given.port is None or profile is None:
        raise AgentError("expected a gateway file and a device of it, or --port and --profile; see --help")
    is_file = profile.endswith(_YAML)
    loaded = parse_profile(read_text(Path(profile)), profile) if is_file else load_profile(profile)
    kind = BusKind.MODBUS_RTU if loaded.modbus is not None else BusKind.SERIAL
    return _Subject(target=target_of(given, kind=kind, factory=loaded.line), profile=loaded, unit=unit)


def _place(subject: _Subject, profile: str | None) -> Path:
    """Where `sen-profile test` looks for it, when the profile is a file of the author's; else here."""
    if profile is not None and profile.endswith(_YAML):
        return capture_path(Path(profile))
    return Path(f"{subject.profile.profile.partition('/')[2]}.capture.yaml")


def _free(target: Path) -> Path:
    """The file, which is not there yet.

    Raises:
        AgentError: it is: a capture that somebody has confirmed is never written over.
    """
    if target.exists():
        raise AgentError(f"{target}: is there already; name another file with --to")
    return target


def _write(target: Path, text: str) -> None:
    """Write the file.

    Raises:
        AgentError: it cannot be written.
    """
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AgentError(f"{target}: {error.strerror or error}; name another file with --to") from error


async def _seen(subject: _Subject, seconds: float) -> Capture:
    """What the device says now, as far as its profile reads it.

    Raises:
        AgentError: nothing that it reads.
        DriverError: the line cannot be had, or the device does not answer.
    """
    target, modbus, serial = subject.target, subject.profile.modbus, subject.profile.serial
    if modbus is not None:
        found = recorded(subject.profile, await _modbus(target, modbus, subject.unit or modbus.unit or 1))
    elif serial is None:
        raise RuntimeError(f"{subject.profile.profile} says nothing of how it is read")
    elif target.door is not None:
        found = await _remembered(target.door, subject, serial, seconds)
    else:
        found = recorded(subject.profile, await _listened(subject, serial, seconds))
    if found is None:
        raise AgentError(
            f"{target.place}: nothing came that {subject.profile.profile} can read; "
            "`sen-edge doctor` looks for the cause"
        )
    return found


async def _modbus(target: Target, modbus: ModbusDevice, unit: int) -> list[Exchange]:
    """Every request of the profile once, but those that would take something from the device.

    Raises:
        AgentError: there are no others.
        DriverError: the line cannot be had, or the device does not answer.
    """
    plans = read_plan(modbus, baud=target.line.baud)
    requests = [one for plan in plans if not (plan.group.once or plan.group.before) for one in plan.requests]
    if not requests:
        raise AgentError("the device loses what it counted when it is read: only the agent may do that")
    async with target.opened(target.line) as bus:
        asked = [await _asked(bus, target.bus.kind, modbus, unit, request) for request in dict.fromkeys(requests)]
    return [one for one in asked if one is not None]


async def _asked(
    bus: RegisterBus, kind: BusKind, modbus: ModbusDevice, unit: int, request: ReadRequest
) -> Exchange | None:
    """A request and its answer; None where it was refused without a frame that could be shown."""
    timeout_s, turnaround_s = modbus.timeout_ms / 1000, modbus.turnaround_ms / 1000
    is_rtu = kind is not BusKind.MODBUS_TCP
    try:
        answer = await bus.read(unit, request, timeout_s=timeout_s, turnaround_s=turnaround_s)
    except DriverError as error:
        if error.kind is not DriverFault.EXCEPTION:
            raise
        return modbus_exchange(unit, request, error.raw) if is_rtu else None
    return modbus_exchange(unit, request, answer.raw) if is_rtu else words_exchange(request, answer.values)


async def _remembered(door: Path, subject: _Subject, serial: SerialDevice, seconds: float) -> Capture | None:
    """What the running agent has heard last, or hears within a while.

    Raises:
        DriverError: the agent does not answer.
    """
    clock = SystemClock()
    until_s = clock.monotonic_s() + seconds
    while True:
        pieces = await heard_by_agent(door, subject.target.bus.bus)
        found = recorded(subject.profile, serial_exchanges(serial, pieces, address=subject.unit))
        if found is not None or clock.monotonic_s() >= until_s:
            return found
        await clock.sleep(_ASK_AGAIN_S)


async def _listened(subject: _Subject, serial: SerialDevice, seconds: float) -> list[Exchange]:
    """What comes in a while, asked for where the device must be asked.

    Raises:
        DriverError: the line cannot be had.
    """
    clock, target, seen = SystemClock(), subject.target, SeenPieces()
    async with line_alone(target.bus_at(target.line), target.line, clock=clock, tap=seen) as line:
        await listened_for(line, subject.profile, unit=subject.unit, seconds=seconds, clock=clock)
    return serial_exchanges(serial, seen.pieces, address=subject.unit)


def _tell(target: Path, found: Capture, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps({"file": str(target), "profile": found.profile, "exchanges": len(found.exchanges)}))
        return
    count = len(found.exchanges)
    typer.echo(f"{target}: {count} exchange{'s' if count > 1 else ''} with {found.profile}")
    for exchange in found.exchanges:
        for key, number in _values(exchange):
            typer.echo(f"  {key} {'no value' if number is None else f'{number:g}'}")
    typer.echo("compare each value with the device's display before the file is trusted")


def _values(exchange: Exchange) -> Sequence[tuple[str, float | None]]:
    return [*exchange.expect.items(), *(pair for reading in exchange.readings for pair in reading.values.items())]
