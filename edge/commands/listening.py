"""`sen-edge scan --listen`: who speaks by itself on a line, and what it may be."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace

import typer

from device_profiles.compiled import plain_of
from device_profiles.model import DeviceProfile
from device_profiles.point_model import Line
from edge.app import AgentError
from edge.clock import SystemClock
from edge.commands.ending import fail
from edge.commands.scan_text import overheard_text, speaking_file_lines
from edge.commands.target import Given, Target, target_of
from edge.config import BusKind
from edge.diagnosis.lines import line_alone
from edge.diagnosis.overheard import LISTEN_S, Overheard, overhear, speaking_lines
from edge.diagnosis.survey import line_text
from edge.drivers.base import ByteStream
from edge.printed import age_text, wrapped


def listen(given: Given, profiles: Mapping[str, DeviceProfile], *, as_json: bool) -> None:
    """Listen, with the settings that were said, or with those that such devices have; nothing is sent.

    Raises:
        AgentError: there is no such line, or the agent has it.
        DriverError: it cannot be had.
    """
    target = target_of(given, kind=BusKind.SERIAL)
    if target.door is not None:
        raise AgentError(
            f"bus {target.bus.bus}: the agent has it open; `sen-edge status {given.config}` shows what it says"
        )
    if given.host is not None:
        target = replace(target, bus=replace(target.bus, kind=BusKind.SERIAL_OVER_TCP))
    lines = _lines(given, target, profiles)
    done = asyncio.run(_listened(target, lines, profiles, is_told=not as_json))
    if as_json:
        typer.echo(json.dumps({"place": target.place, "heard": [plain_of(one) for one in done]}))
    elif done[-1].fits:
        typer.echo(speaking_file_lines(target.bus, done[-1]))
    if not done[-1].fits:
        hint = "" if given.host else f"; `sen-edge scan --port {target.place} --guess` asks Modbus devices"
        fail(f"{target.place}: nobody who speaks by himself was understood{hint}")


def _lines(given: Given, target: Target, profiles: Mapping[str, DeviceProfile]) -> Sequence[Line]:
    is_said = given.baud is not None or given.parity is not None or given.stop_bits is not None
    if is_said or not target.bus.kind.is_port:
        return (target.line,)
    first = (target.line,) if given.bus is not None else ()
    return (*first, *(line for line in speaking_lines(profiles) if line not in first))


async def _listened(
    target: Target, lines: Sequence[Line], profiles: Mapping[str, DeviceProfile], *, is_told: bool
) -> list[Overheard]:
    clock = SystemClock()

    def opened(line: Line) -> AbstractAsyncContextManager[ByteStream]:
        return line_alone(target.bus_at(line), line, clock=clock)

    if is_told:
        tried = ", ".join(map(line_text, lines)) if target.bus.kind.is_port else "the server's settings"
        most = age_text(LISTEN_S * len(lines))
        head = f"{target.place}: listening at {tried}; {most} at most, until somebody is understood"
        typer.echo("\n".join(wrapped(head, indent=2)))
    done: list[Overheard] = []
    async for one in overhear(lines, opened, profiles, seconds=LISTEN_S, clock=clock):
        done.append(one)
        if is_told:
            typer.echo(overheard_text(one))
    return done
