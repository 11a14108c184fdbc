"""The dashboards as Grafana will read them, and the rules that they must keep."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest

from grafana.board import Board, Panel, Row, places
from grafana.build import boards, dashboards
from grafana.centre import AlarmLevels, Centre
from grafana.guide import operator_guide
from grafana.lint import complaints, query_complaints, strings
from grafana.render import Json
from grafana.texts import Language, Text
from grafana.units import grafana_unit
from wire.quantities import QUANTITIES

MAP_URL = "http://127.0.0.1:8080/map/key"
GAUGE = AlarmLevels(site="bridge", device="level-1", key="water_level", levels_m=(5.4, 6.9, 7.9), source="a decision")
CENTRES = {
    "vi": Centre(language=Language.VI, map_url=MAP_URL),
    "en": Centre(language=Language.EN, map_url=MAP_URL, alarm_levels=[GAUGE]),
}


@pytest.mark.parametrize("language", CENTRES)
def test_the_dashboards_keep_every_rule(language: str) -> None:
    assert complaints(dashboards(CENTRES[language]), map_url=MAP_URL) == []


def test_both_languages_have_the_same_pages_and_ask_the_same() -> None:
    one, other = (dashboards(Centre(language=language, map_url=MAP_URL)) for language in Language)
    assert [board["uid"] for board in one] == [board["uid"] for board in other]
    assert [_queries(board) for board in one] == [_queries(board) for board in other]
    assert [board["title"] for board in one] != [board["title"] for board in other]


def test_building_twice_gives_the_same() -> None:
    assert dashboards(CENTRES["vi"]) == dashboards(CENTRES["vi"])


def test_every_unit_of_the_vocabulary_is_written() -> None:
    assert all(grafana_unit(row.unit) for row in QUANTITIES.values())
    assert grafana_unit("degC") == "celsius"
    assert grafana_unit("mg/L") == "suffix: mg/L"


def test_alarm_levels_of_the_configuration_are_lines_and_distances() -> None:
    (board,) = [board for board in dashboards(CENTRES["en"]) if board["uid"] == "sen-weather-water"]
    asked = "\n".join(_queries(board))
    assert '* 0 + 6.9 AS "value"' in asked
    assert 'last("water_level") - 7.9 AS "III"' in asked


def test_a_row_too_wide_for_the_page_is_refused() -> None:
    panel = Panel(title=Text("a", "a"), about=Text("a", "a"), queries=[], width=20)
    row = Row(height=4, panels=[panel, panel])
    board = Board(uid="x", title=Text("a", "a"), about=Text("a", "a"), choices=[], rows=[row])
    with pytest.raises(ValueError, match="too wide"):
        places(board)


def test_every_page_of_values_wears_the_badge_of_its_modes() -> None:
    by_uid = {board["uid"]: board for board in dashboards(CENTRES["en"])}
    for uid in ("sen-wall", "sen-site", "sen-air", "sen-weather-water", "sen-traffic", "sen-power", "sen-cameras"):
        badge = by_uid[uid]["panels"][0]
        assert badge["gridPos"] == {"x": 0, "y": 0, "w": 24, "h": 3}
        assert "⚠ SIMULATED" in set(strings(badge["fieldConfig"]["overrides"]))


def _board(change: Callable[[Json], None]) -> list[Json]:
    made = copy.deepcopy(dashboards(CENTRES["vi"]))
    change(made[0])
    return made


def _first(board: Json, kind: str) -> Json:
    found: Json = next(panel for panel in board["panels"] if panel["type"] == kind)
    return found


# What the SDK, or a person, would get wrong: each is seen.
FAULTS: dict[str, tuple[Callable[[Json], None], str]] = {
    "beyond the page": (lambda board: board["panels"][1]["gridPos"].update(x=21), "beyond the 24 columns"),
    "overlap": (lambda board: board["panels"][2]["gridPos"].update(x=0), "overlap"),
    "no ids": (lambda board: board["panels"][1].pop("id"), "ids are missing"),
    "one id twice": (lambda board: board["panels"][1].update(id=1), "ids are missing"),
    "hidden legend": (
        lambda board: _first(board, "timeseries")["options"]["legend"].update(showLegend=False),
        "legend is hidden",
    ),
    "no base map": (lambda board: _first(board, "geomap")["options"]["basemap"].update(type=""), "the internet"),
    "no layers": (lambda board: _first(board, "geomap")["options"].update(layers=[]), "no layers"),
    "no unit": (lambda board: board["panels"][1]["fieldConfig"]["defaults"].pop("unit"), "no unit"),
    "no description": (lambda board: board["panels"][1].update(description=""), "no description"),
    "a dead link": (
        lambda board: _first(board, "geomap")["fieldConfig"]["defaults"]["links"][0].update(url="/d/gone?x=1"),
        "leads nowhere",
    ),
    "a link that forgets the time": (
        lambda board: _first(board, "geomap")["fieldConfig"]["defaults"]["links"][0].update(
            url="/d/sen-site?var-site=a"
        ),
        "forgets the time",
    ),
    "a link with a variable that is not there": (
        lambda board: _first(board, "geomap")["fieldConfig"]["defaults"]["links"][0].update(
            url="/d/sen-site?${__url_time_range}&${level:queryparam}&var-planet=mars"
        ),
        "does not know",
    ),
    "a link that hands on what its series have not": (
        lambda board: _first(board, "timeseries")["targets"][0].update(
            query='SELECT mean("a") FROM "weather" WHERE $timeFilter GROUP BY "device", "mode"'
        ),
        "needs the tag site",
    ),
    "an internet address": (lambda board: board.update(description="see https://example.org"), "is not the hub's"),
    "a data source by name": (
        lambda board: board["panels"][1]["targets"][0].update(datasource={"type": "influxdb", "uid": "influx"}),
        "not one of ours",
    ),
    "a choice that is not there": (
        lambda board: board["panels"][1]["targets"][0].update(
            query='SELECT last("online") FROM "gateway" WHERE $timeFilter AND "bus" =~ /^$bus$/'
        ),
        "$bus is asked for",
    ),
    "thirteen panels": (lambda board: board["panels"].append(board["panels"][0] | {"id": 99}), "13 panels"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_dashboard_is_named(fault: str) -> None:
    change, expected = FAULTS[fault]
    assert any(expected in text for text in complaints(_board(change), map_url=MAP_URL))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('SELECT last("a") INTO "b" FROM "hub" WHERE $timeFilter', "writes"),
        ('SELECT last("a") FROM "hub" WHERE $timeFilter GROUP BY "x" SLIMIT 1', "limits series"),
        ('SELECT last("a") FROM "week"."hub" WHERE $timeFilter', "retention policy"),
        ('SELECT max("a") FROM (SELECT last("a") FROM "hub" WHERE $timeFilter)', "subquery"),
        ('from(bucket: "a") |> range(start: 0) FROM "hub" time > now()', "Flux"),
        ('SELECT mean("a") FROM "hub" WHERE $timeFilter GROUP BY time(1m) fill(previous)', "invented values"),
        ('SELECT percentile("a", 95) FROM "hub" WHERE $timeFilter', "percentile is not in the shared subset"),
        ('SELECT last("a") FROM "hub"', "no time filter"),
        ('SELECT last("a") FROM "weather" WHERE $timeFilter GROUP BY "device"', "mixes modes"),
    ],
)
def test_a_query_outside_the_shared_subset_is_named(query: str, expected: str) -> None:
    assert any(expected in text for text in query_complaints(query))


def test_every_page_is_in_the_menu_once() -> None:
    uids = [board.uid for board in boards(CENTRES["vi"])]
    assert len(uids) == len(set(uids)) == 10


def _queries(board: Json) -> list[str]:
    return [target["query"] for panel in board["panels"] for target in panel["targets"]]


def test_the_operators_guide_is_what_the_panels_say() -> None:
    written = (Path(__file__).resolve().parents[2] / "docs" / "operator.md").read_text()
    assert written == operator_guide(Centre(language=Language.EN)), "sen-hub grafana guide > docs/operator.md"


def test_the_guide_has_every_page_and_alarm_in_both_languages() -> None:
    for language in Language:
        centre = Centre(language=language, alarm_levels=[GAUGE])
        guide = operator_guide(centre)
        for board in boards(centre):
            assert f"## {board.title.said(language)}\n" in guide
            assert all(f"**{panel.title.said(language)}**" in guide for panel in board.panels)
        assert guide.count("(`critical`)") >= 3
