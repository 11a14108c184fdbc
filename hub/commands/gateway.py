"""Let gateways in, and see who is there."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.asking import AsJson, Folder, fail, plain, print_fleet, with_registry

if TYPE_CHECKING:
    from hub.api.views import FleetView
    from hub.config import HubFolder
    from hub.registry.store import Registry

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Let gateways in, and see who is there.")
Name = Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's name: a-z 0-9 _ -")]
PasswordTo = Annotated[
    Path | None,
    typer.Option("--password-file", help="Write the password there (only its owner may read it), not to the screen."),
]


@app.command("add", epilog="Example: sen-hub gateway add /srv/sen gw-north --site north --password-file gw.password")
def add(
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

    with_registry(opened, register)
    print(f"gateway {name} is registered at site {site}")
    _give_password(opened, name, password_file)


@app.command("credentials", epilog="Example: sen-hub gateway credentials /srv/sen gw-north --password-file gw.password")
def credentials(folder: Folder, name: Name, password_file: PasswordTo = None) -> None:
    """Give a registered gateway a new password; the old one is void."""
    from hub.config import open_folder
    from wire.identifiers import GatewayId

    opened = open_folder(folder)
    if with_registry(opened, lambda registry: registry.fleet.gateway(GatewayId(name))) is None:
        fail(f"gateway {name} is not registered: sen-hub gateway add {folder} {name} --site SITE")
    _give_password(opened, name, password_file)


@app.command("list", epilog="Example: sen-hub gateway list /srv/sen")
def listed(folder: Folder, as_json: AsJson = False) -> None:
    """Gateways with their accounts, and names that spoke without being registered. The hub need not be running."""
    from hub.api.views import fleet_view
    from hub.clock import SystemClock
    from hub.config import open_folder

    async def look(registry: "Registry") -> "FleetView":
        return fleet_view(
            await registry.fleet.gateways(),
            await registry.ledger.all_accounts(),
            await registry.fleet.unknown_gateways(),
            now_ms=SystemClock().now_ms(),
        )

    fleet = plain(with_registry(open_folder(folder), look))
    if as_json:
        print(json.dumps(fleet, indent=1))
    else:
        print_fleet(fleet)


@app.command("losses", epilog="Example: sen-hub gateway losses /srv/sen gw-north")
def losses(folder: Folder, name: Name, as_json: AsJson = False) -> None:
    """What is lost of a gateway's records: epoch, range and reason. The hub need not be running."""
    from hub.api.letter_views import lost_view
    from hub.config import open_folder
    from wire.identifiers import GatewayId

    opened = open_folder(folder)
    if with_registry(opened, lambda registry: registry.fleet.gateway(GatewayId(name))) is None:
        fail(f"gateway {name} is not registered: `sen-hub gateway list {folder}` shows those that are")
    found = with_registry(opened, lambda registry: registry.ledger.losses(GatewayId(name)))
    told = [plain(lost_view(one)) for one in found]
    if as_json:
        print(json.dumps(told, indent=1))
        return
    for one in told:
        span = f"{one['first']:>10} to {one['last']:<10} {one['records']:>10} records"
        print(f"epoch {one['epoch']}  {span}  {one['reason']}")
    print(f"{sum(one['records'] for one in told)} records are lost")


@app.command("block", epilog="Example: sen-hub gateway block /srv/sen gw-north")
def block(folder: Folder, name: Name) -> None:
    """Take nothing in from a gateway any more; it keeps its records. `unblock` lets it in again."""
    _set_state(folder, name, blocked=True)
    print(f"gateway {name} is blocked: what it sends is not kept, and it is not told so")


@app.command("unblock", epilog="Example: sen-hub gateway unblock /srv/sen gw-north")
def unblock(folder: Folder, name: Name) -> None:
    """Let a blocked gateway in again."""
    _set_state(folder, name, blocked=False)
    print(f"gateway {name} is let in")


@app.command("remove", epilog="Example: sen-hub gateway remove /srv/sen gw-north")
def remove(folder: Folder, name: Name) -> None:
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


def _set_state(folder: Path, name: str, *, blocked: bool) -> None:
    from hub.config import open_folder
    from hub.registry.model import GatewayState
    from wire.identifiers import GatewayId

    state = GatewayState.BLOCKED if blocked else GatewayState.ACTIVE
    with_registry(open_folder(folder), lambda registry: registry.fleet.set_state(GatewayId(name), state))


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
