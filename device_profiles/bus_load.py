"""What reading its devices costs a bus, and whether every period can be held. Pure.

A turn is one request with its answer: its bytes, the silence around them, the pause the device needs, and the time it
takes before it answers, as far as that is known. Turns cannot be interrupted.

I1. A bus on which `holds` is true keeps every deadline under earliest-deadline-first, whenever its groups begin.
I2. A bus on which `is_possible` is false cannot keep them in any order.

Source of I1: K. Jeffay, D. Stanat, C. Martel, On Non-Preemptive Scheduling of Periodic and Sporadic Tasks, 1991,
theorem 3.2, with a group's turns as its work and the longest turn of others as what stands in the way.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from device_profiles.modbus import Request
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from device_profiles.modbus_model import ModbusDevice, ModbusGroup
from device_profiles.plan import bus_time_us, plan_points

_US: Final = 1_000_000
_ROUNDING_S: Final = 1e-9
_MOST_POINTS: Final = 100_000  # moments that are looked at; more than these a bus of one line cannot have
_FULL: Final = 0.95  # the rest is for what falls ill
_NICE_S: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One request: the bytes it and its answer take, and the seconds until the next may begin."""

    request: Request
    wire_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLoad:
    """One group of one device: what reading it once takes, and how often that is."""

    device: str
    group: str
    period_s: float
    turns: tuple[Turn, ...]

    @property
    def work_s(self) -> float:
        """The bus time of one reading."""
        return sum(turn.seconds for turn in self.turns)

    @property
    def share(self) -> float:
        """The part of the bus's time."""
        return self.work_s / self.period_s

    @property
    def longest_s(self) -> float:
        """Its longest turn."""
        return max((turn.seconds for turn in self.turns), default=0.0)


@dataclass(frozen=True, slots=True)
class BusLoad:
    """All groups on a bus."""

    groups: tuple[GroupLoad, ...]

    @property
    def share(self) -> float:
        """The part of the bus's time that its periods ask for; above 1 it is more than there is."""
        return math.fsum(group.share for group in self.groups)

    @property
    def is_possible(self) -> bool:
        """Whether there is time for everything, in whatever order."""
        return self.share <= 1 + _ROUNDING_S and all(group.work_s <= group.period_s for group in self.groups)

    @property
    def holds(self) -> bool:
        """Whether every deadline is kept, whenever the groups begin (I1)."""
        return self.is_possible and self._tightest() is None

    def devices(self) -> Mapping[str, float]:
        """The part of the bus's time of each device, the dearest first."""
        names = dict.fromkeys(group.device for group in self.groups)
        shares = {name: math.fsum(one.share for one in self.groups if one.device == name) for name in names}
        return dict(sorted(shares.items(), key=lambda item: -item[1]))

    def _tightest(self) -> float | None:
        """A time within which more work may fall due than fits: a turn that is not due cannot be interrupted."""
        longest_s = max((group.period_s for group in self.groups), default=0.0)
        for moment_s in _moments(self.groups, longest_s):
            later = (one.longest_s for one in self.groups if one.period_s > moment_s + _ROUNDING_S)
            due_s = sum(math.floor(moment_s / one.period_s + _ROUNDING_S) * one.work_s for one in self.groups)
            blocking_s = max(later, default=0.0)
            if due_s + blocking_s > moment_s + _ROUNDING_S:
                return moment_s
        return None


def modbus_load(
    name: str,
    device: ModbusDevice,
    periods_s: Mapping[str, float],
    *,
    baud: int,
    response_ms: int = 0,
    is_network: bool = False,
) -> tuple[GroupLoad, ...]:
    """What a Modbus device costs its bus.

    Args:
        name: the device's, in the load.
        device: how it is spoken to.
        periods_s: by group; the profile's own where one is missing.
        baud: the line's speed.
        response_ms: how long it takes before it answers, where that is known.
        is_network: whether it is reached over TCP, where bytes cost next to nothing.

    Raises:
        PlanError: a point that no request may read.
    """

    def turn(request: Request) -> Turn:
        asked = len(rtu_request(1, request))
        wire_us = bus_time_us(request, turnaround_ms=device.turnaround_ms, baud=baud)
        seconds = device.turnaround_ms / 1000 if is_network else wire_us / _US
        size = asked + rtu_good_reply_bytes(request)
        return Turn(request=request, wire_bytes=size, seconds=seconds + response_ms / 1000)

    return tuple(
        GroupLoad(
            device=name,
            group=group.name,
            period_s=periods_s.get(group.name, group.every_s),
            turns=tuple(turn(one) for one in _requests(group, device, baud=baud, response_ms=response_ms)),
        )
        for group in device.groups
    )


def _requests(group: ModbusGroup, device: ModbusDevice, *, baud: int, response_ms: int) -> tuple[Request, ...]:
    """All that is sent to read a group once."""
    reads = plan_points(group.read, device, baud=baud, response_ms=response_ms)
    return (*(order.request for order in group.before), *reads)


def advice(load: BusLoad) -> str:
    """What would make an impossible plan possible: one device read less often, or all of them.

    The dearest device alone is named where it alone can be the cure.
    """
    for name in load.devices():
        theirs = [group for group in load.groups if group.device == name]
        others = load.share - math.fsum(group.share for group in theirs)
        if others < _FULL / 2:
            factor = math.fsum(group.share for group in theirs) / (_FULL - others)
            slower = "; ".join(
                f"{one.group} every {_nice_s(one.period_s * factor):g} s (now {one.period_s:g})" for one in theirs
            )
            return f"read {name} less often: {slower}; that makes {_percent(_slowed(load, theirs, factor))}"
    factor = load.share / _FULL
    longer = f"{math.ceil(factor * 10) / 10:g} times as long"
    whole = _percent(_slowed(load, load.groups, factor))
    return f"make every period {longer} (about {whole}), or share the devices out over more buses"


def arithmetic(load: BusLoad) -> str:
    """The sum that says how full the bus is, in words: requests, seconds of the line, and the period they come in."""
    shortest_s = min((group.period_s for group in load.groups), default=0.0)
    requests = sum(len(group.turns) * shortest_s / group.period_s for group in load.groups)
    count = len(load.devices())
    devices = "1 device" if count == 1 else f"{count} devices"
    return (
        f"{devices}: {requests:.3g} requests in {shortest_s:g} s, which take "
        f"{load.share * shortest_s:.3g} s of the line: {_percent(load.share)}"
    )


def _slowed(load: BusLoad, theirs: Iterable[GroupLoad], factor: float) -> float:
    slower = {id(group) for group in theirs}
    return BusLoad(
        tuple(
            replace(group, period_s=_nice_s(group.period_s * factor)) if id(group) in slower else group
            for group in load.groups
        )
    ).share


def _nice_s(seconds: float) -> float:
    """The next period that people choose."""
    return next((float(nice) for nice in _NICE_S if nice >= seconds), math.ceil(seconds))


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"


def _moments(groups: Sequence[GroupLoad], until_s: float) -> Iterable[float]:
    """The moments at which something is due, which is where the sum of what is due grows."""
    found: set[float] = set()
    for group in groups:
        count = min(math.floor(until_s / group.period_s + _ROUNDING_S), _MOST_POINTS)
        found.update(group.period_s * index for index in range(1, count + 1))
    return sorted(found)
