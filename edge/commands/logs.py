"""`sen-edge logs`: what went wrong, with the bytes around it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.app import AgentError, checked_in_child, state_dir_of
from edge.commands.ending import AsJson, fail
from edge.control import ControlError, NoAgentError, ask, socket_path
from edge.diagnosis.fault_file import FAULT_FILE, FaultFile
from edge.diagnosis.flight_recorder import newest_of
from edge.printed import moment_text, wrapped

Config = Annotated[Path, typer.Argument(help="The gateway file.")]
DeviceName = Annotated[str | None, typer.Option("--device", help="Of this device only.")]
Newest = Annotated[int, typer.Option("--newest", min=1, max=10_000, help="How many faults.")]

# A fault: JSON of edge/diagnosis/flight_recorder.py.
Told = Mapping[str, Any]


def logs(
    config: Config = Path("gateway.yaml"), *, device: DeviceName = None, newest: Newest = 5, as_json: AsJson = False
) -> None:
    """What went wrong on the lines, with the bytes sent and received around it. Needs no running agent.

    Example: sen-edge logs /etc/sen/gateway.yaml --device meter-1
    """
    try:
        found = newest_of(faults_of(state_dir_of(checked_in_child(config))), device=device, at_most=newest)
    except (AgentError, ControlError, OSError) as error:
        fail(str(error))
    if as_json:
        typer.echo(json.dumps(found))
    else:
        typer.echo("\n\n".join(fault_text(one) for one in found) or "no fault is on record")


def faults_of(state_dir: Path) -> list[Told]:
    """All that is on record: what is on disk, and what a running agent has not written down yet.

    Raises:
        ControlError: an agent runs and does not answer.
        OSError: the file cannot be read.
    """
    kept = FaultFile(state_dir / FAULT_FILE).read()
    known = {_key(one) for one in kept}
    try:
        newer = ask(socket_path(state_dir), {"ask": "faults"})["incidents"]
    except NoAgentError:
        newer = []
    return [*kept, *(one for one in newer if _key(one) not in known)]


def fault_text(fault: Told) -> str:
    """A fault for an 80-column terminal, each piece of bytes with its milliseconds from the fault."""
    again = f" ({fault['repeats']} more since the one before)" if fault["repeats"] else ""
    head = f"{moment_text(fault['time_ms'])} {fault['device']} on {fault['bus']}: {fault['kind']}{again}"
    lines = [*wrapped(head, indent=4), *wrapped(f"  {fault['text']}", indent=4)]
    for piece in fault["frames"]:
        lines.extend(wrapped(f"  {piece['at_ms']:+9.1f} ms {piece['dir']:5} {piece['bytes']}", indent=21))
    return "\n".join(lines)


def _key(fault: Told) -> tuple[object, ...]:
    return fault.get("time_ms"), fault.get("device"), fault.get("kind")
