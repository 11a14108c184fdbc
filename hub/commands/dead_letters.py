"""Look at what was put aside, try it again, or drop it. The hub is running."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from hub.commands.asking import AsJson, Folder, ask, fail, tell

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="What was put aside: look at it, try it again, or drop it."
)
breaker = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="What holds back a fleet that is refused.")
Numbers = Annotated[list[int], typer.Argument(metavar="NUMBER...", help="Which, as `list` shows them.")]
OfGateway = Annotated[str | None, typer.Option("--gateway", help="Only those of this gateway.")]
_BYTES_A_LINE = 32


@app.command("list", epilog="Example: sen-hub dead-letters list /srv/sen --gateway gw-north")
def listed(
    folder: Folder,
    gateway: OfGateway = None,
    closed: Annotated[bool, typer.Option("--closed", help="Those that were stored after all, or dropped.")] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many, the newest.")] = 100,
    as_json: AsJson = False,
) -> None:
    """What was put aside, the newest first."""
    found = ask(folder, "/dead-letters/closed" if closed else "/dead-letters", gateway=gateway, limit=limit)
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for one in found:
        which = "whole message" if one["seq"] is None else f"epoch {one['epoch']} seq {one['seq']}"
        did = (
            f"  {one['outcome']} {_time(one['closed_ms'])}" if closed else f"  {_time(one['time_ms'])} x{one['times']}"
        )
        print(f"{one['letter_id']:>6}  {one['gateway']:20} {one['reason']:10} {which:34}{did}  {one['detail']}")
    if not found:
        print("none")


@app.command("show", epilog="Example: sen-hub dead-letters show /srv/sen 17")
def show(
    folder: Folder,
    number: Annotated[int, typer.Argument(metavar="NUMBER", help="Which, as `list` shows it.")],
    as_json: AsJson = False,
) -> None:
    """One of them: who sent it, why it was put aside, what it says, and its bytes."""
    found = ask(folder, f"/dead-letters/{number}")
    if as_json:
        print(json.dumps(found, indent=1))
        return
    letter = found["letter"]
    print(f"gateway  {letter['gateway']}\ntopic    {found['topic']}\nreason   {letter['reason']}: {letter['detail']}")
    if letter["seq"] is not None:
        print(f"record   epoch {letter['epoch']} seq {letter['seq']}")
    print(f"newest   {_time(letter['time_ms'])}, {letter['times']} times")
    _print_records(found)
    payload = bytes.fromhex(found["payload_hex"])
    for start in range(0, len(payload), _BYTES_A_LINE):
        print(f"{start:08x} {payload[start : start + _BYTES_A_LINE].hex(' ')}")


@app.command("retry", epilog="Example: sen-hub dead-letters retry /srv/sen 17 18")
def retry(folder: Folder, numbers: Numbers) -> None:
    """Try them again, as if they had just come. Exit code 1 where one of them stays."""
    stays = 0
    for number in numbers:
        tried = tell(folder, f"/dead-letters/{number}/retry")
        stays += not tried["stored"]
        print(f"{number}: {tried['detail'] if tried['stored'] else 'stays: ' + tried['detail']}")
    if stays:
        fail(f"{stays} of {len(numbers)} dead letters stay")


@app.command("drop", epilog="Example: sen-hub dead-letters drop /srv/sen 17")
def drop(folder: Folder, numbers: Numbers) -> None:
    """Drop them for good. `list --closed` shows that they were there; a refused record stays counted as refused."""
    for number in numbers:
        print(tell(folder, f"/dead-letters/{number}/drop")["done"])


@breaker.command("close", epilog="Example: sen-hub breaker close /srv/sen")
def close_breaker(folder: Folder) -> None:
    """Put aside what is refused from now on, although it is much: for when the fault is not the hub's."""
    print(tell(folder, "/breaker/close")["done"])


@breaker.command("show", epilog="Example: sen-hub breaker show /srv/sen")
def show_breaker(folder: Folder) -> None:
    """Whether it is open, and why. Exit code 1 where it is."""
    texts = [alarm["text"] for alarm in ask(folder, "/health")["alarms"] if alarm["kind"] == "breaker"]
    if texts:
        fail(f"open: {texts[0]}")
    print("closed")


def _print_records(found: dict[str, Any]) -> None:  # Any: the API's JSON
    if found["unreadable"] is not None:
        print(f"says     nothing that can be read: {found['unreadable']}")
    for record in found["records"]:
        place = "/".join(record[part] for part in ("device", "group", "measurement", "mode"))
        values = ", ".join(f"{key} {told}" for key, told in record["values"].items())
        print(f"says     seq {record['seq']} at {_time(record['time_ms'])} {place}: {values}")
    if found["more_records"]:
        print(f"         and {found['more_records']} more records")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
