"""A full disk, under the agent, the database or the hub, is survived, said, and costs nothing that is not declared."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.delivery_chain import DATABASE, GATEWAY_BROKER, HUB, ChainPlan, DeliveryChain, Programs
from tests.support.processes import pause, wait_until
from tests.support.small_disk import small_disk

pytestmark = pytest.mark.real

GATEWAY_DISK_KB = 400
HUB_DISK_KB = 2048
DATABASE_DISK_KB = 32 * 1024
WITHIN_S = 60
FULL_S = 3
LATE_SHARE = 0.1


@pytest.fixture
def programs(real_program: Callable[[str], str]) -> Programs:
    return Programs(mosquitto=real_program("mosquitto"), influxd=real_program("influxd"))


def trouble_of(chain: DeliveryChain) -> str:
    """What the hub says that holds it up."""
    return str(chain.hub.get("/health").json()["ingest"]["trouble"] or "")


def final_of(chain: DeliveryChain) -> int:
    return int(chain.gateways[0].spool().get("final_total", 0))


@pytest.mark.parametrize(("where", "kilobytes"), [(DATABASE, DATABASE_DISK_KB), (HUB, HUB_DISK_KB)])
def test_a_full_disk_at_the_centre_is_said_and_waited_for(
    where: str, kilobytes: int, programs: Programs, free_port: Callable[[], int], tmp_path: Path
) -> None:
    plan = ChainPlan(gateways=1, devices=5)
    with (
        small_disk(tmp_path / where, kilobytes=kilobytes) as disk,
        DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain,
    ):
        wait_until("the gateway delivers", chain.delivers, within_s=WITHIN_S)
        disk.fill()
        wait_until("the hub says what holds it up", lambda: trouble_of(chain), within_s=WITHIN_S)
        pause(FULL_S)
        before = final_of(chain)
        disk.empty()
        if where == DATABASE:  # it goes on refusing, with room, until it is started anew
            chain.database.kill()
            chain.database.launch()
        wait_until("it goes on", lambda: final_of(chain) > before and not trouble_of(chain), within_s=WITHIN_S)
        chain.rest(within_s=WITHIN_S)
        verdict, accounts = chain.verdict(), chain.accounts(chain.gateways[0])
    assert verdict.is_clean, verdict
    assert accounts["accepted"] == accounts["stored"] == verdict.rows, accounts


def test_a_full_disk_under_the_agent_costs_the_oldest_readings_and_each_is_declared(
    programs: Programs, free_port: Callable[[], int], tmp_path: Path
) -> None:
    plan = ChainPlan(gateways=1, devices=15, every_s=0.05)
    with (
        small_disk(tmp_path / "gw-1" / "state", kilobytes=GATEWAY_DISK_KB) as disk,
        DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain,
    ):
        gateway = chain.gateways[0]
        wait_until("the gateway delivers", chain.delivers, within_s=WITHIN_S)
        disk.fill()
        chain.cut(GATEWAY_BROKER)
        wait_until("the oldest are given up", lambda: gateway.spool().get("lost"), within_s=2 * WITHIN_S)
        assert gateway.spool()["is_crowded"]
        disk.empty()
        chain.mend(GATEWAY_BROKER)
        chain.rest(within_s=WITHIN_S)
        verdict, accounts = chain.verdict(), chain.accounts(gateway)
    assert not verdict.doubled, verdict
    assert not verdict.wrong, verdict
    assert accounts["lost_by_reason"].keys() == {"full"}, accounts
    assert accounts["accepted"] == accounts["stored"] + accounts["lost"], accounts
    assert accounts["stored"] == verdict.rows, accounts
    assert accounts["unexplained"] == accounts["refused"] == 0, accounts
    # What lacks between stored answers is what was declared, but for the few that came too late and were asked again.
    assert abs(verdict.lacking + verdict.asked_again - accounts["lost"]) < LATE_SHARE * accounts["lost"]
