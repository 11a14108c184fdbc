"""`sen-edge doctor`: what is wrong, what shows it, and what to do next."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from device_profiles.compiled import plain_of
from edge.app import AgentError, broker_address, checked_in_child, state_dir_of
from edge.clock import SystemClock
from edge.commands.doctor_text import finding_text, summary_text
from edge.commands.ending import AsJson, fail
from edge.commands.target import bus_of, running_door
from edge.config import BusConfig, CheckedGateway
from edge.control import ControlError, ask
from edge.diagnosis.bus_findings import bus_findings
from edge.diagnosis.facts import BusFacts, GatewayFacts
from edge.diagnosis.findings import findings
from edge.diagnosis.gather import facts_alone, facts_of_agent, subject
from edge.diagnosis.machine import free_bytes, is_synchronised, reached, user_name

Config = Annotated[Path, typer.Argument(help="The gateway file.")]
BusName = Annotated[str | None, typer.Option("--bus", help="Look at this bus only.")]
DeviceName = Annotated[str | None, typer.Option("--device", help="Look at this device only.")]
_MEGABYTE: Final = 1024 * 1024

# What the agent tells of itself: JSON of edge/app.py.
Told = dict[str, Any]


def doctor(
    config: Config = Path("gateway.yaml"),
    *,
    bus: BusName = None,
    device: DeviceName = None,
    as_json: AsJson = False,
) -> None:
    """Find out what is wrong: ports, lines, devices, agent, broker, spool, clock. Only reads.

    Example: sen-edge doctor /etc/sen/gateway.yaml --bus rs485-1
    """
    try:
        checked = checked_in_child(config)
        buses = _wanted(checked, bus, device)
        facts = asyncio.run(_facts(str(config), checked, buses, device))
    except (AgentError, ControlError) as error:
        fail(str(error))
    is_part = bus is not None or device is not None
    found = [one for each in facts.buses for one in bus_findings(each, facts)] if is_part else findings(facts)
    if as_json:
        typer.echo(json.dumps({"findings": [plain_of(one) for one in found]}))
    else:
        for one in found:
            typer.echo(finding_text(one))
        typer.echo(summary_text(facts, found))
    if any(one.is_fault for one in found):
        raise typer.Exit(1)


def _wanted(checked: CheckedGateway, bus: str | None, device: str | None) -> list[BusConfig]:
    """The buses to look at.

    Raises:
        AgentError: there is no such bus or device.
    """
    if device is not None:
        at = next((one.bus for one in checked.config.devices if one.device == device), None)
        if at is None or bus not in {None, at}:
            names = ", ".join(one.device for one in checked.config.devices if bus in {None, one.bus})
            raise AgentError(f"device {device!r}: not in the gateway file; it has {names}")
        return [bus_of(checked, at)]
    return [bus_of(checked, bus)] if bus is not None else list(checked.config.buses)


async def _facts(config: str, checked: CheckedGateway, buses: list[BusConfig], device: str | None) -> GatewayFacts:
    clock = SystemClock()
    door = running_door(checked)
    told = None if door is None else await asyncio.to_thread(ask, door, {"ask": "status"})
    seen: list[BusFacts] = []
    for bus in buses:
        one = subject(checked, bus, device=device, clock=clock)
        if not one.devices:
            continue
        if door is not None and told is not None:
            seen.append(await facts_of_agent(one, door, told, say=_say))
        else:
            seen.append(await facts_alone(one, clock=clock, say=_say))
    state_dir = state_dir_of(checked)
    return GatewayFacts(
        config=config,
        user=user_name(),
        agent_runs=door is not None,
        broker=checked.config.hub.broker,
        broker_trouble=await _broker_trouble(checked, told),
        spool_bytes=told["spool"]["bytes_held"] if told is not None else 0,
        spool_max_bytes=checked.config.spool.max_mb * _MEGABYTE,
        disk_free_bytes=free_bytes(state_dir),
        now_ms=clock.now_ms(),
        is_synchronised=is_synchronised(),
        buses=tuple(seen),
    )


async def _broker_trouble(checked: CheckedGateway, told: Told | None) -> str | None:
    if told is not None:
        return None if told["link"]["connected"] else str(told["link"]["trouble"] or "not connected yet")
    address = broker_address(checked)
    return await reached(address.host, address.port)


def _say(what: str) -> None:
    """Where a doctor is, for a person who waits."""
    if sys.stderr.isatty():
        typer.echo(f"... {what}", err=True)
