"""`sen-hub`: make, run and look at a hub."""

import asyncio
import csv
import json
import logging
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from hub.config import HubFolder
    from hub.registry.store import Registry

_Result = TypeVar("_Result")

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Make, run and look at a hub. DIR is the hub's folder, or its hub.yaml.",
    epilog="Example: sen-hub init /srv/sen && sen-hub serve /srv/sen",
)
gateway_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Let gateways in, and see who is there.")
series_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at what a running hub has stored.")
app.add_typer(gateway_app, name="gateway")
app.add_typer(series_app, name="series")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The hub's folder.")]
Name = Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's name: a-z 0-9 _ -")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
PasswordTo = Annotated[
    Path | None,
    typer.Option("--password-file", help="Write the password there (only its owner may read it), not to the screen."),
]


def main() -> None:
    """Run a command: exit code 0 only where all is well, and no traceback for anything a user can type."""
    from device_profiles.faults import FileFaults
    from hub.broker.base import BrokerError
    from hub.config import ConfigError
    from wire.errors import WireError

    try:
        app()
    except (ConfigError, FileFaults, BrokerError, WireError) as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {error.strerror}")
    except Exception as error:
        # The heavy modules that own these errors are imported by the commands that can raise them.
        if type(error).__name__ in {"HubSilent", "RegistryError", "SeriesError"}:
            _fail(str(error))
        raise


@app.command(epilog="Example: sen-hub init /srv/sen")
def init(folder: Folder) -> None:
    """Make a hub's folder: hub.yaml and its secrets. What is there already is left alone."""
    from hub.config import make_folder, open_folder

    made = make_folder(folder)
    for path in made:
        print(f"made {path}")
    if not made:
        print(f"{folder}: everything is there already")
    open_folder(folder)
    print(f"next: sen-hub serve {folder}")


@app.command(epilog="Example: sen-hub serve /srv/sen")
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
        _fail("which hub? sen-hub serve DIR")
    _log_to_stderr(log_level)
    opened = open_folder(place)

    async def run() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve_hub(opened, clock=SystemClock(), stop=stop, started=_say_started(opened))

    asyncio.run(run())


@app.command(epilog="Example: sen-hub status /srv/sen --json")
def status(folder: Folder, as_json: AsJson = False) -> None:
    """The running hub: its parts, the fleet and its accounts. Exit code 1 where a part is in trouble."""
    health, fleet = _ask(folder, "/health"), _ask(folder, "/gateways")
    if as_json:
        print(json.dumps({"health": health, **fleet}, indent=1))
    else:
        for name in ("broker", "series", "registry", "ingest"):
            part = health[name]
            print(f"{name:9} {part.get('kind', ''):10} {part['trouble'] or 'works'}")
        _print_fleet(fleet)
    if not health["ok"]:
        raise typer.Exit(1)


@gateway_app.command(
    "add", epilog="Example: sen-hub gateway add /srv/sen gw-north --site north --password-file gw.password"
)
def gateway_add(
    folder: Folder,
    name: Name,
    site: Annotated[str, typer.Option("--site", help="Where it stands; made where it is not there yet.")],
    site_name: Annotated[str | None, typer.Option("--site-name", help="What people call the site.")] = None,
    password_file: PasswordTo = None,
) -> None:
    """Register a gateway, make its site if need be, and give it a new password. The hub may be running."""
    from hub.clock import SystemClock
    from hub.config import open_folder
    from hub.registry.model import Site
    from wire.identifiers import GatewayId, SiteId, check_identifier

    opened = open_folder(folder)
    check_identifier(name, what="gateway")
    check_identifier(site, what="site")

    async def register(registry: "Registry") -> None:
        present = {item.site: item for item in await registry.fleet.sites()}
        if site not in present or site_name is not None:
            await registry.fleet.save_site(Site(site=SiteId(site), name=site_name or site))
        await registry.fleet.register(GatewayId(name), site=SiteId(site), now_ms=SystemClock().now_ms())

    _with_registry(opened, register)
    print(f"gateway {name} is registered at site {site}")
    _give_password(opened, name, password_file)


@gateway_app.command(
    "credentials", epilog="Example: sen-hub gateway credentials /srv/sen gw-north --password-file gw.password"
)
def gateway_credentials(folder: Folder, name: Name, password_file: PasswordTo = None) -> None:
    """Give a registered gateway a new password; the old one is void."""
    from hub.config import open_folder
    from wire.identifiers import GatewayId

    opened = open_folder(folder)
    if _with_registry(opened, lambda registry: registry.fleet.gateway(GatewayId(name))) is None:
        _fail(f"gateway {name} is not registered: sen-hub gateway add {folder} {name} --site SITE")
    _give_password(opened, name, password_file)


@gateway_app.command("list", epilog="Example: sen-hub gateway list /srv/sen")
def gateway_list(folder: Folder, as_json: AsJson = False) -> None:
    """Gateways with their accounts, and names that spoke without being registered. The hub need not be running."""
    from hub.api.views import FleetView, fleet_view
    from hub.clock import SystemClock
    from hub.config import open_folder

    async def look(registry: "Registry") -> FleetView:
        return fleet_view(
            await registry.fleet.gateways(),
            await registry.ledger.all_accounts(),
            await registry.fleet.unknown_gateways(),
            now_ms=SystemClock().now_ms(),
        )

    fleet = _plain(_with_registry(open_folder(folder), look))
    if as_json:
        print(json.dumps(fleet, indent=1))
    else:
        _print_fleet(fleet)


@gateway_app.command("block", epilog="Example: sen-hub gateway block /srv/sen gw-north")
def gateway_block(folder: Folder, name: Name) -> None:
    """Take nothing in from a gateway any more; it keeps its records. `unblock` lets it in again."""
    _set_state(folder, name, blocked=True)
    print(f"gateway {name} is blocked: what it sends is not kept, and it is not told so")


@gateway_app.command("unblock", epilog="Example: sen-hub gateway unblock /srv/sen gw-north")
def gateway_unblock(folder: Folder, name: Name) -> None:
    """Let a blocked gateway in again."""
    _set_state(folder, name, blocked=False)
    print(f"gateway {name} is let in")


@gateway_app.command("remove", epilog="Example: sen-hub gateway remove /srv/sen gw-north")
def gateway_remove(folder: Folder, name: Name) -> None:
    """Void a gateway's password and block it. What it delivered, and its accounts, stay."""
    from hub.broker.passwords import PasswordFile
    from hub.config import BrokerKind, open_folder

    opened = open_folder(folder)
    _set_state(folder, name, blocked=True)
    if opened.config.broker.kind is BrokerKind.URL:
        print(f"gateway {name} is blocked; remove its user at {opened.config.broker.url} yourself")
        return
    PasswordFile(opened.users_file).remove(name)
    print(f"gateway {name} is blocked and its password void; what it delivered stays")


Where = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Which series: measurement, site, gateway, device, group, mode, field. For values over time also limit, "
        "from and to (2026-11-23T10:00:00Z, -6h, now), aggregate (mean, min, max, sum, count, last) and window (5m).",
    ),
]


@series_app.command("list", epilog="Example: sen-hub series list /srv/sen device=meter-1")
def series_list(folder: Folder, where: Where = None, as_json: AsJson = False) -> None:
    """The series there are, each with its newest value, age, mode and quality."""
    found = _ask(folder, "/latest", **_parts(where))
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for item in found:
        series, value = item["series"], item["value"]
        told = "-" if value is None else f"{value:.9g} {series['unit']}"
        age = f"{item['age_s']:.0f} s{' STALE' if item['stale'] else ''}"
        place = "/".join(series[part] for part in ("site", "gateway", "device", "group", "field"))
        print(f"{place:50} {told:>18}  {age:>12}  {series['mode']:10} {item['quality']}")


@series_app.command("show", epilog="Example: sen-hub series show /srv/sen device=meter-1 field=voltage from=-15m")
def series_show(folder: Folder, where: Where = None, as_json: AsJson = False) -> None:
    """The values of one series over time, of the last hour unless from and to say otherwise."""
    found = _ask(folder, "/series/values", **{"limit": "100", **_parts(where)})
    if as_json:
        print(json.dumps(found, indent=1))
        return
    print("/".join(part for part in found["series"].values() if part))
    for time, number, quality in _rows(found):
        print(f"{time}  {number:>14}  {quality}")
    if found["truncated"]:
        print("older ones are left out: limit=1000 shows more")


@series_app.command(
    "export", epilog="Example: sen-hub series export /srv/sen device=meter-1 field=voltage from=-7d > v.csv"
)
def series_export(
    folder: Folder,
    where: Where = None,
    as_csv: Annotated[bool, typer.Option("--csv/--json", help="The format.")] = True,
) -> None:
    """Values of one series over time, each with its unit, mode and quality; the last day unless from says otherwise."""
    found = _ask(folder, "/series/values", **{"from": "-1d", "limit": "100000", **_parts(where)})
    if as_csv:
        series = found["series"]
        place = [series[part] for part in ("site", "gateway", "device", "group", "field", "unit", "mode")]
        table = csv.writer(sys.stdout)
        table.writerow(["site", "gateway", "device", "group", "field", "unit", "mode", "time", "value", "quality"])
        table.writerows([*place, *row] for row in _rows(found))
    else:
        print(json.dumps(found, indent=1))
    if found["truncated"]:
        _fail("there are more values: older ones are left out; narrow from and to, or put them together in windows")


def _rows(found: dict[str, Any]) -> list[tuple[str, str, str]]:  # Any: the API's JSON
    def time(ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    return [
        (time(sample["time_ms"]), "" if sample["value"] is None else repr(sample["value"]), sample["quality"])
        for sample in found["samples"]
    ]


def _parts(where: list[str] | None) -> dict[str, str]:
    parts = dict(item.partition("=")[::2] for item in where or [])
    if bad := [key for key, value in parts.items() if not value]:
        _fail(f"found {bad[0]!r}, expected KEY=VALUE, for example device=meter-1")
    return parts


def _ask(folder: Path, path: str, **asked: str | int | None) -> Any:  # noqa: ANN401 - the API's JSON
    from hub.api.client import ask_hub
    from hub.config import open_folder

    opened = open_folder(folder)
    http = opened.config.http
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(http.host, http.host)  # noqa: S104 - asked, not bound
    address = f"http://[{host}]:{http.port}" if ":" in host else f"http://{host}:{http.port}"
    return ask_hub(address, opened.http_token, path, **asked)


def _with_registry(folder: "HubFolder", act: Callable[["Registry"], Awaitable[_Result]]) -> _Result:
    from hub.registry.store import Registry

    async def run() -> _Result:
        registry = await Registry.open(folder.registry_url)
        try:
            return await act(registry)
        finally:
            await registry.close()

    return asyncio.run(run())


def _set_state(folder: Path, name: str, *, blocked: bool) -> None:
    from hub.config import open_folder
    from hub.registry.model import GatewayState
    from wire.identifiers import GatewayId

    state = GatewayState.BLOCKED if blocked else GatewayState.ACTIVE
    _with_registry(open_folder(folder), lambda registry: registry.fleet.set_state(GatewayId(name), state))


def _give_password(folder: "HubFolder", name: str, password_file: Path | None) -> None:
    from hub.broker.passwords import PasswordFile, new_password
    from hub.config import BrokerKind, ConfigError, write_secret

    if folder.config.broker.kind is BrokerKind.URL:
        rules = f"may write sen/1/up/{name}/# and read sen/1/dn/{name}/#"
        print(f"the broker {folder.config.broker.url} is not ours: make a user {name} there that {rules}")
        return
    password = new_password()
    if password_file is not None and not write_secret(password_file, password):
        raise ConfigError(f"{password_file}: is there already; remove it, or name another file")
    PasswordFile(folder.users_file).put(name, password)
    if password_file is not None:
        print(f"its MQTT user is {name}, its password is in {password_file}")
    else:
        print(f"its MQTT user is {name}, its password, shown only now: {password}")


def _plain(view: Any) -> Any:  # noqa: ANN401 - any view to JSON
    from pydantic import TypeAdapter

    return TypeAdapter(type(view)).dump_python(view, mode="json")


def _print_fleet(fleet: dict[str, Any]) -> None:  # Any: the API's JSON
    counts = ("accepted", "stored", "refused", "lost", "in_flight", "unexplained")
    print(
        f"{'gateway':20} {'site':16} {'state':8} {'presence':10} {'spoke':>9} " + " ".join(f"{c:>11}" for c in counts)
    )
    for item in fleet["gateways"]:
        age = "-" if item["status_age_s"] is None else f"{item['status_age_s']:.0f} s ago"
        numbers = " ".join(f"{item['accounts'][count]:>11}" for count in counts)
        site = item["site"] or "-"
        print(f"{item['gateway']:20} {site:16} {item['state']:8} {item['presence']:10} {age:>9} {numbers}")
    for item in fleet["unknown"]:
        print(f"{item['gateway']:20} not registered: {item['messages']} messages, the last {item['age_s']:.0f} s ago")


def _say_started(folder: "HubFolder") -> Callable[[str], None]:
    def say(address: str) -> None:
        mqtt = folder.config.mqtt
        token = f", token in {folder.file(folder.config.http.token_file)}" if folder.config.http.needs_token else ""
        print(f"sen-hub: page and API at {address}{token}; gateways at mqtt://{mqtt.host}:{mqtt.port}", flush=True)

    return say


def _log_to_stderr(level: str) -> None:
    if level not in {"debug", "info", "warning", "error"}:
        _fail(f"--log-level: found {level!r}, expected debug, info, warning or error")
    logging.basicConfig(level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("uvicorn", "httpx", "httpcore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _fail(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    sys.exit(1)


if __name__ == "__main__":
    main()
