"""Messages as examples, and hypothesis strategies that make any batch."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from typing import Final

from hypothesis import strategies as st

from wire.identifiers import QUALITY_SUFFIX, RESERVED_POINT_KEYS, DeviceId, GatewayId, SiteId
from wire.messages import (
    BusStatus,
    Commit,
    DeviceInventory,
    DeviceStatus,
    EpochStatus,
    GroupInventory,
    Inventory,
    Refusal,
    Refused,
    Status,
)
from wire.records import (
    MAX_EPOCH,
    MAX_SEQ,
    MAX_TIME_MS,
    Batch,
    Loss,
    LossReason,
    Mode,
    PointLayout,
    Quality,
    Record,
    RecordKind,
    Stream,
    TimeQuality,
    Value,
)

Message = Batch | Commit | Status | Inventory

GATEWAY: Final = GatewayId("gw-demo-1")
SITE: Final = SiteId("demo-hall")
EPOCH: Final = 0x9F3C_51D2_7A88_E04B
START_MS: Final = 1_795_400_000_000

_TEMPERATURE = PointLayout(key="temperature", quantity="temperature", unit="degC")
_HUMIDITY = PointLayout(key="humidity", quantity="humidity", unit="%")
_VOLTAGE_L1 = PointLayout(key="voltage_l1", quantity="voltage", unit="V")
_SPEED = PointLayout(key="speed", quantity="vehicle_speed", unit="km/h")


def _stream(device: str, group: str, measurement: str, *points: PointLayout) -> Stream:
    return Stream(
        site=SITE, device=DeviceId(device), group=group, measurement=measurement, mode=Mode.LIVE, points=points
    )


def _one_reading() -> Batch:
    stream = _stream("hut", "air", "weather", _TEMPERATURE, _HUMIDITY)
    record = Record(seq=1, stream=stream, time_ms=START_MS, values=(Value(31.4), Value(70.0)))
    return Batch(gateway=GATEWAY, epoch=EPOCH, records=(record,))


def _awkward_readings() -> Batch:
    meter = _stream("meter-1", "electricity", "power", _VOLTAGE_L1)
    passing = dataclasses.replace(
        _stream("road-1", "vehicles", "traffic", _SPEED), kind=RecordKind.EVENT, mode=Mode.SIMULATED
    )
    return Batch(
        gateway=GATEWAY,
        epoch=1,
        records=(
            Record(seq=11, stream=meter, time_ms=START_MS, values=(Value(230.25),)),
            Record(seq=12, stream=meter, time_ms=START_MS + 10_003, values=(Value(None, Quality.TIMEOUT),)),
            Record(seq=13, stream=passing, time_ms=START_MS + 10_500, values=(Value(0.1 + 0.2),)),
            Record(
                seq=14,
                stream=meter,
                time_ms=START_MS + 19_999,
                time_quality=TimeQuality.ESTIMATED,
                values=(Value(1e6, Quality.OUT_OF_RANGE),),
            ),
        ),
        losses=(Loss(first=3, last=10, reason=LossReason.FULL), Loss(first=15, last=15, reason=LossReason.CORRUPT)),
    )


def _dozen_of_rounds() -> Batch:
    streams = [_stream(f"aq-{number:02}", "air", "air_quality", _TEMPERATURE, _HUMIDITY) for number in range(1, 4)]
    records = [
        Record(
            seq=1 + 3 * second + place,
            stream=stream,
            time_ms=START_MS + 1000 * second + 45 * place + second % 3,
            values=(Value((310 + place + second // 7 % 3) / 10), Value((702 - place - second // 5) / 10)),
        )
        for second in range(12)
        for place, stream in enumerate(streams)
    ]
    return Batch(gateway=GATEWAY, epoch=EPOCH, records=tuple(records))


def _status() -> Status:
    return Status(
        gateway=GATEWAY,
        online=True,
        site=SITE,
        agent_version="0.1.0",
        boot_ms=START_MS - 86_400_000,
        accepted_total=120_000,
        final_total=119_400,
        in_flight=600,
        oldest_uncommitted_ms=START_MS - 30_000,
        lost_total={LossReason.FULL: 8},
        epochs=(EpochStatus(epoch=EPOCH, accepted_hi=52_000),),
        devices=(
            DeviceStatus(
                device=DeviceId("meter-1"), quality=Quality.TIMEOUT, last_good_ms=START_MS, errors={"timeout": 3}
            ),
            DeviceStatus(device=DeviceId("aq-01"), quality=Quality.GOOD, last_good_ms=None),
        ),
        machine={"spool_used_bytes": 1_843_200.0, "cpu_temperature": 51.5, "clock_offset_ms": -12.0},
        buses=(BusStatus(bus="rs485-1", numbers={"bus_load_percent": 37.25, "error_timeout": 3.0}),),
    )


def _inventory() -> Inventory:
    group = GroupInventory(group="electricity", measurement="power", every_s=10.0, points=(_VOLTAGE_L1,))
    device = DeviceInventory(
        device=DeviceId("meter-1"), profile="eastron/sdm120", revision=1, bus="rs485-1", groups=(group,)
    )
    return Inventory(gateway=GATEWAY, site=SITE, devices=(device,))


EXAMPLES: Mapping[str, Message] = {
    "batch-one-reading": _one_reading(),
    "batch-awkward-readings": _awkward_readings(),
    "batch-dozen-rounds": _dozen_of_rounds(),
    "batch-only-losses": Batch(
        gateway=GATEWAY, epoch=7, records=(), losses=(Loss(first=1, last=900, reason=LossReason.EXPIRED),)
    ),
    "commit": Commit(
        gateway=GATEWAY,
        epoch=EPOCH,
        final=((1, 600), (602, 1200)),
        refused=(Refused(seq=17, reason=Refusal.UNKNOWN_UNIT),),
        credit=4,
        hub_time_ms=START_MS,
    ),
    "commit-of-a-fleet": Commit(
        gateway=GATEWAY, epoch=EPOCH, final=((1, 600),), credit=4, hub_time_ms=START_MS, gateways=2000
    ),
    "status": _status(),
    "status-last-will": Status(gateway=GATEWAY, online=False, site=SITE, agent_version="0.1.0", boot_ms=START_MS),
    "inventory": _inventory(),
}

identifiers = st.one_of(
    st.from_regex(r"[a-z0-9]([a-z0-9_-]{0,6}[a-z0-9])?", fullmatch=True),
    st.builds("{}{}".format, st.sampled_from(["aq-", "aq-0", "m", ""]), st.integers(0, 120)),
)
keys = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(
    lambda key: key not in RESERVED_POINT_KEYS and not key.endswith(QUALITY_SUFFIX)
)
numbers = st.one_of(
    st.builds(lambda n, e: n / 10**e, st.integers(-(10**6), 10**6), st.integers(0, 6)),
    st.integers(-(2**53), 2**53).map(float),
    st.floats(allow_nan=False, allow_infinity=False),
)
good_values = numbers.map(Value)
values = st.one_of(
    good_values,
    st.builds(Value, numbers, st.sampled_from(Quality)),
    st.builds(Value, st.none(), st.sampled_from([one for one in Quality if one is not Quality.GOOD])),
)
layouts = st.lists(
    st.builds(PointLayout, key=keys, quantity=keys, unit=st.text(max_size=6)),
    min_size=1,
    max_size=3,
    unique_by=lambda point: point.key,
).map(tuple)


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Any stream of up to three points."""
    return Stream(
        site=SiteId(draw(identifiers)),
        device=DeviceId(draw(identifiers)),
        group=draw(keys),
        measurement=draw(keys),
        mode=draw(st.sampled_from(Mode)),
        kind=draw(st.sampled_from(RecordKind)),
        points=draw(layouts),
    )


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Any batch of a few records: some devices share a layout, some do not."""
    first = draw(streams())
    siblings = [dataclasses.replace(first, device=DeviceId(name)) for name in draw(st.lists(identifiers, max_size=3))]
    choices = st.sampled_from([first, *siblings, *draw(st.lists(streams(), max_size=2))])
    seqs = draw(st.lists(st.integers(1, MAX_SEQ) | st.integers(1, 99), max_size=12, unique=True))
    point_values = draw(st.sampled_from([values, good_values]))
    records = []
    for seq in sorted(seqs):
        stream = draw(choices)
        records.append(
            Record(
                seq=seq,
                stream=stream,
                time_ms=draw(st.integers(0, MAX_TIME_MS) | st.integers(START_MS, START_MS + 2000)),
                time_quality=draw(st.sampled_from(TimeQuality)),
                values=tuple(draw(point_values) for _ in stream.points),
            )
        )
    return Batch(
        gateway=GatewayId(draw(identifiers)),
        epoch=draw(st.integers(0, MAX_EPOCH)),
        records=tuple(records),
        losses=tuple(draw(st.lists(losses(), max_size=3))),
    )


@st.composite
def losses(draw: st.DrawFn) -> Loss:
    """Any tombstone."""
    first, last = sorted((draw(st.integers(1, MAX_SEQ)), draw(st.integers(1, MAX_SEQ))))
    return Loss(first=first, last=last, reason=draw(st.sampled_from(LossReason)))


def readable(thing: object) -> object:
    """A message as JSON has it: choices by name, epochs as text (JSON numbers stop at 2**53)."""
    if isinstance(thing, Enum):
        return thing.name.lower()
    if isinstance(thing, Mapping):
        return {str(readable(key)): readable(value) for key, value in thing.items()}
    if isinstance(thing, tuple):
        return [readable(one) for one in thing]
    if isinstance(thing, int) and abs(thing) > MAX_SEQ:
        return str(thing)
    if dataclasses.is_dataclass(thing):
        return {field.name: readable(getattr(thing, field.name)) for field in dataclasses.fields(thing)}
    return thing
