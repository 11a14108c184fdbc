"""Invariants I1 to I3 of `edge/schedule.py`, on buses played through in virtual time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from edge.schedule import SICK_SHARE, Allowance, BusSchedule, Lane, Outcome, Task

SAVED_S = 1.0


async def _nothing() -> Outcome:
    return Outcome(is_over=True)


def task(lane: Lane, release_s: float, deadline_s: float, work_s: float) -> Task:
    return Task(lane=lane, release_s=release_s, deadline_s=deadline_s, work_s=work_s, take=_nothing)


@dataclass
class Bus:
    """A schedule played through: each turn takes the `work_s` of its task."""

    schedule: BusSchedule = field(default_factory=BusSchedule)
    now_s: float = 0.0
    turns: list[tuple[float, Task]] = field(default_factory=list)
    after: dict[int, Callable[[Task], None]] = field(default_factory=dict)

    def add(self, one: Task, after: Callable[[Task], None] | None = None) -> Task:
        if after is not None:
            self.after[id(one)] = after
        self.schedule.add(one)
        return one

    def every(self, period_s: float, work_s: float, offset_s: float = 0.0) -> Task:
        """A group that is read again and again."""

        def again(one: Task) -> None:
            one.release_s += period_s
            one.deadline_s += period_s
            self.schedule.add(one)

        return self.add(task(Lane.PERIODIC, offset_s, offset_s + period_s, work_s), again)

    def sick(self, work_s: float, pause_s: float, offset_s: float = 0.0) -> Task:
        """A device that never answers: each probe is lost."""

        def again(one: Task) -> None:
            self.schedule.lost(work_s, now_s=self.now_s)
            one.release_s = self.now_s + pause_s
            self.schedule.add(one)

        return self.add(task(Lane.SICK, offset_s, offset_s, work_s), again)

    def play(self, until_s: float) -> None:
        while self.now_s < until_s:
            one = self.schedule.next(self.now_s)
            if one is None:
                wake_s = self.schedule.wake_s(self.now_s)
                assert wake_s > self.now_s, "asked again at once, it would say the same"
                self.now_s = min(wake_s, until_s)
                continue
            self.turns.append((self.now_s, one))
            self.now_s += one.work_s
            if id(one) in self.after:
                self.after[id(one)](one)

    def missed(self) -> list[tuple[float, Task]]:
        """Turns of groups that ended after the period they belong to; every period has its turn."""
        late = []
        for one in {id(one): one for _, one in self.turns if one.lane is Lane.PERIODIC}.values():
            period_s = one.deadline_s - one.release_s
            begins = [at_s for at_s, other in self.turns if other is one]
            first_s = one.release_s - len(begins) * period_s
            late += [
                (at_s, one)
                for index, at_s in enumerate(begins)
                if at_s + one.work_s > first_s + (index + 1) * period_s + 1e-9
            ]
        return late

    def used_s(self, lane: Lane) -> float:
        return sum(one.work_s for _, one in self.turns if one.lane is lane)


groups = st.lists(
    st.tuples(st.sampled_from((0.5, 1.0, 2.0, 5.0, 10.0)), st.floats(0.01, 0.2), st.floats(0, 1)),
    min_size=1,
    max_size=8,
)


def is_light(rates: list[tuple[float, float, float]]) -> bool:
    """Enough for earliest-deadline-first to keep every deadline although no turn can be interrupted."""
    longest_s = max(work_s for _, work_s, _ in rates)
    shortest_s = min(period_s for period_s, _, _ in rates)
    return sum(work_s / period_s for period_s, work_s, _ in rates) + longest_s / shortest_s <= 1


@given(groups)
def test_i1_every_deadline_is_kept_where_the_bus_has_room(rates: list[tuple[float, float, float]]) -> None:
    bus = Bus()
    for period_s, work_s, offset_s in rates if is_light(rates) else rates[:1]:
        bus.every(period_s, work_s, offset_s)
    bus.play(60)
    assert not bus.missed()


@given(groups, st.lists(st.floats(0.05, 1.0), max_size=4))
@example([(1.0, 0.125, 0.75)], [0.5625, 0.0625, 1.0])
def test_i1_neither_the_sick_nor_work_that_has_time_costs_a_deadline(
    rates: list[tuple[float, float, float]], timeouts_s: list[float]
) -> None:
    bus = Bus()
    in_time = (1.0, 0.05, 0.0)  # work that has time waits a second at most
    for period_s, work_s, offset_s in rates if is_light([*rates, in_time]) else rates[:1]:
        bus.every(period_s, work_s, offset_s)
    for timeout_s in timeouts_s:
        bus.sick(timeout_s, pause_s=1.0)
    bus.add(task(Lane.BACKGROUND, 0.0, 0.0, in_time[1]), bus.schedule.add)
    bus.play(25)  # the patience of the sick does not end before
    assert not bus.missed()


@given(st.lists(st.floats(0.05, 1.5), min_size=1, max_size=6), st.floats(0.05, 0.9))
def test_i2_the_sick_lose_a_twentieth_of_the_bus_at_most(timeouts_s: list[float], load: float) -> None:
    bus = Bus()
    bus.every(1.0, load)
    for timeout_s in timeouts_s:
        bus.sick(timeout_s, pause_s=0.0)
    bus.play(600)
    assert bus.used_s(Lane.SICK) <= SICK_SHARE * 600 + SAVED_S + max(timeouts_s)


def test_i2_the_sick_are_probed_however_full_the_bus_is() -> None:
    bus = Bus()
    bus.every(1.0, 0.98)
    bus.sick(0.5, pause_s=0.0)
    bus.play(600)
    assert bus.used_s(Lane.SICK) >= 9


def test_where_all_are_sick_nobody_has_to_be_spared() -> None:
    bus = Bus()
    bus.sick(1.0, pause_s=0.0)
    bus.sick(1.0, pause_s=0.0)
    bus.play(100)
    assert bus.used_s(Lane.SICK) >= 99


def test_i3_an_operator_goes_next_and_two_of_his_turns_do_not_follow_each_other_while_somebody_is_due() -> None:
    bus = Bus()
    bus.every(1.0, 0.3)
    bus.every(1.0, 0.3)
    for _ in range(3):
        bus.add(task(Lane.OPERATOR, 0.1, 0.1, 0.05))
    bus.play(1.0)
    lanes = [one.lane for _, one in bus.turns]
    assert lanes == [Lane.PERIODIC, Lane.OPERATOR, Lane.PERIODIC, Lane.OPERATOR, Lane.OPERATOR]


def test_work_that_has_time_gets_some_of_it_on_a_full_bus() -> None:
    bus = Bus()
    bus.every(0.1, 0.1)
    bus.add(task(Lane.BACKGROUND, 0.0, 0.0, 0.01), bus.schedule.add)
    bus.play(2.0)
    assert bus.used_s(Lane.BACKGROUND) > 0


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(0, 1)), max_size=30))
def test_what_is_spent_is_never_more_than_the_share_and_what_was_saved(steps: list[tuple[float, float]]) -> None:
    allowance, now_s, spent_s = Allowance(), 0.0, 0.0
    for wait_s, amount_s in steps:
        now_s = max(now_s + wait_s, allowance.enough_from_s(amount_s, now_s=now_s + wait_s))
        allowance.spend(amount_s, now_s=now_s)
        spent_s += amount_s
        assert spent_s <= SICK_SHARE * now_s + SAVED_S + 1e-6
