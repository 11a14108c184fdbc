"""A profile answering as its Modbus device: the inverse of planning and decoding, for demonstrations and tests.

Pure: images of registers and the bytes they become; whoever owns a line or a socket moves the bytes.

I1. What a responder answers, the same profile decodes to the values that were set, to the resolution of the device.
I2. A damaged request, or one to another unit, is answered with silence, as on a shared line.
"""

import math
import struct
from collections.abc import Mapping, Sequence

from device_profiles.controls import control_registers
from device_profiles.decode import factor_told, raw_number
from device_profiles.identity import identity_words, object_bytes
from device_profiles.modbus import (
    ADDRESSES,
    ONE_OBJECT,
    TOGGLE,
    ExceptionCode,
    IdentifyRequest,
    Order,
    ReadRequest,
    ReplyError,
    Request,
    RequestError,
    Table,
    WriteRequest,
)
from device_profiles.modbus_frames import parse_rtu_request, parse_tcp_request, rtu_frame, tcp_frame
from device_profiles.modbus_model import ModbusDevice, ModbusPoint
from device_profiles.modbus_server import exception_pdu, identification_pdu, parse_request_pdu, reply_pdu
from device_profiles.model import DeviceProfile
from device_profiles.numbers import NumberError, NumberType, encode_number
from device_profiles.point_model import is_unavailable, unscaled, value_of

_FLOATS = frozenset({NumberType.F32, NumberType.F64})


class SimulationError(ValueError):
    """A value that the simulated device has no way to say; the text says which point and why."""


class ModbusResponder:
    """One Modbus device on a line or behind a socket; several share one, each silent for the others' units.

    It answers reads between the lowest and the highest address that its profile names in each table, and refuses
    others with ILLEGAL DATA ADDRESS, as it does the ranges that the profile forbids. Registers between points hold 0.
    """

    def __init__(self, profile: DeviceProfile, unit: int) -> None:
        """Make the device with 0 in every register.

        Raises:
            SimulationError: the profile is not one of a Modbus device.
        """
        if profile.modbus is None:
            raise SimulationError(f"{profile.profile} is no Modbus device")
        self.unit = unit
        self._device: ModbusDevice = profile.modbus
        self._points: dict[str, list[ModbusPoint]] = {}
        # Changed by set_value only: registers, or bits, by address.
        self._image: dict[Table, dict[int, int]] = {}
        self._writable: set[tuple[Table, int]] = set()
        # What its profile names of orders beside the writing of values, and which coils each changes.
        self._commands: dict[Request, tuple[int, ...]] = {}
        self._hold_groups(profile.modbus)
        self._hold_orders(profile.modbus)
        self._hold_models(profile.modbus)
        for fact in profile.modbus.identity:
            self._hold(fact.table, fact.address, identity_words(fact, profile.device.model))
        self._objects = object_bytes(profile.modbus.identity_objects, profile.device.model)
        self._are_single = any(fact.is_single for fact in profile.modbus.identity_objects)
        self._choose_scales()

    def _hold_groups(self, device: ModbusDevice) -> None:
        for group in device.groups:
            for point in group.read:
                self._points.setdefault(point.key, []).append(point)
                self._hold(point.table, point.address, (0,) * point.span)
            for one in group.before:
                if one.empty:
                    self._commands[one.request] = ()
                elif one.value is None:
                    self._hold(one.table, one.address, (0,))
                else:
                    self._writable.add((one.table, one.address))

    def _hold_orders(self, device: ModbusDevice) -> None:
        for command in device.commands:
            shown = command.shown_by
            coils = () if shown is None else tuple(range(shown.address, shown.address + shown.count))
            self._commands[command.order] = coils
            if coils:
                self._hold(Table.COIL, coils[0], (0,) * len(coils))
        for control in device.controls:
            registers = control_registers(control)
            self._writable.update((control.table, address) for address in registers)
            self._hold(control.table, control.address, (0,) * len(registers))

    def _hold_models(self, device: ModbusDevice) -> None:
        """Where its models begin, so that it can be walked; behind the last there is their end."""
        walk, places = device.walk, device.models
        if walk is None or not places:
            return
        self._hold(walk.table, places[0].at - 2, (walk.marker >> 16, walk.marker & 0xFFFF))
        end = max(self._image[walk.table]) + 1
        for place, after in zip(places, [*(one.at for one in places[1:]), end], strict=True):
            self._hold(walk.table, place.at, (place.ids[-1], after - place.at - 2))
        self._hold(walk.table, end, (0xFFFF, 0))

    def _hold(self, table: Table, address: int, words: Sequence[int]) -> None:
        self._image.setdefault(table, {}).update(enumerate(words, start=address))

    def _choose_scales(self) -> None:
        """Where the device tells one of several scales, it tells the first."""
        for points in list(self._points.values()):
            for point in points:
                if point.scale_from is not None and point.scale_from.factors:
                    self.set_value(point.scale_from.key, next(iter(point.scale_from.factors)))

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the points, in the order of the profile."""
        return tuple(self._points)

    def set_value(self, key: str, number: float | None) -> None:
        """Let the device measure a value from now on.

        Args:
            key: of a point; where groups share it, all of them get the value.
            number: in the unit of the point's quantity; counters begin again at their roll-over. None: no value,
                said with the point's sentinel.

        Raises:
            SimulationError: no such point, or its registers cannot say this.
        """
        if key not in self._points:
            raise SimulationError(f"point {key!r}: expected one of {', '.join(self._points)}")
        for point in self._points[key]:
            raw = _sentinel(point) if number is None else _raw(point, number / self._factor(point))
            self._image[point.table].update(self._registers(point, raw))

    def _factor(self, point: ModbusPoint) -> float:
        """What the device says its value is to be multiplied by."""
        if point.scale_from is None:
            return 1.0
        beside = self._points[point.scale_from.key][0]
        image = self._image[beside.table]
        words = tuple(image[address] for address in range(beside.address, beside.address + beside.span))
        factor = factor_told(value_of(raw_number(beside, words), beside), point.scale_from)
        if factor is None:
            raise SimulationError(f"point {point.key}: {beside.key} tells no scale; set it first")
        return factor

    def set_values(self, values: Mapping[str, float | None]) -> None:
        """Let the device measure several values; see `set_value`."""
        for key, number in values.items():
            self.set_value(key, number)

    def answer_rtu(self, frame: bytes) -> bytes | None:
        """The reply to a request frame of a serial line; None for silence."""
        try:
            unit, pdu = parse_rtu_request(frame)
        except ReplyError:
            return None
        return rtu_frame(unit, self.answer_pdu(pdu)) if unit == self.unit else None

    def answer_tcp(self, frame: bytes) -> bytes | None:
        """The reply to a request frame of a TCP connection; None for silence."""
        try:
            transaction, unit, pdu = parse_tcp_request(frame)
        except ReplyError:
            return None
        return tcp_frame(transaction, unit, self.answer_pdu(pdu)) if unit == self.unit else None

    def answer_pdu(self, pdu: bytes) -> bytes:
        """The reply to a request without its envelope: values, or an exception. It obeys what its profile names."""
        try:
            request = parse_request_pdu(pdu)
            match request:
                case ReadRequest():
                    return reply_pdu(request, self._read(request))
                case IdentifyRequest():
                    return self._identified(request)
                case _:
                    self._obey(request)
                    return reply_pdu(request)
        except RequestError as error:
            return exception_pdu(error.function, error.code)

    def _identified(self, request: IdentifyRequest) -> bytes:
        if not self._objects:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_FUNCTION)
        is_single = request.access == ONE_OBJECT
        if self._are_single and not is_single:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_VALUE)
        if is_single and request.first not in self._objects:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_ADDRESS)
        wanted = {
            number: text
            for number, text in self._objects.items()
            if number == request.first or (not is_single and number > request.first)
        }
        return identification_pdu(request, wanted)

    def _obey(self, request: Order) -> None:
        if request in self._commands:
            coils = self._image.get(Table.COIL, {})
            coils.update({address: 1 - coils[address] for address in self._commands[request]})
        elif isinstance(request, WriteRequest):
            self._write(request)
        else:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_FUNCTION)

    def _write(self, request: WriteRequest) -> None:
        if not request.values or (TOGGLE in request.values and request.table is Table.COIL):
            raise RequestError(request.function, ExceptionCode.ILLEGAL_VALUE)
        if not self._writable:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_FUNCTION)
        addresses = range(request.address, request.address + len(request.values))
        if any((request.table, address) not in self._writable for address in addresses):
            raise RequestError(request.function, ExceptionCode.ILLEGAL_ADDRESS)
        self._hold(request.table, request.address, request.values)

    def _read(self, request: ReadRequest) -> tuple[int, ...]:
        limits = self._device.limits
        if request.count > (limits.max_bits if request.table.is_bits else limits.max_registers):
            raise RequestError(request.function, ExceptionCode.ILLEGAL_VALUE)
        image = self._image.get(request.table, {})
        first, last = request.address, request.address + request.count - 1
        is_outside = first < min(image, default=ADDRESSES) or last > max(image, default=-1)
        is_forbidden = any(
            item.table is request.table and item.first <= last and first <= item.last for item in limits.forbidden
        )
        if is_outside or is_forbidden:
            raise RequestError(request.function, ExceptionCode.ILLEGAL_ADDRESS)
        return tuple(image.get(address, 0) for address in range(first, last + 1))

    def _registers(self, point: ModbusPoint, raw: float) -> dict[int, int]:
        """What the point's registers, or its bit, hold for a raw number."""
        if point.bit is not None:
            mask = (1 << point.bit_width) - 1
            _check_bits(point, raw, mask)
            kept = self._image[point.table][point.address] & ~(mask << point.bit)
            return {point.address: kept | int(raw) << point.bit}
        if point.type is None:
            _check_bits(point, raw, 1)
            return {point.address: int(raw)}
        try:
            data = encode_number(raw, point.type, point.order)
        except NumberError as error:
            raise SimulationError(f"point {point.key}: {error}") from error
        words = struct.unpack(f">{point.span}H", data.rjust(2 * point.span, b"\0"))
        return dict(enumerate(words, start=point.address))


def _raw(point: ModbusPoint, number: float) -> float:
    """The raw number that the device sends for a value, in whole steps of the device."""
    raw = unscaled(number, point)
    if point.type in _FLOATS:
        return raw
    if point.rollover is not None:
        whole = point.rollover / point.scale
        raw = math.fmod(raw, round(whole))
    if point.type not in {NumberType.Q8_8, NumberType.Q15_8}:
        raw = round(raw)
    if is_unavailable(raw, point):
        raise SimulationError(f"point {point.key}: {number} would be sent as {raw}, which says that there is no value")
    return raw


def _sentinel(point: ModbusPoint) -> float:
    """The raw number that says "no value"."""
    if point.unavailable:
        return point.unavailable[0]
    if point.unavailable_from is not None:
        return point.unavailable_from
    if point.unavailable_below is not None:
        return point.unavailable_below - 1
    if point.type in _FLOATS:
        return math.nan
    raise SimulationError(f"point {point.key}: the device has no way to say that it has no value")


def _check_bits(point: ModbusPoint, raw: float, mask: int) -> None:
    if raw not in range(mask + 1):
        raise SimulationError(f"point {point.key}: found {raw}, expected a whole number of 0..{mask}")
