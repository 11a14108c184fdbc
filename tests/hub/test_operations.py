"""How the hub and its gateways are becomes series and alarms, and says nothing that nobody knows."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.breaker import BreakerState
from hub.ingest.counters import IngestCounters
from hub.operations.alarms import alarms_of
from hub.operations.points import HubNumbers, audit_point, bus_tag, gateway_points, hub_points
from hub.registry.dead_letter_store import DeadLetterCount
from hub.registry.ledger import Accounts
from hub.registry.model import DayCount, Gateway, GatewayState
from hub.series.names import faults_of
from hub.series.sheet import Point, sheets_of
from wire.identifiers import GatewayId, SiteId, check_identifier
from wire.messages import BusStatus
from wire.quantities import QUANTITIES
from wire.records import LossReason, TimeQuality

NAME = GatewayId("gw-1")
NOW_MS = 1_795_000_000_000
ACCOUNTS = Accounts(
    gateway=NAME, accepted=100, stored=80, refused=3, lost={LossReason.FULL: 7}, in_flight=9, unexplained=1
)


def gateway(**more: object) -> Gateway:
    known = Gateway(gateway=NAME, site=SiteId("hall"), state=GatewayState.ACTIVE, registered_ms=1)
    return replace(known, **more)  # type: ignore[arg-type]


def counters(*, is_open: bool = False, flood: Mapping[GatewayId, int] | None = None) -> IngestCounters:
    breaker = BreakerState(is_open=is_open, refused=(NAME,), heard=4, reason="unknown unit")
    names = IngestCounters.__dataclass_fields__
    numbers = dict.fromkeys(names, 0)
    facts = {"breaker": breaker, "dropped_flood": flood or {}, "trouble": None, "write_delay_s": 0.25}
    return IngestCounters(**{**numbers, **facts})  # type: ignore[arg-type]


def faults(point: Point) -> list[dict[int, str]]:
    """Why no store would take it."""
    return [faults_of(sheet) for sheet in sheets_of([point])]


def by_group(points: list[Point]) -> dict[tuple[str, str], Point]:
    return {(point.device, point.group): point for point in points}


def test_a_gateways_delivery_machine_and_buses_are_series_whose_accounts_add_up() -> None:
    known = gateway(
        status_ms=NOW_MS - 4000,
        oldest_uncommitted_ms=NOW_MS - 9000,
        time_quality=TimeQuality.ESTIMATED,
        machine={"cpu_percent": 12.5, "commit_delay_s": 0.5, "something_newer": 1.0},
        buses=(BusStatus(bus="RS485 #1", numbers={"bus_load_percent": 33.0}),),
    )
    points = by_group(list(gateway_points(known, ACCOUNTS, is_online=True, now_ms=NOW_MS)))
    assert set(points) == {("agent", "delivery"), ("agent", "machine"), ("rs485-1", "bus")}
    told = points["agent", "delivery"].fields
    lost = sum(told[f"lost_{reason.value}"] for reason in LossReason)
    assert told["accepted"] == told["stored"] + told["refused"] + lost + told["in_flight"] + told["unexplained"]
    assert (told["status_age_s"], told["oldest_uncommitted_s"], told["commit_delay_s"], told["online"]) == (
        4,
        9,
        0.5,
        1,
    )
    assert points["agent", "machine"].fields == {"cpu_percent": 12.5, "time_quality": 1.0}
    assert points["rs485-1", "bus"].fields == {"bus_load_percent": 33.0}
    for point in points.values():
        assert faults(point) == [{}]
        assert set(point.fields) <= set(QUANTITIES)


def test_of_a_silent_gateway_no_old_number_is_written_as_one_of_now() -> None:
    known = gateway(status_ms=NOW_MS - 400_000, machine={"cpu_percent": 12.5, "commit_delay_s": 0.5})
    (delivery,) = gateway_points(known, ACCOUNTS, is_online=False, now_ms=NOW_MS)
    assert delivery.fields["online"] == 0
    assert "commit_delay_s" not in delivery.fields


def test_the_hub_writes_how_it_is_and_what_an_audit_found() -> None:
    numbers = HubNumbers(ingest=counters(is_open=True), dead_letters_open=3, memory_bytes=None)
    (hub,) = hub_points(numbers, now_ms=NOW_MS)
    assert (hub.fields["dead_letters_open"], hub.fields["breaker_open"], hub.fields["write_delay_s"]) == (3, 1, 0.25)
    assert "memory_bytes" not in hub.fields
    short, long = DayCount(gateway=NAME, day=1, stored=10, rows=7), DayCount(gateway=NAME, day=2, stored=5, rows=6)
    audit = audit_point([short, long], now_ms=NOW_MS)
    assert audit.fields == {"missing": 3, "checked": 15}
    assert faults(hub) == faults(audit) == [{}]
    assert set(hub.fields) | set(audit.fields) <= set(QUANTITIES)


@given(name=st.text(max_size=80))
def test_whatever_a_bus_is_called_it_has_a_tag(name: str) -> None:
    assert check_identifier(bus_tag(name), what="bus")


@pytest.mark.parametrize(
    ("alarms", "kind", "says"),
    [
        (alarms_of(ingest=counters(is_open=True)), "breaker", "1 of 4 gateways are refused (unknown unit)"),
        (alarms_of(ingest=counters(), accounts=[ACCOUNTS]), "unexplained", "gateway gw-1: 1 records"),
        (
            alarms_of(ingest=counters(), dead_letters=[DeadLetterCount(gateway=NAME, kept=2, dropped=0)]),
            "dead_letters",
            "2 dead letters are open (gw-1: 2)",
        ),
        (
            alarms_of(ingest=counters(), differing=[DayCount(gateway=NAME, day=20_000, stored=9, rows=7)]),
            "audit",
            "gw-1 on 2024-10-04: 2",
        ),
        (alarms_of(ingest=counters(flood={NAME: 5})), "flood", "gw-1 sent 5 messages"),
        (alarms_of(ingest=counters(), store_faults=["no mapping"]), "store", "no mapping"),
    ],
)
def test_an_alarm_says_what_where_and_what_to_do(alarms: list[object], kind: str, says: str) -> None:
    (alarm,) = alarms
    assert getattr(alarm, "kind", None) == kind
    assert says in getattr(alarm, "text", "")


def test_where_all_is_well_there_is_no_alarm() -> None:
    calm = Accounts(gateway=NAME, accepted=9, stored=9, refused=0, lost={}, in_flight=0, unexplained=0)
    letters = [DeadLetterCount(gateway=NAME, kept=0, dropped=4)]
    surplus = [DayCount(gateway=NAME, day=1, stored=7, rows=9)]
    assert alarms_of(ingest=counters(), accounts=[calm], dead_letters=letters, differing=surplus) == []
