"""Where the sites are."""

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hub.commands.asking import AsJson, Folder, fail, with_registry

if TYPE_CHECKING:
    from hub.registry.store import Registry

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Say where the sites are: maps are drawn from it.")
Name = Annotated[str, typer.Argument(metavar="SITE", help="The site's name: a-z 0-9 _ -")]


@app.command("set", epilog="Example: sen-hub site set /srv/sen north --name 'North bridge' --at 18.6796,105.6813")
def set_site(
    folder: Folder,
    name: Name,
    title: Annotated[str | None, typer.Option("--name", help="What people call it.")] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="LAT,LON", help="Degrees north and east, WGS 84.")] = None,
    unit: Annotated[str | None, typer.Option("--unit", help="Commune or ward.")] = None,
) -> None:
    """Add a site, or change what is given of it. The hub may be running."""
    from dataclasses import replace

    from hub.config import open_folder
    from hub.registry.model import Site
    from wire.identifiers import SiteId, check_identifier

    check_identifier(name, what="site")
    position = None if at is None else _position(at)

    async def save(registry: "Registry") -> Site:
        known = {site.site: site for site in await registry.fleet.sites()}
        site = known.get(SiteId(name)) or Site(site=SiteId(name), name=name)
        site = site if title is None else replace(site, name=title)
        site = site if unit is None else replace(site, admin_unit=unit)
        if position is not None:
            site = replace(site, latitude=position[0], longitude=position[1])
        await registry.fleet.save_site(site)
        return site

    site = with_registry(open_folder(folder), save)
    where = "no position yet" if site.latitude is None else f"at {site.latitude:g}, {site.longitude:g}"
    print(f"site {site.site} ({site.name}): {where}")


@app.command("list", epilog="Example: sen-hub site list /srv/sen")
def listed(folder: Folder, as_json: AsJson = False) -> None:
    """The sites and where they are."""
    from dataclasses import asdict

    from hub.config import open_folder

    sites = with_registry(open_folder(folder), lambda registry: registry.fleet.sites())
    if as_json:
        print(json.dumps([asdict(site) for site in sites], indent=1, ensure_ascii=False))
        return
    for site in sites:
        where = "-" if site.latitude is None else f"{site.latitude:.5f},{site.longitude:.5f}"
        print(f"{site.site:20} {where:22} {site.admin_unit:20} {site.name}")


def _position(text: str) -> tuple[float, float]:
    try:
        latitude, longitude = (float(part) for part in text.split(","))
    except ValueError:
        fail(f"--at: found {text!r}, expected LAT,LON in degrees, for example 18.6796,105.6813")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):  # noqa: PLR2004 - degrees
        fail(f"--at: found {text!r}, expected a latitude from -90 to 90, then a longitude from -180 to 180")
    return latitude, longitude
