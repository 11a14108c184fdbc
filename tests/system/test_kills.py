"""Nothing is lost, doubled or altered by kills, freezes and bad lines: agents, hub, broker, database, and between them.

Real processes: `sen-edge`, `sen-hub`, Mosquitto and InfluxDB 1.x; Modbus RTU on a pty and Modbus TCP. Every stored row
is held against what its device answered. A failure prints its seed; SEN_SEED repeats one.
"""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.delivery_chain import BROKER, ChainPlan, DeliveryChain, Programs
from tests.support.evidence import Verdict
from tests.support.mishaps import Paces, mishaps
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SEED = int(os.environ.get("SEN_SEED", "20261123"))
KILLS = 22
MANY_KILLS = 1000
MANY_READINGS = 1_000_000


@pytest.fixture
def programs(real_program: Callable[[str], str]) -> Programs:
    return Programs(mosquitto=real_program("mosquitto"), influxd=real_program("influxd"))


def kills_of(chain: DeliveryChain) -> int:
    return sum(count for what, count in chain.happened.items() if what.startswith("kill"))


def suffer(chain: DeliveryChain, *, kills: int, answers: int, paces: Paces) -> None:
    """Kill at random until there are so many kills and answers of devices, and whatever else the deck holds."""
    wait_until("all gateways deliver", chain.delivers, within_s=60)
    deck = mishaps(
        random.Random(SEED), processes=list(chain.processes), forgetful=BROKER, lines=list(chain.lines), paces=paces
    )
    while kills_of(chain) < kills or chain.field.answers < answers:
        chain.suffer(next(deck))
        print(f"{kills_of(chain)} kills, {chain.field.answers} answers", flush=True)


def checked(chain: DeliveryChain, say: Callable[[str], None]) -> Verdict:
    """The verdict, which must be clean, and agree with the hub's own accounts."""
    verdict = chain.verdict()
    accounts = [chain.accounts(gateway) for gateway in chain.gateways]
    stored = sum(account["stored"] for account in accounts)
    told = (
        f"seed {SEED}: {kills_of(chain)} kills {dict(sorted(chain.happened.items()))}; {verdict.rows} readings stored, "
        f"{verdict.good} of them with values; silent loss {len(verdict.silently_lost)}, "
        f"duplicates {len(verdict.doubled)}, wrong values {len(verdict.wrong)}; died with their gateway before it "
        f"accepted them {verdict.never_accepted}, asked again {verdict.asked_again}"
    )
    say(told)
    assert verdict.is_clean, f"{told}\n{verdict.silently_lost[:20]} {verdict.doubled[:20]} {verdict.wrong[:20]}"
    for account in accounts:
        left = {key: account[key] for key in ("lost", "refused", "unexplained", "in_flight")}
        assert not any(left.values()), f"seed {SEED}: {account}"
        assert account["accepted"] == account["stored"]
    assert stored == verdict.rows, f"seed {SEED}: the hub has {stored} in its ledger, the database {verdict.rows}"
    return verdict


def test_after_random_kills_freezes_and_bad_lines_all_that_was_accepted_is_stored_once_and_unaltered(
    programs: Programs, free_port: Callable[[], int], tmp_path: Path, say: Callable[[str], None]
) -> None:
    plan = ChainPlan(gateways=2, devices=3)
    with DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain:
        suffer(chain, kills=KILLS, answers=0, paces=Paces(away_s=0.5, after_s=(0.2, 1.0)))
        chain.rest(within_s=90)
        verdict = checked(chain, say)
        assert verdict.good > 500


@pytest.mark.soak
def test_after_a_thousand_kills_among_a_million_readings_all_that_was_accepted_is_stored_once_and_unaltered(
    programs: Programs, free_port: Callable[[], int], tmp_path: Path, say: Callable[[str], None]
) -> None:
    plan = ChainPlan(gateways=4, devices=36)
    with DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain:
        suffer(chain, kills=MANY_KILLS, answers=MANY_READINGS * 11 // 10, paces=Paces(away_s=0.8, after_s=(0.3, 1.6)))
        chain.rest(within_s=1800)
        assert checked(chain, say).good >= MANY_READINGS
