"""InfluxQL statements and the reading of their answers: the subset that InfluxDB 1.x, 2.x and 3 share. Pure.

Names come from the allow-list of `hub.series.names`, so quoting them is enough; nothing is escaped.
A row is part of a selected field where the field or its `_quality` stands in it: rows with neither are left out by
the database, so a value that is not known is found like one that is.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hub.series.base import Aggregate, Latest, Sample, Selection, SeriesError, SeriesKey, SeriesSamples, TimeRange
from wire.identifiers import QUALITY_KEY, QUALITY_SUFFIX, TAG_KEYS
from wire.records import Mode, Quality

# What a JSON text gives: its shape is checked where it is taken apart, in this module.
Json: TypeAlias = Any

_GROUP_BY_TAGS = ", ".join(f'"{tag}"' for tag in TAG_KEYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One series of an answer: its name (the measurement), its tags, and rows in the order of the columns asked for."""

    name: str
    tags: Mapping[str, str]
    rows: tuple[tuple[Json, ...], ...]


Result = tuple[Table, ...]


def create_database(name: str) -> str:
    """Make a database of 1.x; does nothing where it is there. The name comes from the hub's configuration."""
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'CREATE DATABASE "{quoted}"'


def show_fields(measurement: str | None) -> str:
    """The fields and their types, of one measurement or of all."""
    return "SHOW FIELD KEYS" + (f' FROM "{measurement}"' if measurement else "")


def newest(measurement: str, field: str, selection: Selection) -> str:
    """The newest sample of one field for each set of tags."""
    tail = f"GROUP BY {_GROUP_BY_TAGS} ORDER BY time DESC LIMIT 1"
    return _select(_value_and_quality(field), measurement, _where(selection), tail)


def samples(series: SeriesKey, time_range: TimeRange, *, limit: int) -> str:
    """The newest samples of one series in a time range, newest first."""
    where = _where(selection_of(series), time_range)
    return _select(_value_and_quality(series.field), series.measurement, where, f"ORDER BY time DESC LIMIT {limit:d}")


def windows(series: SeriesKey, time_range: TimeRange, *, aggregate: Aggregate, window_ns: int) -> str:
    """One aggregate per window; InfluxDB's windows begin at multiples of their length since 1970."""
    where = _where(selection_of(series), time_range)
    what = f'{aggregate.value}("{series.field}")'
    return _select(what, series.measurement, where, f"GROUP BY time({window_ns:d}ns) fill(none)")


def span(measurement: str, fields: Sequence[str], selection: Selection, time_range: TimeRange) -> str:
    """All samples of these fields in a time range, for each set of tags."""
    what = ", ".join(_value_and_quality(field) for field in fields)
    return _select(what, measurement, _where(selection, time_range), f"GROUP BY {_GROUP_BY_TAGS}")


def count(measurement: str, selection: Selection, time_range: TimeRange | None = None) -> str:
    """How many points match: each has exactly one `quality`."""
    return _select(f'count("{QUALITY_KEY}")', measurement, _where(selection, time_range), "")


def selection_of(series: SeriesKey) -> Selection:
    """The selection that only this series matches."""
    return Selection(
        measurement=series.measurement,
        site=series.site,
        gateway=series.gateway,
        device=series.device,
        group=series.group,
        mode=series.mode,
        field=series.field,
    )


def sort_key(series: SeriesKey) -> tuple[str, ...]:
    """The order in which series are listed."""
    return (
        series.measurement, series.site, series.gateway, series.device, series.group, series.mode.value, series.field,
    )  # fmt: skip


def results_of(body: Json, *, expected: int) -> list[Result]:
    """The results of a request, one for each statement.

    Raises:
        SeriesError: the database refused a statement, or the body is no InfluxQL answer.
    """
    try:
        return list(_results(body, expected=expected))
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise SeriesError(f"not an InfluxQL answer: {str(body)[:200]}") from error


def fields_of(result: Result) -> dict[str, list[str]]:
    """The points of each measurement: its floats, and what only ever had a quality (an integer) and never a number."""
    return {
        table.name: sorted({_point_key(str(row[0]), str(row[1])) for row in table.rows} - {QUALITY_KEY})
        for table in result
    }


def latest_of(measurement: str, field: str, result: Result) -> list[Latest]:
    """What `newest` found."""
    return [
        Latest(series=_series_key(measurement, field, table.tags), sample=sample)
        for table in result
        if all(table.tags.get(tag) for tag in TAG_KEYS)
        for sample in _samples(table)
    ]


def samples_of(result: Result) -> list[Sample]:
    """What `samples` found, oldest first."""
    return [sample for table in result for sample in reversed(list(_samples(table)))]


def windows_of(result: Result) -> list[Sample]:
    """What `windows` found."""
    return [
        Sample(time_ns=int(row[0]), number=float(row[1]), quality=Quality.GOOD)
        for table in result
        for row in table.rows
        if row[1] is not None
    ]


def span_of(measurement: str, fields: Sequence[str], result: Result) -> list[SeriesSamples]:
    """What `span` found: each series that has samples."""
    found = []
    for table in result:
        for place, field in enumerate(fields):
            at = 1 + 2 * place
            samples = tuple(
                _sample(row[0], row[at], row[at + 1])
                for row in table.rows
                if row[at] is not None or row[at + 1] is not None
            )
            if samples and all(table.tags.get(tag) for tag in TAG_KEYS):
                found.append(SeriesSamples(series=_series_key(measurement, field, table.tags), samples=samples))
    return found


def count_of(result: Result) -> int:
    """What `count` found."""
    return sum(int(row[1]) for table in result for row in table.rows)


def _select(what: str, measurement: str, where: str, tail: str) -> str:
    return " ".join(["SELECT", what, "FROM", f'"{measurement}"', *filter(None, [where, tail])])


def _value_and_quality(field: str) -> str:
    return f'"{field}", "{field}{QUALITY_SUFFIX}"'


def _point_key(field: str, field_type: str) -> str:
    return field.removesuffix(QUALITY_SUFFIX) if field_type == "integer" else field


def _where(selection: Selection, time_range: TimeRange | None = None) -> str:
    wanted = {tag: getattr(selection, tag) for tag in TAG_KEYS}
    terms = [f"\"{tag}\" = '{value}'" for tag, value in wanted.items() if value is not None]
    if time_range is not None:
        terms += [f"time >= {time_range.start_ns:d}", f"time < {time_range.end_ns:d}"]
    return "WHERE " + " AND ".join(terms) if terms else ""


def _results(body: Json, *, expected: int) -> Iterator[Result]:
    if "error" in body:
        raise SeriesError(f"the database refuses the query: {body['error']}")
    found = body["results"]
    for result in found:
        if "error" in result:
            raise SeriesError(f"the database refuses the query: {result['error']}")
        yield tuple(_table(series) for series in result.get("series", ()))
    for _ in range(expected - len(found)):
        yield ()


def _table(series: Mapping[str, Json]) -> Table:
    return Table(
        name=str(series["name"]),
        tags={str(tag): str(value) for tag, value in series.get("tags", {}).items()},
        rows=tuple(tuple(row) for row in series.get("values", ())),
    )


def _series_key(measurement: str, field: str, tags: Mapping[str, str]) -> SeriesKey:
    return SeriesKey(
        measurement=measurement,
        site=tags["site"],
        gateway=tags["gateway"],
        device=tags["device"],
        group=tags["group"],
        mode=Mode(tags["mode"]),
        field=field,
    )


def _samples(table: Table) -> Iterator[Sample]:
    """Rows of time, number and quality as they stand."""
    for time_ns, number, quality in table.rows:
        yield _sample(time_ns, number, quality)


def _sample(time_ns: Json, number: Json, quality: Json) -> Sample:
    return Sample(
        time_ns=int(time_ns),
        number=None if number is None else float(number),
        quality=Quality.GOOD if quality is None else Quality(int(quality)),
    )
