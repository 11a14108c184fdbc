"""Rules for finished dashboards: what the SDK gets wrong, what isolated networks lack, what a reader needs. Pure.

Each rule returns complaints; none means well. They read the JSON that Grafana will read, not what it was made from.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, Final

from grafana.board import COLUMNS, MAX_PANELS
from grafana.influxql import LEVEL, LEVELS, OF_THE_HUB
from grafana.render import Json

_URL: Final = re.compile(r"[a-z][a-z0-9+]*://[^\s\"']+")
_LINK: Final = re.compile(r"^/d/([^?]+)\?(.*)$")
_LABEL: Final = re.compile(r"\$\{__field\.labels\.(\w+)\}")
_COLUMN: Final = re.compile(r"\$\{__data\.fields\.(\w+)\}")
_CHOSEN: Final = re.compile(r"\$\{?([A-Za-z_]+)")
# Grafana's own macros, not choices of a person.
_MACROS: Final = frozenset({"timeFilter", "__interval"})
_FROM: Final = re.compile(r'FROM "([a-z_0-9]+)"')
_FUNCTIONS: Final = frozenset({
    "count", "derivative", "last", "max", "mean", "min", "non_negative_derivative", "non_negative_difference", "spread",
    "sum", "fill", "now", "time",
})  # fmt: skip
_CALL: Final = re.compile(r"\b([a-z_]+)\(")
# What not all of InfluxDB 1.x, 2.x and 3 have, or what is another language.
_FOREIGN: Final = {
    "writes": re.compile(r"\bINTO\b", re.IGNORECASE),
    "limits series (SLIMIT, SOFFSET)": re.compile(r"\bS(LIMIT|OFFSET)\b", re.IGNORECASE),
    "names a retention policy": re.compile(r'FROM\s+"[^"]+"\.', re.IGNORECASE),
    "asks a subquery": re.compile(r"FROM\s*\(", re.IGNORECASE),
    "is Flux": re.compile(r"\|>"),
    "fills gaps with invented values": re.compile(r"fill\((?!none|null\b)", re.IGNORECASE),
}
_NEEDS_LEGEND: Final = frozenset({"timeseries", "state-timeline"})
_INTERNET_MAPS: Final = frozenset({"", "default", "carto", "esri-xyz", "osm-standard"})


def complaints(dashboards: Sequence[Json], *, map_url: str) -> list[str]:
    """Everything wrong with these dashboards, each with where."""
    known = {str(board.get("uid")): board for board in dashboards}
    found = [] if len(known) == len(dashboards) else ["two dashboards have the same uid"]
    for board in dashboards:
        where = str(board.get("uid"))
        found += [f"{where}: {text}" for text in _of_board(board)]
        found += [f"{where}: {text}" for text in _addresses(board, map_url)]
        found += [f"{where}: {text}" for text in _links(board, known)]
        for panel in board["panels"]:
            found += [f"{where}/{panel.get('id')} {panel.get('title')!r}: {text}" for text in _of_panel(panel)]
    return found


def query_complaints(text: str) -> list[str]:
    """What is wrong with one InfluxQL statement."""
    found = [f"the query {what}: {text}" for what, pattern in _FOREIGN.items() if pattern.search(text)]
    found += [f"function {name} is not in the shared subset" for name in _CALL.findall(text) if name not in _FUNCTIONS]
    if "$timeFilter" not in text and "time > now()" not in text:
        found.append(f"the query has no time filter: {text}")
    measurements = set(_FROM.findall(text))
    if not measurements:
        found.append(f"the query names no measurement: {text}")
    if measurements - set(OF_THE_HUB) and '"mode"' not in text:
        found.append(f"the query mixes modes without saying so: {text}")
    return found


def strings(value: Any) -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Every text in a JSON value, keys aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, Sequence):
        for item in value:
            yield from strings(item)


def _of_board(board: Json) -> Iterator[str]:
    panels = board["panels"]
    if not board.get("title") or not board.get("description"):
        yield "no title or no description"
    if len(panels) > MAX_PANELS:
        yield f"{len(panels)} panels, at most {MAX_PANELS} can be read"
    ids = [panel.get("id") for panel in panels]
    if None in ids or len(set(ids)) != len(ids):
        yield f"panel ids are missing or twice there: {ids}"
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"panels {one.get('title')!r} and {other.get('title')!r} overlap"
    declared = {variable["name"] for variable in board["templating"]["list"]}
    queries = [target["query"] for panel in panels for target in panel.get("targets", [])]
    for name in sorted({name for text in queries for name in _CHOSEN.findall(text)} - _MACROS - declared):
        yield f"${name} is asked for, but is no variable of this dashboard"


def _of_panel(panel: Json) -> Iterator[str]:
    for rule in _PANEL_RULES:
        yield from rule(panel)


def _is_explained(panel: Json) -> Iterator[str]:
    if not panel.get("title") or not panel.get("description"):
        yield "no title, or no description that says what to do"


def _is_on_the_page(panel: Json) -> Iterator[str]:
    place = panel["gridPos"]
    if place["x"] < 0 or place["w"] < 1 or place["x"] + place["w"] > COLUMNS:
        yield f"beyond the {COLUMNS} columns of the page: {place}"


def _has_unit(panel: Json) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    if not defaults.get("unit"):
        yield "no unit"
    if not defaults.get("thresholds", {}).get("steps"):
        yield "no thresholds"


def _has_legend(panel: Json) -> Iterator[str]:
    if panel["type"] in _NEEDS_LEGEND and not panel["options"].get("legend", {}).get("showLegend"):
        yield "its legend is hidden"


def _asks_well(panel: Json) -> Iterator[str]:
    if not panel.get("targets"):
        yield "it asks nothing"
    for target in panel.get("targets", []):
        if target["datasource"].get("uid") not in {LEVEL, *LEVELS}:
            yield f"its data source is not one of ours by uid: {target['datasource']}"
        yield from query_complaints(target["query"])


def _leads_down(panel: Json) -> Iterator[str]:
    """A click hands on what was clicked: the tags it names must be there to be handed on."""
    links = [text for text in strings(panel["fieldConfig"]) if text.startswith("/d/")]
    targets = panel.get("targets", [])
    for text in links:
        for name in _LABEL.findall(text):
            if not all(f'"{name}"' in target["query"].partition("GROUP BY")[2] for target in targets):
                yield f"the link {text} needs the tag {name} of every series"
        for name in _COLUMN.findall(text):
            if not any(f'"{name}"' in target["query"].partition("GROUP BY")[2] for target in targets):
                yield f"the link {text} needs a column {name}"


def _has_map(panel: Json) -> Iterator[str]:
    if panel["type"] != "geomap":
        return
    if panel["options"]["basemap"].get("type") in _INTERNET_MAPS:
        yield "its base map comes from the internet"
    if not panel["options"]["layers"]:
        yield "its map has no layers"


_PANEL_RULES: Final[tuple[Callable[[Json], Iterator[str]], ...]] = (
    _is_explained, _is_on_the_page, _has_unit, _has_legend, _asks_well, _leads_down, _has_map,
)  # fmt: skip


def _addresses(board: Json, map_url: str) -> Iterator[str]:
    for text in strings(board):
        for address in _URL.findall(text):
            if not map_url or not address.startswith(map_url):
                yield f"the address {address} is not the hub's"


def _links(board: Json, known: Mapping[str, Json]) -> Iterator[str]:
    for text in strings(board):
        if not text.startswith("/d/"):
            continue
        match = _LINK.match(text)
        if match is None or match[1] not in known:
            yield f"the link {text} leads nowhere"
            continue
        parts = match[2].split("&")
        there = {variable["name"] for variable in known[match[1]]["templating"]["list"]}
        wanted = {part[len("var-") :].partition("=")[0] for part in parts if part.startswith("var-")}
        if "${__url_time_range}" not in parts or "${level:queryparam}" not in parts:
            yield f"the link {text} forgets the time or the level"
        if strange := wanted - there:
            yield f"the link {text} gives {sorted(strange)}, which {match[1]} does not know"


def _overlap(one: Mapping[str, int], other: Mapping[str, int]) -> bool:
    return (
        one["x"] < other["x"] + other["w"]
        and other["x"] < one["x"] + one["w"]
        and one["y"] < other["y"] + other["h"]
        and other["y"] < one["y"] + one["h"]
    )
