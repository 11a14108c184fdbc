"""`sen-profile simulate`: any profile of the library as a device of its own."""

import asyncio
import random
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from device_profiles.capture import Capture, parse_capture
from device_profiles.library import LibraryError, capture_path, profile_path, read_text
from device_profiles.model import DeviceProfile
from device_profiles.parse import parse_profile
from device_profiles.simulate import SimulationError
from device_profiles.simulator.clock import SystemClock
from device_profiles.simulator.faults import FaultError, parse_fault
from device_profiles.simulator.serve import Place, Simulation

_HIGHEST_PORT: Final = 65535


def simulate(  # noqa: PLR0913 - the options of a command
    profile: Annotated[str, typer.Argument(help="A name of the library, or a file.")],
    *,
    folders: Annotated[
        list[Path] | None, typer.Option("--dir", help="A folder of profiles that goes before the library.")
    ] = None,
    pty: Annotated[Path | None, typer.Option(help="Be a serial port of this name.")] = None,
    tcp: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Be there, Modbus in TCP frames.")] = None,
    rtu_over_tcp: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="Be there, as a serial line behind a device server.")
    ] = None,
    unit: Annotated[int | None, typer.Option(min=1, max=255, help="Its address.")] = None,
    baud: Annotated[int | None, typer.Option(min=50, help="The line's speed; else the factory's.")] = None,
    every: Annotated[float, typer.Option(min=0.05, help="Seconds, for a device that speaks by itself.")] = 1.0,
    fault: Annotated[str, typer.Option(help="What goes wrong: `late 500ms`, `crc every 5`, ...")] = "none",
    value: Annotated[list[str] | None, typer.Option("--set", metavar="POINT=NUMBER", help="Measure this.")] = None,
    seed: Annotated[int, typer.Option(help="Of its noise.")] = 1,
) -> None:
    """Be a device: answer as its profile says, with values near those of its capture, and faults on demand.

    While it runs it takes lines: `fault silence`, `set temperature 21.5`, `values`, `quit`.
    """
    place = _place(pty, tcp, rtu_over_tcp)
    read, capture = _read(profile, folders or [])
    try:
        simulation = Simulation(
            read,
            capture,
            address=unit,
            place=place,
            baud=baud or read.line.baud,
            every_s=every,
            clock=SystemClock(),
            chance=random.Random(seed),  # noqa: S311 - noise, not secrets
        )
        simulation.fault(parse_fault(fault))
        for said in value or ():
            key, _, number = said.partition("=")
            simulation.put(key, number)
    except (FaultError, SimulationError) as error:
        raise LibraryError(str(error)) from error
    try:
        asyncio.run(_run(simulation))
    except OSError as error:
        raise LibraryError(f"{pty or tcp or rtu_over_tcp}: {error.strerror or error}; choose another") from error


async def _run(simulation: Simulation) -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)

    def typed() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(_obey, simulation, line, ended)

    # A thread that dies with the process: reading what is typed cannot be cancelled.
    threading.Thread(target=typed, name="typed", daemon=True).start()
    await simulation.run(typer.echo, ended)


def _obey(simulation: Simulation, line: str, ended: asyncio.Event) -> None:
    if line.strip() == "quit":
        ended.set()
        return
    try:
        said = simulation.answer(line)
    except (FaultError, SimulationError) as error:
        said = str(error)
    if said:
        typer.echo(said)


def _place(pty: Path | None, tcp: str | None, rtu_over_tcp: str | None) -> Place:
    if sum(one is not None for one in (pty, tcp, rtu_over_tcp)) != 1:
        raise LibraryError("found none or several of --pty, --tcp and --rtu-over-tcp; expected one of them")
    if pty is not None:
        if pty.exists() and not pty.is_symlink():
            raise LibraryError(f"--pty {pty}: there is something of this name; choose another")
        return Place(pty=pty)
    said = tcp or rtu_over_tcp or ""
    host, _, port = said.rpartition(":")
    if not host or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise LibraryError(f"found {said!r}, expected HOST:PORT, as in 127.0.0.1:5020; port 0 takes a free one")
    return Place(host=host, port=int(port), rtu_over_tcp=rtu_over_tcp is not None)


def _read(name: str, folders: Sequence[Path]) -> tuple[DeviceProfile, Capture | None]:
    path = Path(name) if name.endswith(".yaml") else profile_path(name, folders)
    read = parse_profile(read_text(path), str(path))
    beside = capture_path(path)
    return read, parse_capture(read_text(beside), str(beside)) if beside.is_file() else None
