"""Panels as the Foundation SDK builds them. Pure."""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

from grafana_foundation_sdk.builders import common, geomap, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import dashboard as sdk
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models import common as shared
from grafana_foundation_sdk.models import dashboard as models

from grafana.board import NOTHING, Column, Counted, Lines, Link, Map, ModeBadge, Panel, Rows, States, Tiles
from grafana.centre import Centre
from grafana.influxql import Query
from grafana.limits import MODES, NOT_REAL, Step, Words
from grafana.render_map import layers, outline
from grafana.texts import Language

# Any of the SDK's panel builders: they share their methods, but no base class.
PanelBuilder: TypeAlias = Any
_LEVEL_KEEPER: Final = "${level:queryparam}"


class _Target(Dataquery):
    """What the SDK has no class for: an InfluxQL query."""

    def __init__(self, query: Query, ref: str) -> None:
        self._query = query
        self._ref = query.ref or ref

    def to_json(self) -> dict[str, object]:
        """As Grafana's InfluxDB data source reads it."""
        return {
            "refId": self._ref,
            "datasource": {"type": "influxdb", "uid": self._query.source},
            "query": self._query.text,
            "rawQuery": True,
            "resultFormat": "table" if self._query.as_table else "time_series",
            "alias": self._query.alias,
            "hide": False,
        }


class _Made(Builder[Any]):
    """Something that is built already, where the SDK wants a builder."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def build(self) -> object:
        """The thing."""
        return self._thing


def built(panel: Panel, centre: Centre) -> PanelBuilder:
    """The panel, without id and place."""
    builder: PanelBuilder
    match panel:
        case Lines():
            builder = _lines(panel, centre.language)
        case ModeBadge():
            builder = _badge(panel, centre.language)
        case Tiles():
            builder = _tiles(panel, centre.language)
        case Rows():
            builder = _rows(panel, centre.language)
        case States():
            builder = _states(panel, centre.language)
        case Map():
            builder = _map(centre)
        case _:
            raise TypeError(f"{type(panel).__name__}: no such panel is known here")
    return _common(builder, panel, centre.language)


def _common(builder: PanelBuilder, panel: Panel, said: Language) -> PanelBuilder:
    builder = (
        builder.title(panel.title.said(said))
        .description(panel.about.said(said))
        .unit(panel.unit)
        .thresholds(_steps(panel.limits))
        .datasource(models.DataSourceRef(type_val="influxdb", uid=panel.queries[0].source))
    )
    for number, query in enumerate(panel.queries):
        builder = builder.with_target(_Made(_Target(query, chr(ord("A") + number))))
    if panel.decimals is not None:
        builder = builder.decimals(panel.decimals)
    if panel.words is not None:
        builder = builder.mappings([_mapping(panel.words, said)])
    if panel.link is not None and not isinstance(panel, Rows):
        # Series carry their tags as labels, tables as columns: the click goes down to what was clicked.
        carried = "${__data.fields.%s}" if panel.queries[0].as_table else "${__field.labels.%s}"
        builder = builder.data_links([_Made(_link(panel.link, said, carried))])
    return builder


def _lines(panel: Lines, said: Language) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(shared.LegendDisplayMode.TABLE)
        .placement(shared.LegendPlacement.BOTTOM)
        .calcs(["lastNotNull", "min", "max"])
    )
    builder = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(shared.TooltipDisplayMode.MULTI).sort(shared.SortOrder.DESCENDING))
        .show_points(shared.VisibilityMode.AUTO)
        .line_width(2)
        # A gap in the values is a gap on the screen.
        .span_nulls(False)
        .no_value(NOTHING.said(said))
        .draw_style(shared.GraphDrawStyle.BARS if panel.are_bars else shared.GraphDrawStyle.LINE)
        .fill_opacity(40 if panel.are_bars or panel.is_stacked else 0)
        .with_override(
            models.MatcherConfig(id_val="byRegexp", options=f"/ ({'|'.join(NOT_REAL)})$/"),
            [models.DynamicConfigValue(id_val="custom.lineStyle", value={"fill": "dash", "dash": [8, 8]})],
        )
    )
    if panel.is_stacked:
        builder = builder.stacking(common.StackingConfig().mode(shared.StackingMode.NORMAL).group("A"))
    if panel.shows_limits:
        style = shared.GraphThresholdsStyleMode.DASHED
        builder = builder.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    if panel.shifted is not None:
        builder = builder.time_shift(panel.shifted)
    if panel.minimum is not None:
        builder = builder.min(panel.minimum)
    if panel.maximum is not None:
        builder = builder.max(panel.maximum)
    return builder


def _tiles(panel: Tiles, said: Language) -> stat.Panel:
    counted = panel.counted
    calcs = ["count"] if counted else [panel.reduces]
    options = common.ReduceDataOptions().calcs(calcs).values(False).fields(f"/^{counted.column}$/" if counted else "")
    text = shared.BigValueTextMode.VALUE_AND_NAME if panel.shows_name else shared.BigValueTextMode.VALUE
    builder = (
        stat.Panel()
        .reduce_options(options)
        .color_mode(shared.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(shared.BigValueGraphMode.NONE)
        .text_mode(text)
        .no_value(panel.nothing.said(said))
    )
    for mode in NOT_REAL:
        word = MODES[mode]
        color = models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": word.color})
        name = models.DynamicConfigValue(id_val="displayName", value=word.text.said(said))
        builder = builder.override_by_regexp(f"/(^| )({mode})$/", [color])
        builder = builder.override_by_regexp(f"/^{mode}$/", [name])
    if counted is not None:
        builder = builder.with_transformation(_only(counted))
    return builder


def _only(counted: Counted) -> models.DataTransformerConfig:
    tests = (("greaterOrEqual", counted.at_least), ("lowerOrEqual", counted.at_most))
    filters = [
        {"fieldName": counted.column, "config": {"id": test, "options": {"value": value}}}
        for test, value in tests
        if value is not None
    ]
    options = {"type": "include", "match": "all", "filters": filters}
    return models.DataTransformerConfig(id_val="filterByValue", options=options)


def _badge(_: ModeBadge, said: Language) -> stat.Panel:
    builder = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["sum"]).values(False).fields(""))
        .color_mode(shared.BigValueColorMode.BACKGROUND_SOLID)
        .graph_mode(shared.BigValueGraphMode.NONE)
        .text_mode(shared.BigValueTextMode.NAME)
        .orientation(shared.VizOrientation.VERTICAL)
        .no_value(NOTHING.said(said))
    )
    for mode, word in MODES.items():
        builder = builder.override_by_regexp(
            f"/^{mode}$/",
            [
                models.DynamicConfigValue(id_val="displayName", value=word.text.said(said)),
                models.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": word.color}),
            ],
        )
    return builder


def _rows(panel: Rows, said: Language) -> table.Panel:
    builder = (
        table.Panel()
        .cell_height(shared.TableCellHeight.SM)
        .show_header(True)
        .filterable(True)
        .no_value(NOTHING.said(said))
    )
    if panel.joined_by is not None:
        # `outerTabular`: a device has a row for each mode, and all of them have its age.
        join = {"byField": panel.joined_by, "mode": "outerTabular"}
        builder = builder.with_transformation(models.DataTransformerConfig(id_val="joinByField", options=join))
    elif len(panel.queries) > 1:
        builder = builder.with_transformation(models.DataTransformerConfig(id_val="merge", options={}))
    order = {column.name: number for number, column in enumerate(panel.columns)}
    organized = {"excludeByName": {"Time": True, "Time 1": True, "Time 2": True}, "indexByName": order}
    builder = builder.with_transformation(
        models.DataTransformerConfig(id_val="organize", options=organized | {"renameByName": {}})
    )
    if panel.sorted_by is not None:
        by = common.TableSortByFieldState().display_name(_title_of(panel, panel.sorted_by, said))
        builder = builder.sort_by([by.desc(panel.is_descending)])
    for column in panel.columns:
        builder = builder.override_by_name(column.name, _column(column, panel, said))
    return builder


def _title_of(panel: Rows, name: str, said: Language) -> str:
    (title,) = [column.title.said(said) for column in panel.columns if column.name == name]
    return title


def _column(column: Column, panel: Rows, said: Language) -> list[models.DynamicConfigValue]:
    properties: list[tuple[str, object]] = [("displayName", column.title.said(said)), ("unit", column.unit)]
    if column.decimals is not None:
        properties.append(("decimals", column.decimals))
    if column.words is not None:
        properties.append(("mappings", [_mapping(column.words, said)]))
    if column.limits:
        properties.append(("thresholds", _steps(column.limits).build()))
    if column.words is not None or column.limits:
        background = {"type": "color-background", "mode": "basic", "applyToRow": column.colors_row}
        properties.append(("custom.cellOptions", background))
    if panel.link is not None and column.name in panel.link.fields:
        properties.append(("links", [_link(panel.link, said, "${__data.fields.%s}")]))
    return [models.DynamicConfigValue(id_val=name, value=value) for name, value in properties]


def _states(_: States, said: Language) -> statetimeline.Panel:
    legend = (
        common.VizLegendOptions()
        .show_legend(True)
        .display_mode(shared.LegendDisplayMode.LIST)
        .placement(shared.LegendPlacement.BOTTOM)
    )
    return (
        statetimeline.Panel()
        .legend(legend)
        .show_value(shared.VisibilityMode.AUTO)
        .merge_values(True)
        .row_height(0.8)
        .no_value(NOTHING.said(said))
    )


def _map(centre: Centre) -> geomap.Panel:
    return (
        geomap.Panel()
        .basemap(_Made(outline(centre)))
        .layers([_Made(layer) for layer in layers(centre)])
        .view(geomap.MapViewConfig().id("fit").all_layers(True).lat(0).lon(0).zoom(8).padding(10))
        .controls(geomap.ControlsOptions().show_zoom(True).mouse_wheel_zoom(False).show_attribution(False))
    )


def _steps(limits: Sequence[Step]) -> sdk.ThresholdsConfig:
    steps = [models.Threshold(value=step.value, color=step.color) for step in limits]
    return sdk.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _mapping(words: Words, said: Language) -> models.ValueMap:
    return models.ValueMap(
        options={
            code: models.ValueMappingResult(text=word.text.said(said), color=word.color, index=number)
            for number, (code, word) in enumerate(words.items())
        }
    )


def _link(link: Link, said: Language, value: str) -> models.DashboardLink:
    variables = "".join(f"&var-{name}={value % name}" for name in link.fields)
    url = f"/d/{link.uid}?${{__url_time_range}}&{_LEVEL_KEEPER}{variables}"
    made = sdk.DashboardLink(link.title.said(said)).url(url).type(models.DashboardLinkType.LINK)
    return made.build()
