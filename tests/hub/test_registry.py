"""The registry on a real SQLite file and a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, create_engine, text

from hub.registry.dead_letter_store import DeadLetterLimits
from hub.registry.ledger import Settlement
from hub.registry.model import DayCount, DeadLetter, DeadReason, GatewayState, Outcome, RegistryError, Site
from hub.registry.store import Registry
from hub.registry.tables import METADATA
from wire.errors import WireError
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import (
    BusStatus,
    DeviceInventory,
    DeviceStatus,
    EpochStatus,
    GroupInventory,
    Inventory,
    Refusal,
    Refused,
    Status,
)
from wire.ranges import RangeSet
from wire.records import Loss, LossReason, PointLayout, Quality

GATEWAY = GatewayId("gw-1")
HALL = Site(site=SiteId("hall"), name="Town hall", latitude=16.05, longitude=108.2, admin_unit="Hải Châu")
EPOCH = 2**64 - 1
KEY = (GATEWAY, EPOCH)


@pytest.fixture
async def registry(registry_url: str) -> AsyncIterator[Registry]:
    opened = await Registry.open(registry_url, limits=DeadLetterLimits(letters=3, payload_bytes=1000))
    await opened.fleet.save_site(HALL)
    await opened.fleet.register(GATEWAY, site=HALL.site, now_ms=1)
    yield opened
    await opened.close()


def inventory(*devices: str) -> Inventory:
    points = (
        PointLayout(key="voltage", quantity="voltage", unit="V"),
        PointLayout(key="current", quantity="current", unit="A"),
    )
    group = GroupInventory(group="main", measurement="electricity", every_s=10.0, points=points)
    return Inventory(
        gateway=GATEWAY,
        site=HALL.site,
        devices=tuple(
            DeviceInventory(
                device=DeviceId(device), profile="eastron/sdm120", revision=2, bus="rs485-1", groups=(group,)
            )
            for device in devices
        ),
    )


def status(*, accepted_hi: int = 10, in_flight: int = 0) -> Status:
    return Status(
        gateway=GATEWAY,
        online=True,
        site=HALL.site,
        agent_version="0.1.0",
        boot_ms=5,
        accepted_total=accepted_hi,
        final_total=accepted_hi - in_flight,
        in_flight=in_flight,
        lost_total={LossReason.FULL: 2},
        epochs=(EpochStatus(epoch=EPOCH, accepted_hi=accepted_hi),),
        devices=(DeviceStatus(device=DeviceId("m1"), quality=Quality.TIMEOUT, last_good_ms=3, errors={"timeout": 4}),),
    )


def letter(payload: bytes) -> DeadLetter:
    return DeadLetter(gateway=GATEWAY, topic="t", reason=DeadReason.UNREADABLE, detail="no", time_ms=1, payload=payload)


async def test_the_migrations_give_exactly_the_tables(registry_url: str) -> None:
    await (await Registry.open(registry_url)).close()

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    engine = create_engine(registry_url.replace("+aiosqlite", ""))
    with engine.connect() as connection:
        assert differences(connection) == []
    engine.dispose()


async def test_a_registry_of_a_newer_hub_is_refused_with_a_clear_error(registry_url: str) -> None:
    await (await Registry.open(registry_url)).close()
    engine = create_engine(registry_url.replace("+aiosqlite", ""))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(RegistryError, match="newer hub"):
        await Registry.open(registry_url)


@pytest.mark.parametrize("url", ["nonsense", "sqlite+aiosqlite:////nowhere/at/all/registry.sqlite"])
async def test_a_registry_that_cannot_be_opened_says_so(url: str) -> None:
    with pytest.raises(RegistryError, match="registry database"):
        await Registry.open(url)


async def test_what_was_registered_is_there_after_a_restart(registry: Registry, registry_url: str) -> None:
    await registry.fleet.record_inventory(inventory("m1"))
    await registry.close()
    again = await Registry.open(registry_url)
    assert await again.fleet.sites() == [HALL]
    assert [(gateway.gateway, gateway.site) for gateway in await again.fleet.gateways()] == [(GATEWAY, "hall")]
    assert [device.device for device in await again.fleet.devices()] == ["m1"]
    await again.close()


async def test_names_that_may_not_be_are_refused(registry: Registry) -> None:
    with pytest.raises(WireError):
        await registry.fleet.register(GatewayId("gw/1"), site=None, now_ms=1)
    with pytest.raises(WireError):
        await registry.fleet.save_site(Site(site=SiteId("A b"), name="x"))
    with pytest.raises(RegistryError, match="add it first"):
        await registry.fleet.register(GatewayId("gw-2"), site=SiteId("nowhere"), now_ms=1)
    with pytest.raises(RegistryError, match="register it first"):
        await registry.fleet.set_state(GatewayId("gw-2"), GatewayState.BLOCKED)


async def test_registering_again_moves_a_gateway_and_keeps_it_blocked(registry: Registry) -> None:
    await registry.fleet.set_state(GATEWAY, GatewayState.BLOCKED)
    await registry.fleet.register(GATEWAY, site=None, now_ms=9)
    found = await registry.fleet.gateway(GATEWAY)
    assert found is not None
    assert (found.site, found.state, found.registered_ms) == (None, GatewayState.BLOCKED, 1)
    assert await registry.fleet.states([GATEWAY, GatewayId("gw-2")]) == {GATEWAY: GatewayState.BLOCKED}


async def test_an_unknown_gateway_is_seen_until_it_is_registered(registry: Registry) -> None:
    stranger = GatewayId("stranger")
    await registry.fleet.note_unknown({stranger: 2}, now_ms=5)
    await registry.fleet.note_unknown({stranger: 3}, now_ms=6)
    (seen,) = await registry.fleet.unknown_gateways()
    assert (seen.gateway, seen.messages, seen.first_seen_ms, seen.last_seen_ms) == (stranger, 5, 5, 6)
    await registry.fleet.register(stranger, site=None, now_ms=7)
    assert await registry.fleet.unknown_gateways() == []


async def test_unknown_names_are_bounded(registry: Registry) -> None:
    await registry.fleet.note_unknown({GatewayId(f"n{i}"): 1 for i in range(1100)}, now_ms=5)
    assert len(await registry.fleet.unknown_gateways()) == 1000


async def test_the_inventory_replaces_what_was_there_and_keeps_the_health(registry: Registry) -> None:
    await registry.fleet.record_inventory(inventory("m1", "m2"))
    await registry.fleet.record_status(status(), now_ms=20)
    await registry.fleet.record_inventory(inventory("m1", "m3"))
    devices = {device.device: device for device in await registry.fleet.devices(GATEWAY)}
    assert list(devices) == ["m1", "m3"]
    assert devices[DeviceId("m1")].groups == inventory("m1").devices[0].groups
    assert devices[DeviceId("m1")].quality is Quality.TIMEOUT
    assert devices[DeviceId("m1")].errors == {"timeout": 4}
    assert devices[DeviceId("m3")].quality is None


async def test_a_last_will_keeps_the_last_numbers(registry: Registry) -> None:
    await registry.fleet.record_status(status(in_flight=3), now_ms=20)
    will = Status(gateway=GATEWAY, online=False, site=HALL.site, agent_version="0.1.0", boot_ms=5)
    await registry.fleet.record_status(will, now_ms=30)
    found = await registry.fleet.gateway(GATEWAY)
    assert found is not None
    assert (found.online, found.accepted_total, found.in_flight) == (False, 10, 3)
    assert (found.first_seen_ms, found.last_seen_ms) == (20, 30)
    assert found.lost_total == {LossReason.FULL: 2}


async def test_the_ledger_holds_what_was_settled_and_the_refusals_asked_for(registry: Registry) -> None:
    settlement = Settlement(
        gateway=GATEWAY,
        epoch=EPOCH,
        stored=RangeSet.of([(1, 4), (6, 8)]),
        refused=(Refused(seq=5, reason=Refusal.DATABASE), Refused(seq=9, reason=Refusal.UNKNOWN_UNIT)),
        losses=(Loss(first=10, last=12, reason=LossReason.CORRUPT),),
    )
    for _ in range(2):
        await registry.ledger.settle([settlement], dead_letters=[letter(b"x")], now_ms=3)
    view = (await registry.ledger.views({KEY: RangeSet.of([(4, 6)])}))[KEY]
    assert view.ledger.done == RangeSet.of([(1, 9)])
    assert view.ledger.final == RangeSet.of([(1, 12)])
    assert view.refused == (Refused(seq=5, reason=Refusal.DATABASE),)
    assert view.ledger.refused_count == 2
    accounts = await registry.ledger.accounts(GATEWAY)
    assert (accounts.accepted, accounts.stored, accounts.refused, accounts.lost) == (12, 7, 2, {LossReason.CORRUPT: 3})
    assert [found.times for found in await registry.dead_letters.letters()] == [2]


async def test_a_question_about_nothing_finds_nothing(registry: Registry) -> None:
    refused = (Refused(seq=5, reason=Refusal.DATABASE),)
    await registry.ledger.settle([Settlement(gateway=GATEWAY, epoch=EPOCH, refused=refused)], now_ms=3)
    assert (await registry.ledger.views({KEY: RangeSet()}))[KEY].refused == ()


async def test_accounts_compare_the_ledger_with_the_gateways_word(registry: Registry) -> None:
    await registry.fleet.record_status(status(accepted_hi=10, in_flight=2), now_ms=20)
    await registry.ledger.settle([Settlement(gateway=GATEWAY, epoch=EPOCH, stored=RangeSet.of([(1, 5)]))], now_ms=21)
    (accounts,) = await registry.ledger.all_accounts()
    # 5 open, 2 held by the gateway, 2 lost with the tombstone under way: one is unexplained.
    assert (accounts.accepted, accounts.stored, accounts.in_flight, accounts.unexplained) == (10, 5, 4, 1)


async def test_a_gateway_nobody_knows_has_empty_accounts(registry: Registry) -> None:
    accounts = await registry.ledger.accounts(GatewayId("nobody"))
    assert (accounts.accepted, accounts.unexplained, accounts.lost) == (0, 0, {})


async def test_dead_letters_are_bounded_and_what_goes_is_counted(registry: Registry) -> None:
    for i in range(5):
        await registry.dead_letters.add([letter(bytes([i]))])
    assert [found.payload for found in await registry.dead_letters.letters(GATEWAY)] == [b"\4", b"\3", b"\2"]
    await registry.dead_letters.add([letter(bytes(999))])
    kept = await registry.dead_letters.letters()
    assert [len(found.payload) for found in kept] == [999, 1]
    (count,) = await registry.dead_letters.counts()
    assert (count.kept, count.dropped) == (2, 4)
    assert kept[0].letter_id is not None
    assert await registry.dead_letters.letter(kept[0].letter_id) == kept[0]
    assert await registry.dead_letters.letter(10**6) is None


async def test_hubs_that_start_together_on_an_empty_database_all_open_it(registry_url: str) -> None:
    opened = await asyncio.gather(*(Registry.open(registry_url) for _ in range(4)))
    assert [await registry.fleet.gateways() for registry in opened] == [[]] * 4
    for registry in opened:
        await registry.close()


async def test_two_hubs_that_settle_the_same_records_at_once_count_them_once(registry_url: str) -> None:
    hubs = [await Registry.open(registry_url) for _ in range(2)]
    await hubs[0].fleet.register(GATEWAY, site=None, now_ms=1)
    refused = (Refused(seq=500, reason=Refusal.DATABASE),)

    async def settle(hub: Registry, first: int) -> None:
        one = Settlement(gateway=GATEWAY, epoch=EPOCH, stored=RangeSet(((first, first + 19),)), refused=refused)
        while True:
            try:
                await hub.ledger.settle([one], now_ms=1)
            except RegistryError:  # the worker tries again: nothing was recorded
                continue
            else:
                return

    await asyncio.gather(*(settle(hub, first) for first in range(1, 200, 10) for hub in hubs))
    accounts = await hubs[1].ledger.accounts(GATEWAY)
    assert (accounts.stored, accounts.refused, accounts.unexplained) == (210, 1, 0)
    for hub in hubs:
        await hub.close()


def refused_letter(seq: int) -> DeadLetter:
    return DeadLetter(
        gateway=GATEWAY,
        topic="sen/1/up/gw-1/batch",
        reason=DeadReason.REFUSED,
        detail="field type conflict",
        time_ms=5,
        payload=bytes([seq]),
        epoch=EPOCH,
        seq=seq,
    )


async def test_a_refused_record_that_is_stored_after_all_changes_places_in_the_accounts_once(
    registry: Registry,
) -> None:
    refused = Settlement(gateway=GATEWAY, epoch=EPOCH, refused=(Refused(seq=7, reason=Refusal.DATABASE),))
    await registry.ledger.settle([refused], dead_letters=[refused_letter(7)], now_ms=1)
    before = await registry.ledger.accounts(GATEWAY)
    (letter,) = await registry.dead_letters.letters()
    assert await registry.ledger.redeem(letter, day=20_000, now_ms=9)
    assert not await registry.ledger.redeem(letter, day=20_000, now_ms=9)
    after = await registry.ledger.accounts(GATEWAY)
    assert (before.stored, before.refused, after.stored, after.refused) == (0, 1, 1, 0)
    assert after.accepted == before.accepted
    assert after.in_flight == before.in_flight
    assert (await registry.ledger.views({KEY: RangeSet(((1, 9),))}))[KEY].refused == ()
    assert await registry.audits.stored(first_day=0, last_day=30_000) == {(GATEWAY, 20_000): 1}
    assert await registry.dead_letters.letters() == []
    (trace,) = await registry.dead_letters.closed(GATEWAY)
    assert (trace.epoch, trace.seq, trace.outcome, trace.closed_ms) == (EPOCH, 7, Outcome.STORED, 9)


async def test_a_dropped_letter_leaves_a_trace_and_one_that_came_again_meanwhile_stays(registry: Registry) -> None:
    await registry.dead_letters.add([refused_letter(7), refused_letter(8)])
    second, first = await registry.dead_letters.letters()
    await registry.dead_letters.add([refused_letter(8)])
    assert await registry.dead_letters.close(first, Outcome.DROPPED, now_ms=9)
    assert not await registry.dead_letters.close(second, Outcome.DROPPED, now_ms=9)
    assert [letter.seq for letter in await registry.dead_letters.letters()] == [8]
    assert await registry.dead_letters.open_count() == 1
    assert [(trace.seq, trace.outcome) for trace in await registry.dead_letters.closed()] == [(7, Outcome.DROPPED)]


async def test_stored_records_are_counted_by_day_once_however_often_they_are_settled(registry: Registry) -> None:
    one = Settlement(
        gateway=GATEWAY,
        epoch=EPOCH,
        stored=RangeSet(((1, 30),)),
        days={20_000: RangeSet(((1, 10),)), 20_001: RangeSet(((11, 30),))},
    )
    await registry.ledger.settle([one, one], now_ms=1)
    await registry.ledger.settle([one], now_ms=2)
    assert await registry.audits.stored(first_day=20_000, last_day=20_000) == {(GATEWAY, 20_000): 10}
    assert await registry.audits.stored(first_day=20_001, last_day=20_009) == {(GATEWAY, 20_001): 20}


async def test_what_an_audit_found_is_there_until_the_next_one_and_may_be_believed(registry: Registry) -> None:
    found = DayCount(gateway=GATEWAY, day=20_000, stored=10, rows=7, audited_ms=5)
    await registry.audits.record([found, DayCount(gateway=GATEWAY, day=20_001, stored=4, rows=4, audited_ms=5)])
    assert await registry.audits.differing() == [found]
    assert (found.missing, found.surplus) == (3, 0)
    await registry.audits.believe_rows([found])
    assert await registry.audits.stored(first_day=20_000, last_day=20_000) == {(GATEWAY, 20_000): 7}
    await registry.audits.record([DayCount(gateway=GATEWAY, day=20_000, stored=7, rows=7, audited_ms=6)])
    assert await registry.audits.differing() == []


async def test_losses_are_named_by_epoch_range_and_reason(registry: Registry) -> None:
    losses = (
        Loss(first=3, last=9, reason=LossReason.CORRUPT),
        Loss(first=1, last=5, reason=LossReason.FULL),
    )
    stored = RangeSet(((4, 4), (10, 12)))
    await registry.ledger.settle([Settlement(gateway=GATEWAY, epoch=EPOCH, stored=stored, losses=losses)], now_ms=1)
    lost = await registry.ledger.losses(GATEWAY)
    assert [(one.epoch, one.first, one.last, one.reason) for one in lost] == [
        (EPOCH, 1, 3, LossReason.FULL),
        (EPOCH, 5, 5, LossReason.FULL),
        (EPOCH, 6, 9, LossReason.CORRUPT),
    ]
    assert sum(one.last - one.first + 1 for one in lost) == (await registry.ledger.accounts(GATEWAY)).lost_total


async def test_how_a_gateways_machine_and_buses_are_is_kept_and_outlives_its_last_will(registry: Registry) -> None:
    bus = BusStatus(bus="RS485 #1", numbers={"bus_load_percent": 12.5})
    await registry.fleet.record_status(replace(status(), machine={"cpu_percent": 3.5}, buses=(bus,)), now_ms=5)
    will = Status(gateway=GATEWAY, online=False, site=HALL.site, agent_version="0.1.0", boot_ms=5)
    await registry.fleet.record_status(will, now_ms=6)
    known = await registry.fleet.gateway(GATEWAY)
    assert known is not None
    assert (known.machine, known.buses) == ({"cpu_percent": 3.5}, (bus,))
