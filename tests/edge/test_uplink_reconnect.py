"""How gateways come back to a hub they have lost (I1 to I3 of `edge/uplink/reconnect.py`), played without waiting."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.uplink.reconnect import LONGEST_S, Parting, pause_s

FLEET = 2000
ATTEMPT_S = 0.05


def back_after_s(
    parting: Parting, *, lost_s: float, hub_back_s: float, gateways: int, chance: random.Random, attempt: Parting
) -> float:
    """When a gateway is connected again that noticed at `lost_s` that its hub, away since 0, was away."""
    now_s = lost_s
    while True:
        now_s += pause_s(parting, away_s=now_s - lost_s, gateways=gateways, random_unit=chance.random())
        if now_s >= hub_back_s:
            return now_s
        now_s, parting = now_s + ATTEMPT_S, attempt


def fleet_back_s(away_s: float, parting: Parting, *, seed: int) -> list[float]:
    """When each of the fleet is back, counted from when the hub is. A dead machine is noticed by the keepalive."""
    chance = random.Random(seed)
    return sorted(
        back_after_s(
            parting,
            lost_s=22.0 * (1 + chance.random()) if parting is Parting.SILENT else 0.0,
            hub_back_s=away_s,
            gateways=FLEET,
            chance=chance,
            attempt=parting,
        )
        - away_s
        for _ in range(FLEET)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    ("away_s", "parting"),
    [(away_s, Parting.SPOKEN) for away_s in (0.1, 2, 20, 600, 86_400)] + [(900, Parting.SILENT)],
)
def test_i1_two_thousand_gateways_come_back_over_five_minutes_and_never_forty_in_a_second(
    away_s: float, parting: Parting, seed: int
) -> None:
    back_s = fleet_back_s(away_s, parting, seed=seed)
    assert max(Counter(int(one) for one in back_s).values()) < 40
    assert back_s[-1] <= LONGEST_S
    assert back_s[-1] > 0.9 * LONGEST_S
    assert back_s[FLEET // 2] > 60


@pytest.mark.parametrize("away_s", [0.1, 1, 5, 20, 59])
def test_i2_one_whose_own_line_was_cut_is_back_within_seconds_however_many_others_there_are(away_s: float) -> None:
    for seed in range(200):
        back_s = back_after_s(
            Parting.SILENT,
            lost_s=0.0,
            hub_back_s=away_s,
            gateways=FLEET,
            chance=random.Random(seed),
            attempt=Parting.SILENT,
        )
        assert back_s - away_s <= max(1.0, away_s / 10) + ATTEMPT_S, "an attempt may just have begun"


@pytest.mark.parametrize("parting", Parting)
def test_a_lone_gateway_is_back_two_seconds_after_a_hub_that_was_away_for_twenty(parting: Parting) -> None:
    for seed in range(200):
        back_s = back_after_s(
            parting, lost_s=0.0, hub_back_s=20.0, gateways=1, chance=random.Random(seed), attempt=Parting.SPOKEN
        )
        assert back_s - 20.0 <= 2.0


@given(
    parting=st.sampled_from(Parting),
    away_s=st.floats(0, 1e9),
    gateways=st.integers(0, 1_000_000),
    unit=st.floats(0, 1),
)
def test_i3_no_wait_is_longer_than_five_minutes_nor_none(
    parting: Parting, away_s: float, gateways: int, unit: float
) -> None:
    assert 0 < pause_s(parting, away_s=away_s, gateways=gateways, random_unit=unit) <= LONGEST_S


@given(parting=st.sampled_from(Parting), away_s=st.floats(0, 1e6), unit=st.floats(0, 1))
def test_i3_in_a_small_fleet_a_wait_is_a_tenth_of_the_time_away_at_most(
    parting: Parting, away_s: float, unit: float
) -> None:
    assert pause_s(parting, away_s=away_s, gateways=6, random_unit=unit) <= max(1.0, away_s / 10)
