"""What a group of one device is asked, as learnt from what it refuses and how long it takes. Pure.

I1. Every point is asked for in one request, but those that the device refuses alone.
I2. A request that contains what was refused is not made again, until the device refuses everything: that says more of
    its state than of its registers.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from device_profiles.modbus import ReadRequest
from device_profiles.modbus_model import ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.plan import contains, narrowed, plan_points

_WORTH_PLANNING_ANEW: Final = 2.0


class AskedRequests:
    """The requests that read one group.

    Args:
        group: its points.
        device: its limits and its pause.
        baud: the line's speed.
        refused: what this device, with this firmware, has refused before.
    """

    def __init__(
        self, group: ModbusGroup, device: ModbusDevice, *, baud: int, refused: Sequence[ReadRequest] = ()
    ) -> None:
        self._group = group
        self._device = device
        self._baud = baud
        # Changed by narrow and settle only.
        self._response_ms = 0
        self._is_unsettled = False
        self.refused = smallest(refused)
        self.requests: tuple[ReadRequest, ...] = ()
        self.missing: tuple[ReadRequest, ...] = ()
        self._plan()

    def narrow(self, request: ReadRequest) -> tuple[ReadRequest, ...]:
        """What to ask instead of a request that was refused: its points in two halves; nothing of a single point."""
        self._is_unsettled = True
        self.refused = smallest((*self.refused, request))
        halves = narrowed(request, self._group.read)
        if not halves:
            self.missing = (*self.missing, request)
        return halves

    def settle(self, *, response_s: float) -> bool:
        """At the end of a round: plan anew where something was learnt; whether more is known to be refused.

        Args:
            response_s: how long the device usually takes before it answers.
        """
        response_ms = round(1000 * response_s)
        was_unsettled, self._is_unsettled = self._is_unsettled, False
        if was_unsettled or response_ms > _WORTH_PLANNING_ANEW * (self._response_ms + self._device.turnaround_ms):
            self._response_ms = response_ms
            self._plan()
        return was_unsettled

    def forget(self) -> None:
        """Ask for everything again: what was refused while a device started need not be refused for ever."""
        if self.refused:
            self.refused = ()
            self._plan()

    def missing_points(self) -> tuple[str, ...]:
        """The keys of the points the device does not have."""
        return tuple(point.key for point in self._group.read if self._is_missing(point))

    def _plan(self) -> None:
        there = [point for point in self._group.read if not self._is_missing(point)]
        if not there:
            there, self.refused = list(self._group.read), ()
        self.requests = plan_points(
            there, self._device, baud=self._baud, response_ms=self._response_ms, refused=self.refused
        )
        self.missing = tuple(dict.fromkeys(_alone(point) for point in self._group.read if self._is_missing(point)))

    def _is_missing(self, point: ModbusPoint) -> bool:
        return any(contains(_alone(point), one) for one in self.refused)


def smallest(refused: Iterable[ReadRequest]) -> tuple[ReadRequest, ...]:
    """Of requests that were refused those that contain no other: they tell all that the others tell."""
    kept: list[ReadRequest] = []
    for one in sorted(set(refused), key=lambda one: (one.count, one.table, one.address)):
        if not any(contains(one, other) for other in kept):
            kept.append(one)
    return tuple(kept)


def _alone(point: ModbusPoint) -> ReadRequest:
    return ReadRequest(table=point.table, address=point.address, count=point.span)
