"""Freshness is computed from promise and age, and silence becomes a number."""

from hypothesis import given
from hypothesis import strategies as st

from hub.freshness.heard import Heard
from hub.freshness.promise import Freshness, freshness_of, is_stale, stale_after
from hub.freshness.writer import FreshnessWriter
from hub.registry.model import Device
from hub.series.base import Latest, Sample, Selection, SeriesKey, TimeRange
from hub.series.sheet import Point, sheets_of
from tests.support.fake_clock import FakeClock
from tests.support.fake_series import FakeSeriesStore
from wire.identifiers import DeviceId, GatewayId
from wire.messages import GroupInventory
from wire.records import Mode, Quality

S = 1_000_000_000
ALWAYS = TimeRange(start_ns=0, end_ns=2**62)


def device(*groups: tuple[str, float], name: str = "meter-1") -> Device:
    return Device(
        gateway=GatewayId("gw-1"), device=DeviceId(name), profile="x/y", revision=1, bus="b", errors={},
        quality=None, last_good_ms=None,
        groups=tuple(
            GroupInventory(group=group, measurement="power", every_s=every_s, points=()) for group, every_s in groups
        ),
    )  # fmt: skip


def heard_at(time_ns: int, *, group: str = "main", mode: Mode = Mode.LIVE, measurement: str = "power") -> Point:
    return Point(
        measurement=measurement, site="hall", gateway="gw-1", device="meter-1", group=group, mode=mode,
        time_ns=time_ns, fields={"voltage": 1.0}, qualities={"voltage": Quality.GOOD},
    )  # fmt: skip


class Fleet:
    def __init__(self, *devices: Device) -> None:
        self._devices = list(devices)

    async def devices(self) -> list[Device]:
        return self._devices


async def written(heard: Heard, clock: FakeClock, *devices: Device) -> dict[tuple[str, str], tuple[float, Mode]]:
    store = FakeSeriesStore()
    await FreshnessWriter(fleet=Fleet(*devices), heard=heard, series=store, clock=clock).write()
    found = await store.span(Selection(measurement="freshness", site="hall", gateway="gw-1"), ALWAYS)
    return {(one.series.group, one.series.field): (one.samples[0].number or 0.0, one.series.mode) for one in found}


async def test_each_promised_group_says_age_promise_and_state() -> None:
    clock, heard = FakeClock(), Heard()
    now_ns = clock.now_ms() * 1_000_000
    await heard.hear(sheets_of([heard_at(now_ns - 40 * S, mode=Mode.SIMULATED), heard_at(now_ns - 90 * S)]))
    found = await written(heard, clock, device(("main", 10.0), ("events", 0.0)))
    assert found == {
        ("main", "age_s"): (40.0, Mode.SIMULATED),
        ("main", "promised_s"): (10.0, Mode.SIMULATED),
        ("main", "state"): (float(Freshness.STALE), Mode.SIMULATED),
    }


async def test_a_group_that_never_came_is_silent_and_has_no_age() -> None:
    clock, heard = FakeClock(), Heard()
    assert await written(heard, clock, device(("main", 10.0))) == {}, "the gateway never sent anything"
    await heard.hear(sheets_of([heard_at(clock.now_ms() * 1_000_000)]))
    found = await written(heard, clock, device(("main", 10.0), ("energy", 60.0)))
    assert found["energy", "state"] == (float(Freshness.SILENT), Mode.LIVE)
    assert ("energy", "age_s") not in found


async def test_a_restarted_hub_knows_ages_from_what_is_stored() -> None:
    clock, heard = FakeClock(), Heard()
    key = SeriesKey(
        measurement="power", site="hall", gateway="gw-1", device="meter-1", group="main", mode=Mode.LIVE, field="v"
    )
    stored = Sample(time_ns=clock.now_ms() * 1_000_000 - 5 * S, number=None, quality=Quality.TIMEOUT)
    heard.remember([Latest(series=key, sample=stored)])
    found = await written(heard, clock, device(("main", 10.0)))
    assert found["main", "age_s"] == (5.0, Mode.LIVE)
    assert found["main", "state"] == (float(Freshness.FRESH), Mode.LIVE)


async def test_what_the_hub_itself_writes_about_a_gateway_is_no_sign_of_life() -> None:
    clock, heard = FakeClock(), Heard()
    await heard.hear(sheets_of([heard_at(clock.now_ms() * 1_000_000, measurement="freshness")]))
    assert heard.any_of("gw-1") is None


async def test_late_records_make_nothing_older() -> None:
    heard = Heard()
    await heard.hear(sheets_of([heard_at(100 * S), heard_at(50 * S)]))
    last = heard.last("gw-1", "meter-1", "main")
    assert last is not None
    assert last.time_ns == 100 * S


@given(st.floats(-120, 1e7), st.floats(0.1, 1e5))
def test_states_are_in_order_of_age_and_agree_with_stale(age_s: float, every_s: float) -> None:
    state = freshness_of(age_s, every_s)
    assert (state >= Freshness.STALE) == is_stale(age_s, stale_after(every_s))
    if age_s >= 0:
        assert freshness_of(age_s * 2, every_s) >= state
