"""`sen-profile`: write, check, test and look at device profiles."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from device_profiles.bus_load import BusLoad, modbus_load
from device_profiles.coverage import coverage, coverage_document
from device_profiles.faults import Fault, FileFaults
from device_profiles.library import (
    BLUEPRINT,
    LINES_BLUEPRINT,
    LibraryError,
    capture_path,
    load_all,
    load_capture,
    profile_files,
    profile_path,
    profile_paths,
    read_text,
)
from device_profiles.lint import check_files, lint
from device_profiles.overview import overview, overview_lines
from device_profiles.parse import PROFILE_ID, parse_profile
from device_profiles.plan_text import plan_lines, sum_line
from device_profiles.simulator.command import simulate

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    help="Write, check, test and look at device profiles.",
    epilog="Example: sen-profile show eastron/sdm120",
)

Profiles = Annotated[
    list[str] | None, typer.Argument(help="Names or files; without any, all of the library and the folders.")
]
Folders = Annotated[
    list[Path] | None, typer.Option("--dir", help="A folder of profiles that goes before the library; may be repeated.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def main() -> None:
    """Run a command: exit code 0 only where all is well, and no traceback for anything a user can type."""
    try:
        app()
    except (LibraryError, FileFaults) as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except OSError as error:
        print(f"{error.filename or 'output'}: {error.strerror}", file=sys.stderr)
        sys.exit(1)


@app.command(epilog="Example: sen-profile new acme/t100 --dir profiles")
def new(
    name: Annotated[str, typer.Argument(metavar="VENDOR/MODEL", help="The name of the new profile.")],
    folder: Annotated[Path, typer.Option("--dir", help="The folder to write it to.")] = Path("profiles"),
    *,
    lines: Annotated[bool, typer.Option("--lines", help="Of a device that speaks lines of text, not Modbus.")] = False,
) -> None:
    """Begin a profile and its capture from the commented blueprint."""
    if not PROFILE_ID.match(name):
        raise LibraryError(f"profile {name!r}: expected vendor/model in a-z 0-9 - _")
    path = folder / f"{name}.yaml"
    blueprint = LINES_BLUEPRINT if lines else BLUEPRINT
    for source, target in ((blueprint, path), (capture_path(blueprint), capture_path(path))):
        if target.exists():
            raise LibraryError(f"{target} is there already; choose another name or --dir")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(read_text(source).replace("profile: vendor/model", f"profile: {name}", 1), encoding="utf-8")
        print(target)
    print(f"Next: edit both, then run: sen-profile lint {path}")


@app.command("lint", epilog="Example: sen-profile lint profiles/acme/t100.yaml")
def lint_profiles(
    profiles: Annotated[
        list[str] | None, typer.Argument(help="Names or files; all of the library without any.")
    ] = None,
    folders: Folders = None,
    as_json: AsJson = False,
) -> None:
    """Check profiles: their form, their captures, and that they fit each other. Tells all faults at once."""
    paths = _paths(profiles or [], folders or [])
    _report(
        lint(profile_files(path) for path in paths), f"profiles checked: {len(paths)}, faults: none", as_json=as_json
    )


@app.command("test", epilog="Example: sen-profile test eastron/sdm120")
def read_captures(
    profiles: Annotated[
        list[str] | None, typer.Argument(help="Names or files; all of the library without any.")
    ] = None,
    folders: Folders = None,
    as_json: AsJson = False,
) -> None:
    """Read the bytes of each capture and compare the values with those it expects."""
    paths = _paths(profiles or [], folders or [])
    faults: list[Fault] = []
    for path in paths:
        try:
            faults.extend(check_files(profile_files(path)))
        except FileFaults as error:
            faults.extend(error.faults)
    _report(faults, f"captures read: {len(paths)}, faults: none", as_json=as_json)


@app.command(epilog="Example: sen-profile show ecowitt/wn90lp --json")
def show(
    profile: Annotated[str, typer.Argument(help="A name of the library, or a file.")],
    folders: Folders = None,
    as_json: AsJson = False,
) -> None:
    """Show a profile's points with their units, the requests that read them, and the bus time of each poll."""
    path = _paths([profile], folders or [])[0]
    read = parse_profile(read_text(path), str(path))
    if as_json:
        print(json.dumps(overview(read), indent=2, ensure_ascii=False))
    else:
        print("\n".join(overview_lines(read)))


@app.command("plan", epilog="Example: sen-profile plan eastron/sdm120 --baud 19200 --devices 10")
def plan(
    profile: Annotated[str, typer.Argument(help="A name of the library, or a file.")],
    *,
    folders: Folders = None,
    baud: Annotated[int | None, typer.Option(min=50, help="The line's speed; else the factory's.")] = None,
    period: Annotated[float | None, typer.Option(min=0.1, help="Seconds, for all groups; else the profile's.")] = None,
    devices: Annotated[int, typer.Option(min=1, max=247, help="How many of them are on the line.")] = 1,
    response_ms: Annotated[int, typer.Option(min=0, help="How long they take before they answer.")] = 20,
) -> None:
    """Print the requests that read a Modbus device, their wire time, the bus load, and whether the periods hold."""
    path = _paths([profile], folders or [])[0]
    read = parse_profile(read_text(path), str(path))
    if read.modbus is None:
        raise LibraryError(f"{read.profile} speaks a protocol of its own: only Modbus is planned")
    speed = baud or read.line.baud
    periods_s = {} if period is None else {group.name: period for group in read.modbus.groups}
    one = modbus_load(read.profile, read.modbus, periods_s, baud=speed, response_ms=response_ms)
    load = BusLoad(tuple(replace(group, device=f"device-{n}") for n in range(devices) for group in one))
    print(f"{read.profile} at {speed} baud, where answers begin after {response_ms} ms")
    print("\n".join(plan_lines(BusLoad(one), with_requests=True)))
    if devices > 1:
        print(sum_line(load))
    if not load.is_possible:
        raise typer.Exit(1)


app.command("simulate", epilog="Example: sen-profile simulate eastron/sdm120 --pty /tmp/meter --unit 1")(simulate)


@app.command("coverage", epilog="Example: sen-profile coverage > docs/library.md")
def show_coverage() -> None:
    """Print what the library covers: each profile, its source, and the real examples it reads. In Markdown."""
    captures = {name: load_capture(name) for name in profile_paths()}
    print(coverage_document([coverage(profile, captures[name]) for name, profile in load_all().items()]), end="")


def _paths(names: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """The files of names or files; those of the whole library (and the folders) where there are none."""
    if not names:
        return list(profile_paths(folders).values())
    return [Path(name) if name.endswith(".yaml") else profile_path(name, folders) for name in names]


def _report(faults: Sequence[Fault], praise: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([asdict(fault) for fault in faults], indent=2, ensure_ascii=False))
    else:
        print("\n".join(str(fault) for fault in faults) or praise)
    if faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    main()
