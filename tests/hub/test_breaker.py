"""The breaker opens for a fleet that is refused, never for a few sick gateways and closes by itself."""

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from hub.ingest.breaker import Breaker, BreakerLimits, Refusing
from wire.identifiers import GatewayId
from wire.ranges import RangeSet

LIMITS = BreakerLimits(share=0.2, least=3, window_s=300, silent_s=3600, rest_s=900)


def gateway(number: int) -> GatewayId:
    return GatewayId(f"gw-{number}")


def refusing(at_s: float, seq: int | None = 1) -> Refusing:
    return Refusing(at_s=at_s, reason="unknown unit", epoch=None if seq is None else 7, seq=seq)


def breaker_with(*, well: int, sick: int, at_s: float = 0.0) -> Breaker:
    breaker = Breaker(LIMITS)
    for number in range(sick, sick + well):
        breaker.passed(gateway(number), 7, RangeSet(((1, 1),)), now_s=at_s)
    for number in range(sick):
        breaker.refused(gateway(number), refusing(at_s))
    return breaker


def test_more_than_a_fifth_of_the_fleet_refused_within_five_minutes_opens_it() -> None:
    assert not breaker_with(well=16, sick=4).is_open
    assert breaker_with(well=15, sick=5).is_open


def test_two_sick_gateways_never_open_it_however_small_the_fleet() -> None:
    assert not breaker_with(well=0, sick=2).is_open
    assert breaker_with(well=0, sick=3).is_open


def test_refusals_further_apart_than_the_window_do_not_add_up() -> None:
    breaker = Breaker(LIMITS)
    for number in range(20):
        breaker.refused(gateway(number), refusing(number * 301.0))
        breaker.passed(gateway(100), 7, RangeSet(((1, 1),)), now_s=number * 301.0)
    assert not breaker.is_open


def test_it_closes_by_itself_when_the_refused_records_pass_and_not_for_others_of_the_same_gateways() -> None:
    breaker = breaker_with(well=10, sick=5)
    for number in range(5):
        breaker.refused(gateway(number), refusing(5.0, seq=1))
        breaker.refused(gateway(number), refusing(6.0, seq=3))
        breaker.passed(gateway(number), 7, RangeSet(((2, 99),)), now_s=10)
        breaker.passed(gateway(number), 8, RangeSet(((1, 1),)), now_s=10)
    assert breaker.is_open
    breaker.passed(gateway(0), 7, RangeSet(((1, 50),)), now_s=20)
    assert breaker.is_open
    breaker.passed(gateway(1), 7, RangeSet(((1, 50),)), now_s=20)
    assert not breaker.is_open


def test_what_was_put_aside_before_it_opened_need_not_pass_any_whole_batch_of_its_gateway_does() -> None:
    breaker = breaker_with(well=0, sick=3)
    breaker.passed(gateway(0), 7, RangeSet(((5, 9),)), now_s=10)
    breaker.passed(gateway(1), 7, RangeSet(((5, 9),)), now_s=10)
    assert breaker.state(now_s=10).refused == (gateway(2),)


def test_a_refused_gateway_that_fell_silent_for_good_does_not_hold_it_open() -> None:
    breaker = breaker_with(well=10, sick=5)
    assert breaker.state(now_s=3600).is_open
    assert not breaker.state(now_s=3601).is_open


def test_a_person_closes_it_and_it_rests_long_enough_for_the_dead_letters_to_fill() -> None:
    breaker = breaker_with(well=0, sick=5)
    breaker.close(now_s=10)
    for number in range(5):
        assert not breaker.refused(gateway(number), refusing(500.0))
    for number in range(5):
        breaker.refused(gateway(number), refusing(911.0))
    assert breaker.is_open


def test_it_says_who_is_refused_and_why() -> None:
    state = breaker_with(well=1, sick=3).state(now_s=1)
    assert state.refused == (gateway(0), gateway(1), gateway(2))
    assert (state.heard, state.reason) == (4, "unknown unit")


@dataclass(frozen=True)
class Said:
    """One thing that happens."""

    number: int
    after_s: float
    refused: bool


@given(
    said=st.lists(
        st.builds(Said, st.integers(0, 9), st.sampled_from([0.0, 1.0, 60.0, 200.0]), st.booleans()), max_size=60
    )
)
def test_closed_it_opens_exactly_when_the_share_of_the_window_says_so(said: list[Said]) -> None:
    breaker, now_s = Breaker(LIMITS), 0.0
    heard: dict[int, float] = {}
    sick: dict[int, float] = {}
    for one in said:
        now_s += one.after_s
        heard[one.number] = now_s
        if one.refused:
            sick[one.number] = now_s
            breaker.refused(gateway(one.number), refusing(now_s))
        else:
            breaker.passed(gateway(one.number), 7, RangeSet(((1, 1),)), now_s=now_s)
        near = [number for number, at_s in heard.items() if now_s - at_s <= LIMITS.window_s]
        ill = [number for number, at_s in sick.items() if now_s - at_s <= LIMITS.window_s]
        is_much = len(ill) >= LIMITS.least and len(ill) > LIMITS.share * len(near)
        assert breaker.is_open == is_much
        if is_much:
            break


@given(seqs=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), max_size=40))
def test_whatever_was_held_when_all_of_it_passes_it_is_closed(seqs: list[tuple[int, int]]) -> None:
    breaker = breaker_with(well=0, sick=5)
    for number, seq in seqs:
        breaker.refused(gateway(number), refusing(1.0, seq))
    assert breaker.state(now_s=1.0).is_open
    for number in range(5):
        breaker.passed(gateway(number), 7, RangeSet(((1, 30),)), now_s=2.0)
    after = breaker.state(now_s=2.0)
    assert (after.is_open, after.refused) == (False, ())
