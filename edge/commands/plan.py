"""What the devices of a gateway file cost their buses."""

import json
from pathlib import Path
from typing import Annotated

import typer

from device_profiles.bus_load import BusLoad
from device_profiles.plan_text import plan_lines, verdict
from edge.app import AgentError, checked_in_child
from edge.commands.ending import AsJson, Config, fail
from edge.load_rules import bus_loads


def plan(
    config: Config = Path("gateway.yaml"),
    *,
    response_ms: Annotated[int, typer.Option(min=0, help="How long devices take before they answer.")] = 20,
    requests: Annotated[bool, typer.Option("--requests", help="Tell each request.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is asked of each Modbus bus, what each device costs, and whether the periods hold. Asks no device.

    Example: sen-edge plan /etc/sen/gateway.yaml --requests
    """
    try:
        checked = checked_in_child(config)
    except AgentError as error:
        fail(str(error))
    loads = bus_loads(checked, response_ms=response_ms)
    if as_json:
        typer.echo(json.dumps({bus: _plain(load) for bus, load in loads.items()}))
        return
    for bus, load in loads.items():
        typer.echo(f"bus {bus}, where answers begin after {response_ms} ms")
        typer.echo("\n".join(plan_lines(load, with_requests=requests)))
    others = [bus.bus for bus in checked.config.buses if bus.bus not in loads]
    if others:
        typer.echo(f"no plan for {', '.join(others)}: what is on it speaks by itself or has a protocol of its own")


def _plain(load: BusLoad) -> dict[str, object]:
    return {
        "percent": round(100 * load.share, 2),
        "holds": load.holds,
        "verdict": verdict(load),
        "devices": {name: round(100 * share, 2) for name, share in load.devices().items()},
        "requests": sum(len(group.turns) for group in load.groups),
    }
