"""Running the agent, and what it or its devices say now."""

import json
from pathlib import Path
from typing import Annotated

import typer

from edge.app import AgentError, run_gateway
from edge.commands.ending import AsJson, Config, Device, fail
from edge.on_demand import asked, read_all, read_device, write_control
from edge.printed import reading_text, status_text, written_text


def run(config: Config) -> None:
    """The agent: reads and delivers until it is stopped.

    Example: sen-edge run /etc/sen/gateway.yaml
    """
    # `edge.__main__` runs the agent without this library; whoever writes it in some other way gets it with.
    raise typer.Exit(run_gateway(config, verbose=False))


def status(config: Config = Path("gateway.yaml"), *, as_json: AsJson = False) -> None:
    """How the running agent is: devices, spool, link.

    Example: sen-edge status /etc/sen/gateway.yaml
    """
    try:
        found = asked(config, {"ask": "status"})
    except AgentError as error:
        fail(str(error))
    typer.echo(json.dumps(found) if as_json else status_text(found))


def read(config: Config, device: Device, *, as_json: AsJson = False) -> None:
    """Read one device now: its values beside what came over the wire. Works beside a running agent.

    Example: sen-edge read /etc/sen/gateway.yaml meter-1
    """
    try:
        found = read_device(config, device)
    except AgentError as error:
        fail(str(error))
    typer.echo(json.dumps(found) if as_json else reading_text(found))
    if not found["good"]:
        fail(f"{device} gave no good reading")


def write(
    config: Config,
    device: Device,
    control: Annotated[str, typer.Argument(help="A control or command of its profile that the file allows.")],
    value: Annotated[
        str, typer.Argument(help="A number in the control's unit, or the name of a state; nothing for a command.")
    ] = "do",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it is written.")] = False,
    as_json: AsJson = False,
) -> None:
    """Set a control of a device, or give it a command, once, and see whether it obeyed. Works beside a running agent.

    Example: sen-edge write /etc/sen/gateway.yaml pump-relays relay_1 on
    """
    if not yes:
        typer.confirm(f"set {control} of {device} to {value}?", abort=True, err=True)
    try:
        found = write_control(config, device, control, value)
    except AgentError as error:
        fail(str(error))
    typer.echo(json.dumps(found) if as_json else written_text(found))
    if found["outcome"] not in {"obeyed", "answered"}:
        fail(f"{device} was not seen to obey")


def one_cycle(config: Config = Path("gateway.yaml"), *, as_json: AsJson = False) -> None:
    """Check the file and read every device once; print what would be sent, and send nothing.

    Example: sen-edge test /etc/sen/gateway.yaml
    """
    try:
        found = read_all(config)
    except AgentError as error:
        fail(str(error))
    typer.echo(json.dumps(found) if as_json else "\n".join(reading_text(one) for one in found))
    bad = [one["device"] for one in found if not one["good"]]
    if bad:
        fail(f"{len(bad)} of {len(found)} devices gave no good reading: {', '.join(bad)}")
