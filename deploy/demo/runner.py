"""Runs the demonstration: starts field, hub and gateways, shows what the hub has, and ends by counting every record."""

import argparse
import asyncio
import json
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
from ruamel.yaml import YAML

from deploy.demo.accounts import Accounts, count, spool_state
from deploy.demo.children import Child, ChildError, Children
from deploy.demo.table import fleet_line, head, told_rows
from device_profiles.simulator.clock import Clock, SystemClock
from edge.spool.base import SpoolError
from hub.registry.model import RegistryError
from hub.series.base import SeriesError

_ROOT: Final = Path(__file__).resolve().parents[2]
_HOST: Final = "127.0.0.1"
_PAGE_PORT: Final = 8080
_POLL_S: Final = 0.2
_UP_WITHIN_S: Final = 60.0
_TABLE_S: Final = 1.0
_LINES_S: Final = 5.0
# A gateway drains what it holds before it ends; longer than it gives itself, so that it is never cut off.
_DRAIN_WITHIN_S: Final = 30.0
_STOP_WITHIN_S: Final = 15.0
# Room for the longest name that a gateway puts below it: a UNIX socket's path holds about 100 bytes.
_MAX_FOLDER_BYTES: Final = 60
_CLEAR: Final = "\x1b[H\x1b[J"

# What the field and the hub tell as JSON; its shape is known where it is used.
Told = dict[str, Any]
Asked = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How the demonstration is asked to run. `seconds` None: until Ctrl-C."""

    seconds: float | None
    replay: Path | None
    speed: float
    keep: bool


class Demo:
    """One run in one folder."""

    def __init__(self, options: Options, folder: Path, clock: Clock) -> None:
        self._options = options
        self._folder = folder
        self._clock = clock
        self._children = Children(folder)
        self._stop = asyncio.Event()
        self._http_port, self._mqtt_port = _preferred_port(_PAGE_PORT), _preferred_port(0)

    async def run(self) -> Accounts:
        """Start, show, end, count.

        Raises:
            ChildError: a part did not come up, or ended before its time.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        try:
            field = await self._start_field()
            told = json.loads((self._folder / "field" / "field.json").read_text(encoding="utf-8"))
            hub = await self._start_hub(told["gateways"])
            gateways = [await self._start_gateway(gateway, told["devices"]) for gateway in told["gateways"]]
            self._say_what_runs(told)
            await self._show()
            return await self._end(field, hub, gateways)
        finally:
            await self._children.stop_all(within_s=_STOP_WITHIN_S)

    async def _start_field(self) -> Child:
        """Start the devices; return when they answer."""
        folder = self._folder / "field"
        folder.mkdir()
        given = ["--replay", str(self._options.replay), "--speed", str(self._options.speed)]
        extra = given if self._options.replay else []
        field = await self._children.start("field", "deploy.demo.field", "--folder", str(folder), *extra)
        await self._until("the field devices answer", (folder / "field.json").exists)
        return field

    async def _start_hub(self, gateways: Sequence[Told]) -> Child:
        """Make the hub's folder, register the gateways, start it; return when all its parts work."""
        folder = str(self._folder / "hub")
        await self._children.run("hub-init", "hub", "init", folder)
        config = {"http": {"host": _HOST, "port": self._http_port}, "mqtt": {"host": _HOST, "port": self._mqtt_port}}
        _write_yaml(self._folder / "hub" / "hub.yaml", config)
        for gateway in gateways:
            name = gateway["gateway"]
            (self._folder / name).mkdir()
            site = ["--site", gateway["site"], "--site-name", gateway["site_name"]]
            password = ["--password-file", str(self._folder / name / "mqtt.password")]
            await self._children.run(f"{name}-add", "hub", "gateway", "add", folder, name, *site, *password)
            place = f"{gateway['latitude']},{gateway['longitude']}"
            await self._children.run(f"{name}-site", "hub", "site", "set", folder, gateway["site"], f"--at={place}")
        hub = await self._children.start("hub", "hub", "serve", folder)
        async with self._client() as client:
            await self._until_asked("the hub works", lambda: self._hub_works(client))
        return hub

    async def _start_gateway(self, gateway: Told, devices: Sequence[Told]) -> Child:
        """Write a gateway's file and start its agent."""
        name = gateway["gateway"]
        path = self._folder / name / "gateway.yaml"
        own = [device for device in devices if device["gateway"] == name]
        buses = {device["bus"]["bus"]: device["bus"] for device in own}
        config = {
            "gateway": name,
            "site": gateway["site"],
            "mode": "simulated",
            "state_dir": "state",
            "hub": {
                "broker": f"mqtt://{_HOST}:{self._mqtt_port}",
                "username": name,
                "password_file": "mqtt.password",
            },
            "buses": list(buses.values()),
            "devices": [_entry(device) for device in own],
        }
        _write_yaml(path, config)
        return await self._children.start(name, "edge", "run", str(path))

    def _say_what_runs(self, told: Told) -> None:
        parts = f"a hub, {len(told['gateways'])} gateways, {len(told['devices'])} devices"
        print(f"Sen demonstration: {parts}, all on this machine")
        for device in told["devices"]:
            bus = device["bus"]
            print(f"  {device['device']:11} {device['profile']:27} on {bus['bus']} ({bus['kind']}): {device['fed_by']}")
        if told["source"] == "recorded":
            print(
                f"recordings run {told['speed']:g} times as fast as recorded, hours of air {told['air_speed']:g} times"
            )
        print("every record of it says `simulated`, recorded ones too")
        print(f"folder: {self._folder}")
        print(f"page:   http://{_HOST}:{self._http_port}")
        ends = "Ctrl-C ends it" if self._options.seconds is None else f"it ends in {self._options.seconds:g} s"
        print(ends, flush=True)

    async def _show(self) -> None:
        """Show the newest values until it is time to end."""
        is_terminal = sys.stdout.isatty()
        end_s = None if self._options.seconds is None else self._clock.monotonic_s() + self._options.seconds
        every_s = _TABLE_S if is_terminal else _LINES_S
        shown_s = self._clock.monotonic_s()
        async with self._client() as client:
            while not self._stop.is_set() and (end_s is None or self._clock.monotonic_s() < end_s):
                self._children.check()
                if self._clock.monotonic_s() - shown_s >= every_s:
                    shown_s = self._clock.monotonic_s()
                    await self._print_values(client, is_terminal=is_terminal)
                await self._pause()

    async def _print_values(self, client: httpx.AsyncClient, *, is_terminal: bool) -> None:
        try:
            latest, fleet = (await client.get("/latest")).json(), (await client.get("/gateways")).json()
        except (httpx.HTTPError, ValueError) as error:
            print(f"the hub does not answer now: {error}", flush=True)
            return
        lines = [fleet_line(fleet), head(), *told_rows(latest)]
        if is_terminal:
            room = shutil.get_terminal_size().lines - 3
            page = f"page: http://{_HOST}:{self._http_port}   Ctrl-C ends the demonstration"
            print(_CLEAR + "\n".join([page, *lines[:room]]), flush=True)
        else:
            print("\n".join(lines), flush=True)

    async def _end(self, field: Child, hub: Child, gateways: Sequence[Child]) -> Accounts:
        """Let the gateways drain, then end the hub, then the field; count."""
        print("ending: the gateways deliver what they hold ...", flush=True)
        for late in await self._children.stop(*gateways, within_s=_DRAIN_WITHIN_S):
            print(f"{late.name} did not end within {_DRAIN_WITHIN_S:g} s and was killed", flush=True)
        for late in await self._children.stop(hub, within_s=_STOP_WITHIN_S):
            print(f"{late.name} did not end within {_STOP_WITHIN_S:g} s and was killed", flush=True)
        await self._children.stop(field, within_s=_STOP_WITHIN_S)
        states = [spool_state(self._folder / gateway.name, gateway.name) for gateway in gateways]
        return await count(self._folder / "hub", states)

    async def _hub_works(self, client: httpx.AsyncClient) -> bool:
        try:
            return bool((await client.get("/health")).json()["ok"])
        except (httpx.HTTPError, ValueError, KeyError):
            return False

    async def _until(self, what: str, holds: Callable[[], bool]) -> None:
        async def ask() -> bool:
            return holds()

        await self._until_asked(what, ask)

    async def _until_asked(self, what: str, holds: Asked) -> None:
        deadline_s = self._clock.monotonic_s() + _UP_WITHIN_S
        while not await holds():
            self._children.check()
            if self._stop.is_set():
                raise ChildError(f"ended by you while waiting until {what}")
            if self._clock.monotonic_s() > deadline_s:
                raise ChildError(f"within {_UP_WITHIN_S:g} s it did not come about that {what}; logs: {self._folder}")
            await self._pause()

    async def _pause(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_POLL_S):
                await self._stop.wait()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=f"http://{_HOST}:{self._http_port}/api/v1", timeout=5, trust_env=False)


def main() -> None:
    """Run the demonstration; the last line is JSON, and the exit code 0 only where every record is accounted for."""
    options = _options()
    folder = _new_folder()
    try:
        accounts = asyncio.run(Demo(options, folder, SystemClock()).run())
    except (ChildError, SpoolError, SeriesError, RegistryError, OSError) as error:
        sys.exit(f"the demonstration failed: {error}\nits folder is kept: {folder}")
    for trouble in accounts.troubles:
        print(f"not well: {trouble}")
    if options.keep or accounts.troubles:
        print(f"kept: {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(accounts.as_json(), flush=True)
    sys.exit(1 if accounts.troubles else 0)


def _options() -> Options:
    parser = argparse.ArgumentParser(
        prog="demo.py",
        description="A hub, two gateways and their field devices on this machine. Nothing needs to be installed.",
        epilog="Example: demo.py --seconds 30   Example: demo.py --replay data --speed 10",
    )
    parser.add_argument("--seconds", type=_positive, help="end by itself after so long (default: Ctrl-C)")
    parser.add_argument("--replay", type=Path, help="a folder of recordings to feed the devices with")
    parser.add_argument("--speed", type=_positive, default=1.0, help="how much faster than recorded (default: 1)")
    parser.add_argument("--keep", action="store_true", help="keep the folder with all files, logs and databases")
    given = parser.parse_args()
    replay = given.replay.resolve() if given.replay else None
    if replay is not None and not replay.is_dir():
        parser.error(f"--replay {given.replay}: there is no such folder")
    return Options(seconds=given.seconds, replay=replay, speed=given.speed, keep=given.keep)


def _positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"found {text}, expected a number above 0")
    return number


def _new_folder() -> Path:
    """A folder of this run's own: in the checkout where that may be written and its path is short, else in /tmp."""
    home = _ROOT / ".sen" / "demo"
    if len(str(home).encode()) <= _MAX_FOLDER_BYTES:
        with suppress(OSError):
            home.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="run-", dir=home))
    return Path(tempfile.mkdtemp(prefix="sen-demo-"))


def _preferred_port(preferred: int) -> int:
    """The preferred TCP port where nobody has it, else any free one."""
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((_HOST, port))
            return int(probe.getsockname()[1])
    raise ChildError("this machine has no free TCP port")


def _entry(device: Told) -> Told:
    """A device of the field as an entry of a gateway file."""
    entry = {key: value for key, value in device.items() if key not in {"gateway", "fed_by", "bus"}}
    return entry | {"bus": device["bus"]["bus"]}


def _write_yaml(path: Path, config: Mapping[str, object]) -> None:
    with path.open("w", encoding="utf-8") as file:
        yaml = YAML()
        yaml.default_flow_style = None
        yaml.dump(dict(config), file)


if __name__ == "__main__":
    main()
