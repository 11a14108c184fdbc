"""The queries of panels and alert rules: InfluxQL in the subset that InfluxDB 1.x, 2.x and 3 share. Pure.

I1. A query says which modes it mixes: it groups by `mode`, or names the modes it takes, or asks a measurement that only
    the hub writes.
I2. Where a person chooses (`$site`, `$device` ...), the choice is a regular expression, so that "all" is one too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

# The levels: raw points, five-minute and hourly aggregates. Names and main fields are the same on all of them.
LEVEL: Final = "${level}"
RAW: Final = "sen-raw"
FIVE_MINUTES: Final = "sen-5m"
HOURLY: Final = "sen-1h"
LEVELS: Final = (RAW, FIVE_MINUTES, HOURLY)

# Written by the hub itself, so never anything but live: their queries need not say a mode.
OF_THE_HUB: Final = ("gateway", "hub", "freshness")
# What may alarm: a simulated value never does.
REAL_MODES: Final = '"mode" =~ /^(live|backfilled|periodic|manual)$/'


# What tells the series of devices apart. A click on one goes down by its tags, so the site is among them.
DEVICE: Final = ("site", "device", "mode")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One statement with Grafana's macros, and how its answer is named and shaped."""

    text: str
    alias: str = ""
    as_table: bool = False
    source: str = LEVEL
    ref: str = ""  # given where another query or an expression names it


def named_by(tags: Sequence[str]) -> str:
    """How series are named by their tags; a device's name says enough without its site's."""
    return " · ".join(f"$tag_{tag}" for tag in tags if tag != "site" or len(tags) == 1)


def chosen(*tags: str) -> str:
    """Terms for what the person chose in the dashboard's variables of these names."""
    return " AND ".join(f'"{tag}" =~ /^${tag}$/' for tag in tags)


def selected(fields: dict[str, str], measurement: str, *, where: str = "", tail: str = "") -> str:
    """A statement; `fields` maps the name of a column to the InfluxQL that gives it."""
    what = ", ".join(f'{expression} AS "{name}"' for name, expression in fields.items())
    terms = " AND ".join(filter(None, ["$timeFilter", where]))
    return " ".join(filter(None, [f'SELECT {what} FROM "{measurement}" WHERE {terms}', tail]))


def over_time(
    measurement: str,
    field: str,
    *,
    how: str = "mean",
    where: str = "",
    by: Sequence[str] = DEVICE,
    alias: str = "",
    source: str = LEVEL,
    scale: str = "",
) -> Query:
    """One line a series: the values of each `$__interval` put together. `scale` is arithmetic after the aggregate."""
    tags = "".join(f', "{tag}"' for tag in by)
    tail = f"GROUP BY time($__interval){tags} fill(none)"
    text = selected({"value": f'{how}("{field}"){scale}'}, measurement, where=where, tail=tail)
    return Query(text=text, alias=alias or named_by(by), source=source)


def growth(measurement: str, field: str, *, where: str = "", by: Sequence[str] = (), per: str = "1s") -> Query:
    """How fast a counter grows, per second unless `per` says otherwise; a counter that starts anew is left out."""
    tags = "".join(f', "{tag}"' for tag in by)
    tail = f"GROUP BY time($__interval){tags} fill(none)"
    text = selected({"value": f'non_negative_derivative(last("{field}"), {per})'}, measurement, where=where, tail=tail)
    return Query(text=text, alias=named_by(by) or field)


def added(measurement: str, field: str, *, where: str, by: Sequence[str] = DEVICE) -> Query:
    """What a counter counted in each `$__interval`; where it starts anew, the interval is left out."""
    tags = "".join(f', "{tag}"' for tag in by)
    tail = f"GROUP BY time($__interval){tags} fill(none)"
    text = selected({"value": f'non_negative_difference(last("{field}"))'}, measurement, where=where, tail=tail)
    return Query(text=text, alias=named_by(by))


def newest(
    measurement: str,
    fields: Sequence[str],
    *,
    where: str = "",
    by: Sequence[str] = ("site", "gateway", "device", "mode"),
    source: str = RAW,
) -> Query:
    """A table of the newest value of each field for each set of tags."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    columns = {field: f'last("{field}")' for field in fields}
    text = selected(columns, measurement, where=where, tail=f"GROUP BY {tags}")
    return Query(text=text, as_table=True, source=source)


def modes(measurement: str, where: str) -> Query:
    """Which modes the values of the time shown came about in."""
    text = selected({"points": 'count("quality")'}, measurement, where=where, tail='GROUP BY "mode"')
    return Query(text=text, alias="$tag_mode", source=LEVEL)


def ages(where: str, by: Sequence[str] = ("device",)) -> Query:
    """How old the newest value of each device is now, and whether that keeps its promise: of its best point group."""
    tags = ", ".join(f'"{tag}"' for tag in by)
    text = (
        'SELECT min("age_s") AS "age_s", min("state") AS "state" FROM "freshness" '
        f"WHERE time > now() - 3m AND {where} GROUP BY {tags}"
    )
    return Query(text=text, as_table=True, source=RAW)
