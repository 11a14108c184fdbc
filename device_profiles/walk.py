"""Where a device keeps its models (SunSpec), found by walking: a marker, then the id and the length of each. Pure.

I1. A point is read only where the walk found the model it belongs to.
"""

from dataclasses import replace
from typing import Final

from device_profiles.modbus import ADDRESSES, ReadRequest
from device_profiles.modbus_model import ModbusDevice, ModbusPoint, ModelPlace, Walk

_HEAD: Final = 2  # registers: the marker, and of each model its id and its length
_END: Final = 0xFFFF
_MOST_MODELS: Final = 100  # a device whose heads lead nowhere would never end


class WalkError(Exception):
    """The device has no models, or not those that the profile reads; the text says which it has."""


class ModelWalk:
    """One walk, a request at a time."""

    def __init__(self, walk: Walk) -> None:
        self._walk = walk
        # Changed by answered and refused only.
        self._bases = list(walk.bases)
        self._address: int | None = None
        self.found: dict[int, int] = {}
        self.is_over = False

    @property
    def next(self) -> ReadRequest:
        """What is asked next."""
        address = self._bases[0] if self._address is None else self._address
        return ReadRequest(table=self._walk.table, address=address, count=_HEAD)

    def answered(self, values: tuple[int, ...]) -> None:
        """What was asked was answered."""
        first, second = values
        if self._address is None:
            if first << 16 | second == self._walk.marker:
                self._address = self._bases[0] + _HEAD
            else:
                self.refused()
            return
        if first != _END:
            self.found.setdefault(first, self._address)
            self._address += _HEAD + second
        is_endless = len(self.found) >= _MOST_MODELS or second == 0 or self._address > ADDRESSES - _HEAD
        self.is_over = first == _END or is_endless

    def refused(self) -> None:
        """What was asked is not there: another base, or the end of the models."""
        if self._address is None:
            self._bases.pop(0)
        self.is_over = self._address is not None or not self._bases


def located(device: ModbusDevice, found: dict[int, int]) -> ModbusDevice:
    """The device with its points where the models were found.

    Args:
        device: of the profile, with the addresses of the usual layout.
        found: the address of each model's id, as walked.

    Raises:
        WalkError: a model that the profile reads is not there.
    """
    if not found:
        raise WalkError("the marker of its models is at none of the places where they may begin")
    groups = []
    for group in device.groups:
        by = 0 if group.model is None else _moved(group.model, found)
        groups.append(replace(group, points=_shifted(group.points, by), along=_shifted(group.along, by)))
    identity = [
        fact if fact.model is None else replace(fact, address=fact.address + _moved(fact.model, found))
        for fact in device.identity
    ]
    return replace(device, groups=tuple(groups), identity=tuple(identity))


def _shifted(points: tuple[ModbusPoint, ...], by: int) -> tuple[ModbusPoint, ...]:
    return tuple(replace(point, address=point.address + by) for point in points)


def _moved(place: ModelPlace, found: dict[int, int]) -> int:
    """How far from its usual address the model is."""
    for model in place.ids:
        if model in found:
            return found[model] - place.at
    wanted = " or ".join(map(str, place.ids))
    raise WalkError(f"it has the models {', '.join(map(str, found))}, and none is {wanted}")
