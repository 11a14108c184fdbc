"""The audit finds what is missing, names gateway and day, and repairs only what counting proves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hub.audit.auditor import MS_PER_DAY, Auditor, until_next_ms, why_unproved
from hub.ingest.guards import Guards
from hub.registry.ledger import Accounts
from hub.registry.store import Registry
from tests.hub.test_ingest_guards import EPOCH, FLEET, Hub, batch_of
from tests.support.fake_clock import FakeClock
from tests.support.hub_process import make_hub, sen_hub
from tests.support.influxd import InfluxServer
from tests.support.speaking_gateway import speaking_gateway, stream
from wire.identifiers import SiteId
from wire.messages import EpochStatus, Status
from wire.records import Value

GATEWAY = FLEET[0]
AIR = stream("hall", "air-1", "air_quality", "pm2_5")


class Audited(Hub):
    """A hub with an auditor; its readings are of one day."""

    day = 1_790_000_000_000 // MS_PER_DAY

    async def audit(self, *, repair: bool = False) -> list[tuple[str, int, int, int]]:
        found = await self.auditor().audit(first_day=self.day - 1, last_day=self.day + 1, repair=repair)
        return [(one.gateway, one.day, one.stored, one.rows) for one in found.days]

    def auditor(self) -> Auditor:
        return Auditor(registry=self.registry, series=self.series, clock=FakeClock())

    async def says(self, *, accepted: int, in_flight: int) -> None:
        status = Status(
            gateway=GATEWAY,
            online=True,
            site=SiteId("hall"),
            agent_version="1",
            boot_ms=1,
            accepted_total=accepted,
            final_total=accepted - in_flight,
            in_flight=in_flight,
            epochs=(EpochStatus(epoch=EPOCH, accepted_hi=accepted),),
        )
        await self.registry.fleet.record_status(status, now_ms=1)


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Audited]:
    registry = await Registry.open(f"sqlite+aiosqlite:///{tmp_path / 'registry.sqlite'}")
    await registry.fleet.register(GATEWAY, site=None, now_ms=1)
    yield Audited(registry, Guards())
    await registry.close()


async def forget(registry: Registry, folder: Path) -> Registry:
    """The ledger is lost; the fleet is registered anew."""
    await registry.close()
    for file in folder.glob("registry.sqlite*"):
        file.unlink()
    fresh = await Registry.open(f"sqlite+aiosqlite:///{folder / 'registry.sqlite'}")
    await fresh.fleet.register(GATEWAY, site=None, now_ms=1)
    return fresh


async def test_rows_that_are_gone_are_missing_on_their_day_until_they_are_believed(hub: Audited) -> None:
    await hub.receive(batch_of(GATEWAY, range(1, 11)))
    assert await hub.audit() == [(GATEWAY, hub.day, 10, 10)]
    for key in list(hub.series.points)[:3]:
        del hub.series.points[key]
    assert await hub.audit() == [(GATEWAY, hub.day, 10, 7)]
    assert [(one.gateway, one.missing) for one in await hub.registry.audits.differing()] == [(GATEWAY, 3)]
    assert await hub.audit(repair=True) == [(GATEWAY, hub.day, 7, 7)]
    assert await hub.audit() == [(GATEWAY, hub.day, 7, 7)]
    assert await hub.registry.audits.differing() == []


async def test_after_the_ledger_was_lost_the_records_that_counting_proves_are_stored_again(
    hub: Audited, tmp_path: Path
) -> None:
    await hub.receive(batch_of(GATEWAY, range(1, 11)))
    hub.registry = await forget(hub.registry, tmp_path)
    await hub.says(accepted=10, in_flight=0)
    before = await hub.registry.ledger.accounts(GATEWAY)
    assert (before.stored, before.unexplained) == (0, 10)
    await hub.audit(repair=True)
    after = await hub.registry.ledger.accounts(GATEWAY)
    assert (after.accepted, after.stored, after.unexplained) == (10, 10, 0)
    assert await hub.audit() == [(GATEWAY, hub.day, 10, 10)]
    await hub.registry.close()


async def test_where_a_row_is_missing_too_nothing_is_called_stored(hub: Audited, tmp_path: Path) -> None:
    await hub.receive(batch_of(GATEWAY, range(1, 11)))
    hub.registry = await forget(hub.registry, tmp_path)
    del hub.series.points[next(iter(hub.series.points))]
    await hub.says(accepted=10, in_flight=0)
    found = await hub.auditor().audit(first_day=hub.day, last_day=hub.day, repair=True)
    assert "not the same number proves nothing" in found.repaired[0]
    assert (await hub.registry.ledger.accounts(GATEWAY)).unexplained == 10
    await hub.registry.close()


def test_while_records_are_under_way_nothing_is_proved() -> None:
    calm = Accounts(gateway=GATEWAY, accepted=9, stored=4, refused=0, lost={}, in_flight=0, unexplained=5)
    assert why_unproved(calm, 5) is None
    assert why_unproved(calm, 4) is not None
    assert why_unproved(calm, 6) is not None
    assert why_unproved(replace(calm, in_flight=1), 5) is not None


def test_the_nightly_audit_is_at_two_by_utc() -> None:
    midnight_ms = 20_000 * MS_PER_DAY
    assert until_next_ms(midnight_ms) == 2 * 3_600_000
    assert until_next_ms(midnight_ms + 2 * 3_600_000) == MS_PER_DAY
    assert until_next_ms(midnight_ms + 3 * 3_600_000) == 23 * 3_600_000


@pytest.mark.real
def test_rows_deleted_from_a_real_influxdb_are_named_by_gateway_and_day(
    tmp_path: Path, free_port: Callable[[], int], real_program: Callable[[str], str]
) -> None:
    (tmp_path / "influx").mkdir()
    server = InfluxServer(program=real_program("influxd"), folder=tmp_path / "influx")
    more = {"series": f'{{kind: influxdb1, url: "{server.url}", bucket: sen}}'}
    hub = make_hub(tmp_path / "hub", http_port=free_port(), mqtt_port=free_port(), broker="embedded", more=more)
    folder = str(hub.folder)
    try:
        hub.start()
        password = hub.folder / "gw.password"
        sen_hub("gateway", "add", folder, "gw-1", "--site", "hall", "--password-file", str(password))
        yesterday_ms = MS_PER_DAY

        async def send() -> None:
            async with speaking_gateway(
                port=hub.mqtt_port, name="gw-1", password=password.read_text().strip(), site="hall", streams=[AIR]
            ) as gateway:
                await gateway.send(*((AIR, yesterday_ms + n, (Value(float(n)),)) for n in range(20)), within_s=20)

        asyncio.run(send())
        assert "20 records checked on 1 days of gateways, 0 differ" in sen_hub("audit", folder).stdout
        gone = httpx.post(
            f"{server.url}/query",
            data={"db": "sen", "q": "DELETE FROM air_quality WHERE time < now() - 1d"},
            timeout=10,
        )
        assert gone.is_success
        told = sen_hub("audit", folder, expect=1)
        assert "gw-1" in told.stdout
        assert "20 missing" in told.stdout
        assert "rows are missing in the series store (gw-1 on" in sen_hub("status", folder, expect=1).stdout
        sen_hub("audit", folder, "--repair")
        sen_hub("audit", folder)
    finally:
        if hub.program.runs:
            hub.program.stop()
        server.kill()
