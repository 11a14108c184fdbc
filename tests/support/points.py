"""Points one by one: how tests read sheets, and what a record must amount to."""

from collections.abc import Iterable, Iterator

from hub.series.sheet import Point, Sheet
from wire.identifiers import GatewayId
from wire.records import Quality, Record, TimeQuality


def points_of(sheets: Iterable[Sheet]) -> Iterator[Point]:
    """The points of sheets, in order."""
    for sheet in sheets:
        for row in range(len(sheet)):
            alone = sheet.rows(slice(row, row + 1))
            numbers = {key: alone.known_numbers(place)[0] for place, key in enumerate(sheet.keys)}
            yield Point(
                **sheet.sources[int(sheet.source_of[row])]._asdict(),
                time_ns=int(sheet.times_ns[row]),
                fields={key: number for key, number in numbers.items() if number is not None},
                qualities={key: Quality(alone.key_qualities(place)[0]) for place, key in enumerate(sheet.keys)},
            )


def point_of(gateway: GatewayId, epoch: int, record: Record) -> Point:
    """What stands for a record for ever, said as plainly as can be."""
    values = {point.key: value for point, value in zip(record.stream.points, record.values, strict=True)}
    at_least = Quality.GOOD if record.time_quality is TimeQuality.SYNCED else Quality.TIME_ESTIMATED
    return Point(
        measurement=record.stream.measurement,
        site=record.stream.site,
        gateway=gateway,
        device=record.stream.device,
        group=record.stream.group,
        mode=record.stream.mode,
        time_ns=record.time_ms * 1_000_000 + (record.seq + (epoch >> 20)) % 1_000_000,
        fields={key: value.number for key, value in values.items() if value.number is not None},
        qualities={key: max(value.quality, at_least) for key, value in values.items()},
    )
