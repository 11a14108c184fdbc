"""The demonstration ends well only where three independent counts agree."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from deploy.demo.accounts import Accounts, count, spool_state
from edge.spool.base import Reading, SpoolError
from edge.spool.segment_spool import SegmentSpool
from hub.config import open_folder
from hub.kept import make_series
from hub.new_folder import make_folder
from hub.registry.ledger import Settlement
from hub.registry.model import Site
from hub.registry.store import Registry
from hub.series.sheet import Point, sheets_of
from tests.support.speaking_gateway import stream
from wire.identifiers import GatewayId, SiteId
from wire.ranges import RangeSet
from wire.records import Mode, Quality, Value

GOOD = Accounts(
    accepted=10,
    stored=8,
    refused=0,
    lost=0,
    in_flight=2,
    series=3,
    pretending=0,
    ledger_accepted=10,
    ledger_stored=8,
)
GATEWAY = GatewayId("gw-1")
NOW_MS = 1_795_435_200_000


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"stored": 0, "in_flight": 10, "ledger_stored": 0}, "nothing was stored"),
        ({"lost": 1, "in_flight": 1}, "1 records were lost"),
        ({"accepted": 13}, "3 records are unexplained"),
        ({"accepted": 9}, "-1 records are unexplained"),
        ({"ledger_stored": 9}, "holds 8 records, the hub's ledger says 9"),
        ({"pretending": 1}, "do not say that they are simulated"),
    ],
)
def test_every_disagreement_is_told(changed: dict[str, int], told: str) -> None:
    assert GOOD.troubles == []
    (trouble,) = replace(GOOD, **changed).troubles
    assert told in trouble


def test_the_last_line_has_all_numbers() -> None:
    assert json.loads(GOOD.as_json()) == {
        "accepted": 10,
        "stored": 8,
        "refused": 0,
        "lost": 0,
        "in_flight": 2,
        "unexplained": 0,
        "series": 3,
    }


def point(number: int, mode: Mode, *, measurement: str = "weather") -> Point:
    return Point(
        measurement=measurement,
        site="s",
        gateway=GATEWAY,
        device="d",
        group="g",
        mode=mode,
        time_ns=NOW_MS * 1_000_000 + number,
        fields={"temperature": 20.0},
        qualities={"temperature": Quality.GOOD},
    )


async def test_records_are_counted_in_the_store_the_ledger_and_the_spool(tmp_path: Path) -> None:
    make_folder(tmp_path / "hub")
    hub = open_folder(tmp_path / "hub")
    registry = await Registry.open(hub.registry_url)
    await registry.fleet.save_site(Site(site=SiteId("s"), name="S"))
    await registry.fleet.register(GATEWAY, site=SiteId("s"), now_ms=NOW_MS)
    settled = Settlement(gateway=GATEWAY, epoch=7, stored=RangeSet.of([(1, 4)]))
    await registry.ledger.settle([settled], now_ms=NOW_MS)
    await registry.close()
    store = make_series(hub)
    of_the_hub = point(4, Mode.LIVE, measurement="gateway")  # what it says of a gateway is so
    sent = [*(point(number, Mode.SIMULATED) for number in range(3)), point(3, Mode.LIVE)]
    await store.write(sheets_of([*sent, of_the_hub]))
    await store.close()

    path = tmp_path / "gw-1" / "state" / "spool"
    spool = SegmentSpool.open(path, gateway=GATEWAY, max_bytes=10**7, random_u64=lambda: 7)
    reading = Reading(stream=stream("s", "d", "weather", "temperature"), time_ms=NOW_MS, values=(Value(20.0),))
    spool.accept([reading] * 6)
    with pytest.raises(SpoolError):
        spool_state(tmp_path / "gw-1", GATEWAY)  # its agent still runs
    spool.finish(7, RangeSet.of([(1, 4)]))
    spool.close()

    accounts = await count(tmp_path / "hub", [spool_state(tmp_path / "gw-1", GATEWAY)])
    assert (accounts.accepted, accounts.stored, accounts.in_flight, accounts.unexplained) == (6, 4, 2, 0)
    assert (accounts.series, accounts.pretending, accounts.ledger_stored) == (3, 1, 4)
