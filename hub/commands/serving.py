"""Make a hub, run it, and see how it is."""

import asyncio
import json
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.asking import AsJson, Folder, ask, fail, print_fleet

if TYPE_CHECKING:
    from hub.config import HubFolder


def init(folder: Folder) -> None:
    """Make a hub's folder: hub.yaml and its secrets. What is there already is left alone."""
    from hub.config import open_folder
    from hub.new_folder import make_folder

    made = make_folder(folder)
    for path in made:
        print(f"made {path}")
    if not made:
        print(f"{folder}: everything is there already")
    open_folder(folder)
    print(f"next: sen-hub serve {folder}")


def serve(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="The hub's folder.")] = None,
    config: Annotated[Path | None, typer.Option("--config", help="Its hub.yaml, instead of DIR.")] = None,
    log_level: Annotated[str, typer.Option("--log-level", help="debug, info, warning or error")] = "info",
) -> None:
    """Run the hub: broker, ingest, API and page. Ctrl-C or SIGTERM ends it."""
    from hub.app import serve as serve_hub
    from hub.clock import SystemClock
    from hub.config import open_folder

    place = folder or config
    if place is None:
        fail("which hub? sen-hub serve DIR")
    _log_to_stderr(log_level)
    opened = open_folder(place)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve_hub(opened, clock=SystemClock(), stop=stop, started=_say_started(opened))

    asyncio.run(run())


def status(folder: Folder, as_json: AsJson = False) -> None:
    """The running hub: its parts, alarms, the fleet and its accounts. Exit code 1 on trouble in a part, or an alarm."""
    health, fleet = ask(folder, "/health"), ask(folder, "/gateways")
    if as_json:
        print(json.dumps({"health": health, **fleet}, indent=1))
    else:
        for name in ("broker", "series", "registry", "ingest"):
            part = health[name]
            print(f"{name:9} {part.get('kind', ''):10} {part['trouble'] or 'works'}")
        for line in health["store_found"]:
            print(f"{'':9} series     {line}")
        for alarm in health["alarms"]:
            print(f"ALARM     {alarm['kind']}: {alarm['text']}")
        print_fleet(fleet)
    if not health["ok"] or health["alarms"]:
        raise typer.Exit(1)


def _say_started(folder: "HubFolder") -> Callable[[str], None]:
    def say(address: str) -> None:
        mqtt = folder.config.mqtt
        token = f", token in {folder.file(folder.config.http.token_file)}" if folder.config.http.needs_token else ""
        print(f"sen-hub: page and API at {address}{token}; gateways at mqtt://{mqtt.host}:{mqtt.port}", flush=True)

    return say


def _log_to_stderr(level: str) -> None:
    if level not in {"debug", "info", "warning", "error"}:
        fail(f"--log-level: found {level!r}, expected debug, info, warning or error")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("uvicorn", "httpx", "httpcore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
