"""The map for Grafana: where the sites are, and the outline of the province, as GeoJSON from the hub itself.

Grafana's map loads these in the operator's browser, from another origin and without a token. So the address holds a key
that opens them and nothing else, and Grafana's origin alone may read them across origins.
"""

import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from hub.api.access import MAP, map_key_of
from hub.api.views import SiteView
from hub.config import HubFolder

_NOT_FOUND: Final = 404
_NOTHING: Final = '{"type": "FeatureCollection", "features": []}'


class Sites(Protocol):
    """Who knows the sites."""

    async def sites(self) -> list[SiteView]:
        """All sites."""
        ...


def maps_of(folder: HubFolder, sites: Sites) -> APIRouter:
    """The map as this hub's folder says."""
    config = folder.config.grafana
    address = urlsplit(config.public_url or config.url or "")
    return map_router(
        sites,
        key=map_key_of(folder.http_token),
        origin=f"{address.scheme}://{address.netloc}" if address.netloc else None,
        outline=folder.file(config.outline_file) if config.outline_file else None,
    )


def map_router(shown: Sites, *, key: str, origin: str | None, outline: Path | None) -> APIRouter:
    """`/map/<key>/sites.geojson` and `/map/<key>/outline.geojson`; `origin` is Grafana's."""
    router = APIRouter(prefix=MAP, include_in_schema=False)
    headers = {"Cache-Control": "max-age=60", "Vary": "Origin"}
    if origin is not None:
        headers["Access-Control-Allow-Origin"] = origin

    def answer(text: str) -> Response:
        return Response(text, media_type="application/geo+json", headers=headers)

    @router.get("/{given}/sites.geojson")
    async def sites(given: str) -> Response:
        """The sites that have a position."""
        _check(given, key)
        return answer(json.dumps(sites_geojson(await shown.sites()), ensure_ascii=False))

    @router.get("/{given}/outline.geojson")
    async def outline_of_the_province(given: str) -> Response:
        """What the hub was given to lie under the sites; empty where it was given nothing."""
        _check(given, key)
        if outline is None:
            return answer(_NOTHING)
        return answer(await run_in_threadpool(outline.read_text, encoding="utf-8"))

    return router


def sites_geojson(sites: Iterable[SiteView]) -> dict[str, Any]:  # Any: JSON
    """The sites that have a position as a GeoJSON collection; `id` is what Grafana looks sites up by."""
    return {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "id": site.site,
                "properties": {"id": site.site, "name": site.name},
                "geometry": {"type": "Point", "coordinates": [site.longitude, site.latitude]},
            }
            for site in sites
            if site.latitude is not None and site.longitude is not None
        ],
    }


def _check(given: str, key: str) -> None:
    if not hmac.compare_digest(given.encode(), key.encode()):
        raise HTTPException(_NOT_FOUND, "no such map: `sen-hub grafana sync` puts its address into the panels")
