"""The layers of a map that needs no internet: all of them come from the hub. Pure."""

from typing import Final

from grafana_foundation_sdk.models import common as shared

from grafana.centre import Centre

OUTLINE_FILE: Final = "outline.geojson"
SITES_FILE: Final = "sites.geojson"
_SITE_SIZE: Final = 6
_STATE_SIZE: Final = 12


def outline(centre: Centre) -> shared.MapLayerOptions:
    """What lies under everything: the outline of the province, where the hub was given one."""
    style = {"color": {"fixed": "#4b5563"}, "opacity": 0.15, "lineWidth": 1}
    config = {"src": f"{centre.map_url}/{OUTLINE_FILE}", "style": style, "rules": []}
    return shared.MapLayerOptions(type_val="geojson", name="outline", config=config, tooltip=False)


def layers(centre: Centre) -> list[shared.MapLayerOptions]:
    """Where the sites are, with their names; over them what the panel's query says of each."""
    sites = f"{centre.map_url}/{SITES_FILE}"
    named = {
        "color": {"fixed": "#9ca3af"},
        "opacity": 0.8,
        "size": {"fixed": _SITE_SIZE},
        "text": {"field": "name", "mode": "field"},
        "textConfig": {"fontSize": 12, "textAlign": "left", "textBaseline": "middle", "offsetX": 10, "offsetY": 0},
    }
    marked = {
        "color": {"field": "state", "fixed": "green"},
        "opacity": 0.9,
        "size": {"fixed": _STATE_SIZE},
        "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
    }
    return [
        shared.MapLayerOptions(
            type_val="geojson", name="sites", config={"src": sites, "style": named, "rules": []}, tooltip=True
        ),
        shared.MapLayerOptions(
            type_val="markers",
            name="state",
            config={"style": marked, "showLegend": True},
            location=shared.FrameGeometrySource(
                mode=shared.FrameGeometrySourceMode.LOOKUP, lookup="site", gazetteer=sites
            ),
            tooltip=True,
        ),
    ]
