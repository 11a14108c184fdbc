"""Set up the database that the hub keeps its series in."""

from pathlib import Path
from typing import Annotated

import typer

from hub.commands.asking import Folder, fail

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Set up the database for series.")


@app.callback()
def storage() -> None:
    """Set up the database for series."""


@app.command(
    "setup", epilog="Example: sen-hub storage setup /srv/sen --url http://127.0.0.1:8086 --admin-token-file admin.token"
)
def setup(
    folder: Folder,
    url: Annotated[str | None, typer.Option(help="Where InfluxDB is; default: as in hub.yaml.")] = None,
    kind: Annotated[str | None, typer.Option(help="influxdb2 or influxdb1; default: as in hub.yaml.")] = None,
    org: Annotated[str | None, typer.Option(help="The organisation of 2.x; default sen.")] = None,
    bucket: Annotated[str | None, typer.Option(help="The bucket or database of raw series; default sen.")] = None,
    admin_token_file: Annotated[
        Path | None, typer.Option(help="The file with an administrator's token; for 1.x with user:password.")
    ] = None,
    onboard: Annotated[bool, typer.Option("--onboard", help="2.x: take over a new server that nobody owns.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")] = False,
) -> None:
    """Make a bucket for each level, with its retention, and tokens for just these; name all of it in hub.yaml.

    The hub's token reads and writes, Grafana's only reads.

    Doing it again changes nothing. A running hub has to be started again to use them.
    """
    from hub.config import SeriesKind, open_folder
    from hub.kept import level_days
    from hub.storage.setup import Request, StorageSetup, secret_in

    opened = open_folder(folder)
    series = opened.config.series
    place = url or series.url
    if place is None:
        fail("where is InfluxDB? --url http://127.0.0.1:8086")
    wanted = kind or (series.kind.value if series.kind is not SeriesKind.EMBEDDED else SeriesKind.INFLUXDB2.value)
    if wanted not in {SeriesKind.INFLUXDB2, SeriesKind.INFLUXDB1}:
        fail(f"--kind: found {wanted!r}, expected influxdb2 or influxdb1")
    told: list[str] = []

    def say(change: str) -> None:
        told.append(change)
        print(f"would make or change: {change}" if dry_run else change)

    request = Request(
        kind=SeriesKind(wanted),
        url=place.rstrip("/"),
        org=org or series.org or "sen",
        bucket=bucket or series.bucket or "sen",
        admin=None if admin_token_file is None else secret_in(admin_token_file),
        is_onboarding=onboard,
        dry_run=dry_run,
    )
    StorageSetup(opened, request, level_days(opened), say).run()
    if not told:
        print("everything is there already")
