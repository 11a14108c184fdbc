"""Look at what a running hub has stored."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from hub.commands.asking import AsJson, Folder, ask, fail, stream

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what a running hub has stored.")

Where = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Which series: measurement, site, gateway, device, group, mode, field. For values over time also limit, "
        "from and to (2026-11-23T10:00:00Z, -6h, now), aggregate (mean, min, max, sum, count, last) and window (5m).",
    ),
]


@app.command("list", epilog="Example: sen-hub series list /srv/sen device=meter-1")
def listed(folder: Folder, where: Where = None, as_json: AsJson = False) -> None:
    """The series there are, each with its newest value, age, mode and quality."""
    found = ask(folder, "/latest", **_parts(where))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for item in found:
        series, value = item["series"], item["value"]
        told = "-" if value is None else f"{value:.9g} {series['unit']}"
        age = f"{item['age_s']:.0f} s{' STALE' if item['stale'] else ''}"
        place = "/".join(series[part] for part in ("site", "gateway", "device", "group", "field"))
        print(f"{place:50} {told:>18}  {age:>12}  {series['mode']:10} {item['quality']}")


@app.command("show", epilog="Example: sen-hub series show /srv/sen device=meter-1 field=voltage from=-15m")
def show(folder: Folder, where: Where = None, as_json: AsJson = False) -> None:
    """The values of one series over time, of the last hour unless from and to say otherwise."""
    found = ask(folder, "/series/values", **{"limit": "100", **_parts(where)})
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print("/".join(part for part in found["series"].values() if part))
    for time, number, quality in _rows(found):
        print(f"{time}  {number:>14}  {quality}")
    if found["truncated"]:
        print("older ones are left out: limit=1000 shows more")


@app.command("export", epilog="Example: sen-hub series export /srv/sen device=meter-1 level=5m from=-7d > meter.csv")
def export(
    folder: Folder,
    where: Where = None,
    as_csv: Annotated[bool, typer.Option("--csv/--json", help="The format; JSON is of one series.")] = True,
    parquet: Annotated[Path | None, typer.Option(help="Write a Parquet file instead (needs pyarrow).")] = None,
) -> None:
    """Values of all series that match, each with unit, mode and quality; the last day unless from says otherwise.

    level=5m or level=1h exports what was put together by five minutes or hours.
    """
    parts = _parts(where)
    if parquet is not None:
        from hub.commands.parquet import write_parquet

        print(f"{write_parquet(stream(folder, '/series/export', **parts), parquet)} values in {parquet}")
    elif as_csv:
        for line in stream(folder, "/series/export", **parts):
            sys.stdout.write(line)
    else:
        found = ask(folder, "/series/values", **{"from": "-1d", "limit": "100000", **parts})
        print(json.dumps(found, indent=1))
        if found["truncated"]:
            fail("there are more values: older ones are left out; narrow from and to, or export them as CSV")


def _rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:  # Any: the API's JSON
    from hub.api.export import time_text

    return [
        (time_text(sample["time_ms"]), "" if sample["value"] is None else repr(sample["value"]), sample["quality"])
        for sample in found["samples"]
    ]


def _parts(where: list[str] | None) -> dict[str, str]:
    parts = dict(item.partition("=")[::2] for item in where or [])
    if bad := [key for key, value in parts.items() if not value]:
        fail(f"found {bad[0]!r}, expected KEY=VALUE, for example device=meter-1")
    return parts
