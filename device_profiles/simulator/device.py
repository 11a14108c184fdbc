"""A profile as a device that is spoken to, or speaks by itself, with faults. Pure: it is told the time.

I1. What it says without a fault, its profile reads as the values it has.
"""

import random
from collections.abc import Sequence
from functools import partial

from device_profiles.capture import Capture
from device_profiles.encode_error import EncodeError
from device_profiles.modbus_frames import rtu_frame, rtu_request_bytes, tcp_frame, tcp_frame_bytes
from device_profiles.modbus_server import exception_pdu
from device_profiles.model import DeviceProfile
from device_profiles.numbers import NumberError
from device_profiles.point_model import Meaning
from device_profiles.serial_model import SerialMode
from device_profiles.simulate import ModbusResponder, SimulationError
from device_profiles.simulate_serial import Asked, SerialResponder, serial_bytes
from device_profiles.simulator.faults import Fault, FaultKind, Piece, Spoiler
from device_profiles.simulator.living import LivingValues

_MS = 1000
_EXCEPTION_FLAG = 0x80
_CANNOT_SAY = (EncodeError, NumberError, SimulationError)


class SimulatedDevice:
    """One device.

    Args:
        profile: what it is.
        capture: what a real one has said; where its values begin.
        address: its own: a Modbus unit, or the address that a serial device is asked by.
        over_tcp: whether Modbus comes in TCP frames.
        chance: where noise comes from.

    Raises:
        SimulationError: a device that is asked by its address has none.
    """

    def __init__(
        self,
        profile: DeviceProfile,
        capture: Capture | None,
        *,
        address: int | None,
        over_tcp: bool,
        chance: random.Random,
    ) -> None:
        self._profile = profile
        self._over_tcp = over_tcp
        self.values = LivingValues(_points(profile), capture)
        self.spoiler = Spoiler(chance)
        self._unit = address or (profile.modbus.unit if profile.modbus is not None else None) or 1
        self._modbus = None if profile.modbus is None else ModbusResponder(profile, self._unit)
        is_asked = profile.serial is not None and profile.serial.mode is SerialMode.REQUEST
        self._asked = SerialResponder(profile, address) if is_asked else None
        # Changed by feed only.
        self._pending = b""

    @property
    def unit(self) -> int:
        """The address it answers to."""
        return self._unit

    @property
    def speaks_by_itself(self) -> bool:
        """Whether it sends without being asked."""
        return self._modbus is None and self._asked is None

    def feed(self, data: bytes, *, now_s: float, now_ms: int) -> list[Piece]:
        """Take the next bytes; what it says to the requests that they completed.

        Args:
            data: as they came.
            now_s: seconds since it was switched on.
            now_ms: UTC, for devices that tell their time.

        Raises:
            ReplyError: over TCP, what comes is no Modbus; the connection is of no more use.
        """
        if self._asked is not None:
            asked = self._asked.feed(data)
            return [piece for one in asked for piece in self._serial(self._asked, one, now_s, now_ms)]
        if self._modbus is None:
            return []
        self._pending += data
        said: list[Piece] = []
        need_of = tcp_frame_bytes if self._over_tcp else rtu_request_bytes
        while (need := need_of(self._pending)) is not None and len(self._pending) >= need:
            frame, self._pending = self._pending[:need], self._pending[need:]
            answer = self._answer(self._modbus, frame, now_s)
            if answer is None:  # damaged, or another unit's; the next request comes after a silence
                self._pending = b"" if not self._over_tcp else self._pending
                continue
            said += self.spoiler.said(answer, other=partial(self._other, answer))
        return said

    def spoken(self, *, now_s: float, now_ms: int) -> list[Piece]:
        """What it says by itself, once: a frame of each of its groups that it can say."""
        device = self._profile.serial
        if device is None or not self.speaks_by_itself:
            return []
        frames = [self._frame(group.name, now_s, now_ms) for group in device.groups]
        return [piece for frame in frames if frame is not None for piece in self.spoiler.said(frame)]

    def put(self, key: str, number: float | None) -> None:
        """Let it measure a value from now on; None is no value.

        Raises:
            SimulationError: there is no such point, or it cannot say this.
        """
        if key not in self.values.keys:
            raise SimulationError(f"point {key!r}: expected one of {', '.join(self.values.keys)}")
        if self._modbus is not None:
            self._modbus.set_value(key, number)
        self.values.put(key, number)

    def _answer(self, modbus: ModbusResponder, frame: bytes, now_s: float) -> bytes | None:
        self._measure(modbus, now_s)
        return modbus.answer_tcp(frame) if self._over_tcp else modbus.answer_rtu(frame)

    def _measure(self, modbus: ModbusResponder, now_s: float) -> None:
        """Put the values of the moment into the registers; one that they cannot say stays what it was."""
        settable = {control.key for control in self._profile.modbus.controls} if self._profile.modbus else set()
        for key in modbus.keys:
            if key in settable:
                continue
            try:
                modbus.set_value(key, self.values.at(key, now_s))
            except _CANNOT_SAY:
                continue

    def _other(self, answer: bytes, fault: Fault) -> bytes:
        """The answer of a device that refuses, or that of another unit."""
        unit, pdu = (answer[6], answer[7:]) if self._over_tcp else (answer[0], answer[1:-2])
        if fault.kind is FaultKind.EXCEPTION:
            pdu = exception_pdu(pdu[0] & ~_EXCEPTION_FLAG, fault.code)
        else:
            unit = unit % 247 + 1
        return tcp_frame(int.from_bytes(answer[:2], "big"), unit, pdu) if self._over_tcp else rtu_frame(unit, pdu)

    def _serial(self, responder: SerialResponder, asked: Asked, now_s: float, now_ms: int) -> Sequence[Piece]:
        numbers = {key: self.values.at(key, now_s) for key in self.values.keys}
        try:
            answer = responder.reply(asked, numbers, time_ms=now_ms)
        except _CANNOT_SAY:
            answer = responder.reply(asked, {key: self.values.base(key) for key in numbers}, time_ms=now_ms)
        return self.spoiler.said(answer) if answer else ()

    def _frame(self, group: str, now_s: float, now_ms: int) -> bytes | None:
        """A frame of a group; None where it has no frame of its own, or its values cannot be said."""
        keys = [point.key for each in self._serial_groups() if each[0] == group for point in each[1]]
        for numbers in (
            {key: self.values.at(key, now_s) for key in keys},
            {key: self.values.base(key) for key in keys},
        ):
            try:
                return serial_bytes(self._profile, group, numbers, time_ms=now_ms)
            except _CANNOT_SAY:
                continue
        return None

    def _serial_groups(self) -> list[tuple[str, Sequence[Meaning]]]:
        device = self._profile.serial
        return [] if device is None else [(group.name, group.points) for group in device.groups]


def _points(profile: DeviceProfile) -> list[Meaning]:
    if profile.modbus is not None:
        return [point for group in profile.modbus.groups for point in group.read]
    return [point for group in profile.serial.groups for point in group.points] if profile.serial else []
