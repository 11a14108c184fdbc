"""The ledger that the simulation uses says what the registry's says, whatever it is told (`hub/ingest/books.py`)."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.registry.ledger import Settlement
from hub.registry.model import Site
from hub.registry.store import Registry
from tests.simulation.far_side import MemoryBooks
from tests.support.postgres import PostgresServer
from wire.identifiers import GatewayId, SiteId
from wire.messages import EpochStatus, Refusal, Refused, Status
from wire.ranges import RangeSet
from wire.records import Loss, LossReason

GATEWAY = GatewayId("gw-1")
EPOCHS = (5, 2**63 + 1)
ASKED = RangeSet(((1, 60),))

SEQS = st.sets(st.integers(1, 40), max_size=12)


@st.composite
def settlements(draw: st.DrawFn) -> Settlement:
    stored, lost = draw(SEQS), draw(SEQS)
    refused = tuple(Refused(seq=seq, reason=Refusal.DATABASE) for seq in sorted(draw(SEQS) - stored))
    reason = draw(st.sampled_from([LossReason.FULL, LossReason.CORRUPT]))
    return Settlement(
        gateway=GATEWAY,
        epoch=draw(st.sampled_from(EPOCHS)),
        stored=RangeSet.of_numbers(stored),
        refused=refused,
        losses=tuple(Loss(first=seq, last=seq, reason=reason) for seq in sorted(lost)),
    )


@st.composite
def statuses(draw: st.DrawFn) -> Status:
    epochs = draw(st.lists(st.sampled_from((*EPOCHS, 9)), unique=True, max_size=3))
    return Status(
        gateway=GATEWAY,
        online=True,
        site=SiteId("hall"),
        agent_version="0",
        boot_ms=0,
        accepted_total=100,
        final_total=0,
        in_flight=draw(st.integers(0, 50)),
        lost_total={LossReason.FULL: draw(st.integers(0, 5))},
        epochs=tuple(EpochStatus(epoch=epoch, accepted_hi=draw(st.integers(0, 50))) for epoch in epochs),
    )


async def both_agree(said: Sequence[Settlement | Status], server: PostgresServer | None) -> None:
    memory = MemoryBooks(lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        file = f"sqlite+aiosqlite:///{Path(folder) / 'registry.sqlite'}"
        registry = await Registry.open(file if server is None else server.new_database())
        await registry.fleet.save_site(Site(site=SiteId("hall"), name="Hall"))
        await registry.fleet.register(GATEWAY, site=SiteId("hall"), now_ms=1)
        for one in said:
            for books in (registry, memory):
                if isinstance(one, Status):
                    await books.fleet.record_status(one, now_ms=1)
                else:
                    await books.ledger.settle([one], now_ms=1)
        asked = {(GATEWAY, epoch): ASKED for epoch in (*EPOCHS, 9)}
        assert await registry.ledger.views(asked) == await memory.ledger.views(asked)
        assert await registry.ledger.accounts(GATEWAY) == memory.accounts(GATEWAY)
        await registry.close()


@settings(max_examples=25)
@given(said=st.lists(st.one_of(settlements(), statuses()), max_size=8))
def test_the_ledger_in_memory_is_the_registrys(said: list[Settlement | Status]) -> None:
    asyncio.run(both_agree(said, None))


@pytest.mark.real
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.one_of(settlements(), statuses()), max_size=8))
def test_so_it_is_where_the_registry_is_a_postgresql(
    postgres_server: PostgresServer, said: list[Settlement | Status]
) -> None:
    asyncio.run(both_agree(said, postgres_server))
