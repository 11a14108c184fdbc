"""A panel's query as Grafana sends it: macros and choices filled in. Pure.

Follows Grafana's InfluxQL back end (`pkg/tsdb/influxdb/models/query.go`): `$timeFilter` is given in milliseconds, and
`$__interval` is the span divided by the points that the panel is wide, rounded to a round length.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from grafana.influxql import LEVEL, RAW
from grafana.render import Json

_ROUND_S: Final = (
    1,
    2,
    5,
    10,
    15,
    20,
    30,
    60,
    120,
    300,
    600,
    900,
    1200,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    86_400,
)
_ALL: Final = ".*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The time that is looked at, in milliseconds since 1970, and how many points a panel has room for."""

    start_ms: int
    end_ms: int
    points: int = 600

    @property
    def interval_s(self) -> int:
        """The length of `$__interval`."""
        wanted_s = (self.end_ms - self.start_ms) / 1000 / self.points
        return next((round_s for round_s in _ROUND_S if round_s >= wanted_s), _ROUND_S[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One statement of one panel or rule, ready to be sent, and where it comes from."""

    where: str
    database: str
    statement: str


def expanded(text: str, span: Span, choices: Mapping[str, str]) -> str:
    """The statement with the time, the interval and what a person chose; a choice not given is all."""
    filled = text.replace("$timeFilter", f"time >= {span.start_ms}ms and time <= {span.end_ms}ms")
    filled = filled.replace("$__interval", f"{span.interval_s}s")
    for name in ("site", "gateway", "device"):
        filled = filled.replace(f"${name}", choices.get(name, _ALL))
    return filled


def asked_by_boards(
    dashboards: Sequence[Json], span: Span, choices: Mapping[str, str], level: str = RAW
) -> Iterator[Asked]:
    """Every statement of every panel and variable."""
    for board in dashboards:
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                where = f"{board['uid']} ${variable['name']}"
                text = expanded(variable["query"], span, choices)
                yield Asked(where=where, database=_uid(variable["datasource"], level), statement=text)
        for panel in board["panels"]:
            for target in panel["targets"]:
                where = f"{board['uid']}/{panel['id']}{target['refId']} {panel['title']}"
                text = expanded(target["query"], span, choices)
                yield Asked(where=where, database=_uid(target["datasource"], level), statement=text)


def asked_by_rules(rules: Sequence[Json], now_ms: int) -> Iterator[Asked]:
    """Every statement of every alert rule, as it is asked at this time."""
    for rule in rules:
        for asked in rule["data"]:
            if "query" in asked["model"]:
                start_ms = now_ms - 1000 * int(asked["relativeTimeRange"]["from"])
                text = expanded(asked["model"]["query"], Span(start_ms=start_ms, end_ms=now_ms), {})
                yield Asked(
                    where=f"rule {rule['uid']}/{asked['refId']}", database=asked["datasourceUid"], statement=text
                )


def _uid(source: Mapping[str, Any], level: str) -> str:
    uid = str(source["uid"])
    return level if uid == LEVEL else uid
