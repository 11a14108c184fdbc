"""Running the agent, and what it or its devices say now."""

import json
from pathlib import Path

import typer

from edge.app import AgentError, asked, read_all, read_device, run_gateway
from edge.commands.ending import AsJson, Config, Device, fail
from edge.printed import reading_text, status_text


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
