"""Boards as Grafana's classic dashboard JSON, through the Foundation SDK, with what it leaves out put right. Pure.

The SDK lays panels out beyond the page, gives them no ids, hides legends and leaves a map without layers: places, ids,
legends and layers are set here, and `grafana.lint` checks the result.
"""

import json
from typing import Any, Final, TypeAlias

from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from grafana.board import Board, Choice, places
from grafana.centre import Centre
from grafana.influxql import FIVE_MINUTES, HOURLY, LEVEL, RAW
from grafana.render_panel import built
from grafana.texts import Text

# Grafana's JSON: its shape is that of Grafana's published types, which a test checks it against.
Json: TypeAlias = dict[str, Any]

TAG: Final = "sen"
# The newest classic schema that Grafana 10 to 13 all read.
SCHEMA_VERSION: Final = 39
LEVEL_NAMES: Final = {RAW: "Sen (1) raw", FIVE_MINUTES: "Sen (2) 5 min", HOURLY: "Sen (3) 1 h"}


def rendered(board: Board, centre: Centre) -> Json:
    """The dashboard as Grafana takes it."""
    said = centre.language
    builder = (
        sdk.Dashboard(board.title.said(said))
        .uid(board.uid)
        .description(board.about.said(said))
        .tags([TAG, *board.tags])
        .timezone(centre.timezone)
        .time(f"now-{board.span}", "now")
        .refresh(board.refresh)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .link(
            sdk.DashboardLink(Text("All Sen pages", "Các trang Sen").said(said))
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .keep_time(True)
            .include_vars(True)
        )
        .variables([_level(centre), *(_choice(choice, centre) for choice in board.choices)])
    )
    for number, (panel, place) in enumerate(zip(board.panels, places(board), strict=True), start=1):
        where = models.GridPos(x=place.x, y=place.y, w=place.w, h=place.h)
        builder = builder.with_panel(built(panel, centre).id(number).grid_pos(where))
    found: Json = json.loads(JSONEncoder(sort_keys=True).encode(builder.build()))
    for variable in found["templating"]["list"]:
        for of_an_interval in ("auto", "auto_min", "auto_count"):
            variable.pop(of_an_interval, None)
    return found | {"schemaVersion": SCHEMA_VERSION, "editable": True, "version": 0, "id": None}


def _level(centre: Centre) -> sdk.DatasourceVariable:
    return (
        sdk.DatasourceVariable(LEVEL.strip("${}"))
        .label(Text("Level", "Độ chi tiết").said(centre.language))
        .type("influxdb")
        .regex("/^Sen /")
        .current(models.VariableOption(text=LEVEL_NAMES[RAW], value=RAW, selected=True))
    )


def _choice(choice: Choice, centre: Centre) -> sdk.QueryVariable:
    where = f" WHERE {choice.where}" if choice.where else ""
    return (
        sdk.QueryVariable(choice.name)
        .label(choice.title.said(centre.language))
        .datasource(models.DataSourceRef(type_val="influxdb", uid=RAW))
        .query(f'SHOW TAG VALUES FROM "{choice.measurement}" WITH KEY = "{choice.name}"{where}')
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .include_all(True)
        .all_value(".*")
        .multi(choice.is_many)
        .current(models.VariableOption(text="All", value="$__all", selected=True))
    )
