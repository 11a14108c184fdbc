"""Nothing is lost, doubled or altered by kills, freezes and bad lines: agents, hub, broker, database, and between them.

Real processes: `sen-edge`, `sen-hub`, Mosquitto and InfluxDB 1.x; Modbus RTU on a pty and Modbus TCP. Every stored row
is held against what its device answered. A failure prints its seed; SEN_SEED repeats one.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.delivery_chain import BROKER, ChainPlan, DeliveryChain, Programs
from tests.support.evidence import Verdict
from tests.support.mishaps import Deed, Paces, mishaps
from tests.support.processes import wait_until

pytestmark = pytest.mark.real

SEED = int(os.environ.get("SEN_SEED", "20261123"))
KILLS = 22
PARTS = 5  # of the soak: together a thousand kills among a million readings
PART_KILLS = 200
PART_READINGS = 200_000
SOAKED: Counter[str] = Counter()


@pytest.fixture
def programs(real_program: Callable[[str], str]) -> Programs:
    return Programs(mosquitto=real_program("mosquitto"), influxd=real_program("influxd"))


def kills_of(chain: DeliveryChain) -> int:
    return sum(count for what, count in chain.happened.items() if what.startswith("kill"))


def suffer(chain: DeliveryChain, *, seed: int, kills: int, answers: int, paces: Paces) -> None:
    """Kill at random until there are so many kills and answers of devices, and whatever else the deck holds."""
    print(f"seed {seed}")
    wait_until("all gateways deliver", chain.delivers, within_s=60)
    deck = mishaps(
        random.Random(seed), processes=list(chain.processes), forgetful=BROKER, lines=list(chain.lines), paces=paces
    )
    while kills_of(chain) < kills or chain.field.answers < answers:
        chain.suffer(next(deck))
        print(f"{kills_of(chain)} kills, {chain.field.answers} answers", flush=True)


def told_of(chain: DeliveryChain, verdict: Verdict) -> str:
    """The figures of a run in one line."""
    kills = ", ".join(f"{count} {what}" for what, count in sorted(chain.happened.items()) if what.startswith("kill"))
    freezes = sum(count for what, count in chain.happened.items() if what.startswith(Deed.FREEZE))
    lines = sum(chain.happened.values()) - kills_of(chain) - freezes
    return (
        f"{kills_of(chain)} kills ({kills}), {freezes} freezes, {lines} bad lines; {verdict.rows} readings stored, "
        f"{verdict.good} with values; silent loss {len(verdict.silently_lost)}, duplicates {len(verdict.doubled)}, "
        f"wrong values {len(verdict.wrong)}; {verdict.never_accepted} died with their gateway before it accepted them, "
        f"{verdict.asked_again} were asked again"
    )


def checked(chain: DeliveryChain, seed: int, say: Callable[[str], None]) -> Verdict:
    """The verdict, which must be clean, and agree with the hub's own accounts."""
    verdict = chain.verdict()
    told = f"seed {seed}: {told_of(chain, verdict)}"
    say(told)
    assert verdict.is_clean, f"{told}\n{verdict.silently_lost[:20]} {verdict.doubled[:20]} {verdict.wrong[:20]}"
    stored = 0
    for account in (chain.accounts(gateway) for gateway in chain.gateways):
        left = {key: account[key] for key in ("lost", "refused", "unexplained", "in_flight")}
        assert not any(left.values()), f"seed {seed}: {account}"
        assert account["accepted"] == account["stored"], f"seed {seed}: {account}"
        stored += account["stored"]
    assert stored == verdict.rows, f"seed {seed}: the hub has {stored} in its ledger, the database {verdict.rows}"
    return verdict


def test_after_random_kills_freezes_and_bad_lines_all_that_was_accepted_is_stored_once_and_unaltered(
    programs: Programs, free_port: Callable[[], int], tmp_path: Path, say: Callable[[str], None]
) -> None:
    plan = ChainPlan(gateways=2, devices=3)
    with DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain:
        suffer(chain, seed=SEED, kills=KILLS, answers=0, paces=Paces(away_s=0.5, after_s=(0.2, 1.0)))
        chain.rest(within_s=90)
        assert checked(chain, SEED, say).good > 500


@pytest.mark.soak
@pytest.mark.parametrize("part", range(PARTS))
def test_after_a_thousand_kills_among_a_million_readings_all_that_was_accepted_is_stored_once_and_unaltered(
    part: int, programs: Programs, free_port: Callable[[], int], tmp_path: Path, say: Callable[[str], None]
) -> None:
    plan, seed = ChainPlan(gateways=2, devices=80), SEED + part
    with DeliveryChain(plan, tmp_path, programs, free_port=free_port) as chain:
        paces = Paces(away_s=0.8, after_s=(0.3, 1.6))
        suffer(chain, seed=seed, kills=PART_KILLS, answers=PART_READINGS * 11 // 10, paces=paces)
        chain.rest(within_s=900)
        readings = checked(chain, seed, say).good
    assert readings >= PART_READINGS
    SOAKED.update(kills=kills_of(chain), readings=readings)
    say(f"in all parts so far: {SOAKED['kills']} kills, {SOAKED['readings']} readings, none lost, doubled or altered")
