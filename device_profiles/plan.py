"""Which requests read a group of points: the cheapest ones, found exactly. Pure.

A request costs its bytes on the line, the silence around them, and the device's pause; reading over a gap costs two
bytes a register. So a gap is read over where that is cheaper than another request, and never by a fixed rule.

I1. Every point lies whole in one request.
I2. No request asks for more than the device allows, or touches an address the profile forbids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from device_profiles.modbus import ReadRequest, Request, Table
from device_profiles.modbus_frames import rtu_good_reply_bytes, rtu_request
from device_profiles.modbus_model import Limits, ModbusDevice, ModbusGroup, ModbusPoint

# Modbus over Serial Line V1.02, 2.5.1: a character is 11 bits, and 3.5 characters of silence end a frame.
BITS_PER_CHARACTER: Final = 11
_SILENCE_CHARACTERS: Final = 7
_REQUEST_BYTES: Final = 8
_DEFAULT_BAUD: Final = 9600
_US: Final = 1_000_000


class PlanError(ValueError):
    """No request can read a point; the text says which point and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """A group and the requests that read it, in the order of their addresses."""

    group: ModbusGroup
    requests: tuple[ReadRequest, ...]


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class _Span:
    """Addresses start..end-1 of one point."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prices:
    """What a request may be and what it costs."""

    limits: Limits
    pause_ms: int
    baud: int
    refused: Sequence[ReadRequest]

    def of(self, table: Table, run: Sequence[_Span]) -> int | None:
        """The bus time of the request for a run of points, in microseconds; None where there is no such request."""
        if _count(run) > _limit(table, self.limits):
            return None
        request = _request(table, run)
        if _is_forbidden(request, self.limits) or any(contains(request, one) for one in self.refused):
            return None
        return bus_time_us(request, turnaround_ms=self.pause_ms, baud=self.baud)


def read_plan(device: ModbusDevice, *, baud: int = _DEFAULT_BAUD) -> tuple[GroupPlan, ...]:
    """The requests of every group, cheapest on a line of this speed.

    Raises:
        PlanError: a point that no request may read.
    """
    return tuple(GroupPlan(group=group, requests=plan_points(group.read, device, baud=baud)) for group in device.groups)


def plan_points(
    points: Iterable[ModbusPoint],
    device: ModbusDevice,
    *,
    baud: int = _DEFAULT_BAUD,
    response_ms: int = 0,
    refused: Sequence[ReadRequest] = (),
) -> tuple[ReadRequest, ...]:
    """The requests that read these points, cheapest on a line of this speed.

    Args:
        points: of one device.
        device: its limits and its pause.
        baud: the line's speed.
        response_ms: how long the device takes before it answers, as measured; with the pause the price of a request.
        refused: what the device was asked and refused: no request contains any of these whole.

    Raises:
        PlanError: a point that no request may read.
    """
    spans: dict[Table, set[_Span]] = {}
    for point in points:
        spans.setdefault(point.table, set()).add(_Span(start=point.address, end=point.address + point.span))
    prices = _Prices(limits=device.limits, pause_ms=device.turnaround_ms + response_ms, baud=baud, refused=refused)
    return tuple(
        request for table in Table if table in spans for request in _cheapest(table, sorted(spans[table]), prices)
    )


def bus_time_us(request: Request, *, turnaround_ms: int, baud: int = _DEFAULT_BAUD) -> int:
    """How long a serial line is taken by this request, its good reply and the pause after it, in microseconds."""
    asked = _REQUEST_BYTES if isinstance(request, ReadRequest) else len(rtu_request(1, request))
    characters = asked + rtu_good_reply_bytes(request) + _SILENCE_CHARACTERS
    return characters * BITS_PER_CHARACTER * _US // baud + turnaround_ms * 1000


def narrowed(request: ReadRequest, points: Iterable[ModbusPoint]) -> tuple[ReadRequest, ...]:
    """What to ask instead of a request that the device refused: its points in two halves, without unread edges.

    Empty where it asks for one point already: then that point is the one the device does not have.
    """
    spans = sorted(
        {_Span(start=point.address, end=point.address + point.span) for point in points if covers(request, point)}
    )
    if len(spans) <= 1:
        return ()
    middle = len(spans) // 2
    return tuple(_request(request.table, half) for half in (spans[:middle], spans[middle:]))


def covers(request: ReadRequest, point: ModbusPoint) -> bool:
    """Whether the whole point lies in the request."""
    return (
        request.table is point.table
        and request.address <= point.address
        and point.address + point.span <= request.address + request.count
    )


def contains(request: ReadRequest, other: ReadRequest) -> bool:
    """Whether the request reads all that the other one reads."""
    return (
        request.table is other.table
        and request.address <= other.address
        and other.address + other.count <= request.address + request.count
    )


def _cheapest(table: Table, spans: Sequence[_Span], prices: _Prices) -> list[ReadRequest]:
    """Split spans, sorted by address, into runs of least total cost; among equals, into the fewest."""
    best: list[tuple[int, int, int]] = [(0, 0, 0)]  # for the first n spans: cost, requests, where the last run begins
    for stop in range(1, len(spans) + 1):
        choices = []
        for start in range(stop - 1, -1, -1):
            price_us = prices.of(table, spans[start:stop])
            if price_us is not None:
                choices.append((best[start][0] + price_us, best[start][1] + 1, start))
        if not choices:
            span = spans[stop - 1]
            raise PlanError(
                f"{table} {span.start:#06x}: {span.end - span.start} addresses cannot be read:"
                f" at most {_limit(table, prices.limits)} at once, and none that is forbidden"
            )
        best.append(min(choices))
    return _runs(table, spans, best)


def _runs(table: Table, spans: Sequence[_Span], best: Sequence[tuple[int, int, int]]) -> list[ReadRequest]:
    requests: list[ReadRequest] = []
    stop = len(spans)
    while stop > 0:
        start = best[stop][2]
        requests.append(_request(table, spans[start:stop]))
        stop = start
    return requests[::-1]


def _count(run: Sequence[_Span]) -> int:
    return max(span.end for span in run) - run[0].start


def _request(table: Table, run: Sequence[_Span]) -> ReadRequest:
    return ReadRequest(table=table, address=run[0].start, count=_count(run))


def _limit(table: Table, limits: Limits) -> int:
    return limits.max_bits if table.is_bits else limits.max_registers


def _is_forbidden(request: ReadRequest, limits: Limits) -> bool:
    first, last = request.address, request.address + request.count - 1
    return any(item.table is request.table and item.first <= last and first <= item.last for item in limits.forbidden)
