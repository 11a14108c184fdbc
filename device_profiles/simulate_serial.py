"""A profile speaking as its serial device: frames it sends by itself, and answers to requests and their steps. Pure.

I1. What it says, the same profile decodes to the values that were given, to the resolution of the device.
I2. A damaged request, or one to another address, is answered with silence.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from device_profiles.asking import request_bytes
from device_profiles.encode_binary import bare_frame, bare_length, finished_frame, plain_frame, put_conditions
from device_profiles.encode_error import EncodeError
from device_profiles.encode_serial import encode_frame
from device_profiles.model import DeviceProfile
from device_profiles.numbers import encode_number, size_bytes
from device_profiles.serial_framings import BinaryFraming, hex_bytes
from device_profiles.serial_model import SerialDevice, SerialGroup
from device_profiles.serial_request import Request, Step
from device_profiles.simulate import SimulationError

_NO_GROUP = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a serial device understood: a request of a group, with its sequence number, or a step around requests.

    `step` is what the device says to that step, where it is one: then nothing was asked for yet.
    """

    group: str
    sequence: int = 0
    step: bytes | None = None


class SerialResponder:
    """A serial device that answers requests. `address` is its own, where its requests carry one."""

    def __init__(self, profile: DeviceProfile, address: int | None = None) -> None:
        """Make the device.

        Raises:
            SimulationError: the profile's device is not asked for its values.
        """
        if profile.serial is None or not any(group.request for group in profile.serial.groups):
            raise SimulationError(f"{profile.profile} is no serial device that answers requests")
        self._device: SerialDevice = profile.serial
        self._address = address
        self._steps = [(group, step.sent, step.expected) for group, step in _steps(profile.serial)]
        sends = [len(group.request.sent) for group in profile.serial.groups if group.request]
        self._longest = max(sends + [len(send) for _, send, _ in self._steps])
        # Changed by feed only.
        self._pending = b""

    def feed(self, data: bytes) -> list[Asked]:
        """Take the next bytes; return the requests to this device that they completed. Other bytes are passed over."""
        self._pending += data
        asked: list[Asked] = []
        at = 0
        while at < len(self._pending):
            found, step = self._at(at)
            if found is not None:
                asked.append(found)
            elif len(self._pending) - at < self._longest:
                break
            at += step
        self._pending = self._pending[at:]
        return asked

    def reply(self, asked: Asked, values: Mapping[str, float | None] | None, *, time_ms: int | None = None) -> bytes:
        """What the device says: to a step what is expected there (perhaps nothing), to a request its answer.

        Args:
            asked: what is answered.
            values: by key, in the quantities' units; None where the device has nothing to tell (an empty queue): then
                it says so with a frame that has no address, or with one in which all that stands behind the first
                byte by which the group is known is 0.
            time_ms: the device's UTC time, for groups that carry one.

        Raises:
            EncodeError: a value too many or missing.
            NumberError: a value that its field cannot hold.
        """
        if asked.step is not None:
            return asked.step
        group = next(group for group in self._device.groups if group.name == asked.group)
        request = group.request
        if request is None:
            raise EncodeError(f"group {group.name}: expected one that is asked for")
        if values is None and request.unaddressed:
            form = next(form for form in self._device.forms if form.name == request.unaddressed[0])
            return finished_frame(form, bare_frame(form, bare_length(form, 0)))
        said = [hex_bytes(request.expect), self._answer(group, request, asked, values, time_ms)]
        if request.frames > 1:
            others = [each for each in self._device.groups if each.request is None]
            said += [self._answer(each, request, asked, values, time_ms) for each in others]
        if request.until:
            said.append(self._end(request, asked))
        return b"".join(said)

    def _answer(
        self,
        group: SerialGroup,
        request: Request,
        asked: Asked,
        values: Mapping[str, float | None] | None,
        time_ms: int | None,
    ) -> bytes:
        numbers = [0.0 if values is None else values.get(point.key) for point in group.points]
        form = self._device.form(group)
        if form is None:
            return encode_frame(self._device, group.name, numbers, time_ms=time_ms)
        out = plain_frame(form, group, numbers, time_ms)
        if values is None and group.when and group.when[0].at is not None:
            known = group.when[0].at + 1
            out[known:] = bytes(len(out) - known)
        return self._addressed(form, out, request, asked)

    def _end(self, request: Request, asked: Asked) -> bytes:
        """The frame that ends an answer of several."""
        form = self._device.forms[0]
        content = max(condition.at or 0 for condition in request.until) + 1
        if request.address is not None and request.address.reply_at is not None:
            content = max(content, request.address.reply_at + size_bytes(request.address.type))
        out = bare_frame(form, bare_length(form, content))
        put_conditions(out, request.until)
        return self._addressed(form, out, request, asked)

    def _addressed(self, form: BinaryFraming, out: bytearray, request: Request, asked: Asked) -> bytes:
        put_conditions(out, request.reply)
        place = request.address
        if place is not None and place.reply_at is not None and self._address is not None:
            raw = encode_number(self._address, place.type, place.order)
            out[place.reply_at : place.reply_at + len(raw)] = raw
        if request.sequence is not None and request.sequence.bit is None:
            out[request.sequence.at] = asked.sequence + request.sequence.reply_adds & 0xFF
        return finished_frame(form, out)

    def _at(self, at: int) -> tuple[Asked | None, int]:
        """The request or step that begins here, and how far to go on."""
        for group in self._device.groups:
            if group.request is None:
                continue
            length = len(group.request.sent)
            candidate = self._pending[at : at + length]
            if len(candidate) < length:
                continue
            sequence = _sequence(group.request, candidate)
            if candidate == request_bytes(group.request, address=self._address, sequence=sequence):
                return Asked(group=group.name, sequence=sequence), length
        for name, send, expect in self._steps:
            if send and self._pending.startswith(send, at):
                return Asked(group=name, step=expect), len(send)
        return None, 1


def serial_bytes(
    profile: DeviceProfile, group: str, values: Mapping[str, float | None], *, time_ms: int | None = None
) -> bytes:
    """The frame in which a streaming device would tell these values; what is not named it does not have.

    Raises:
        SimulationError: the profile is not one of a serial device, or a key is none of the group's.
        EncodeError: no such group, or a value that this frame cannot say is missing.
        NumberError: a value that its field cannot hold.
    """
    if profile.serial is None:
        raise SimulationError(f"{profile.profile} is no serial device")
    chosen = next((each for each in profile.serial.groups if each.name == group), None)
    keys = [point.key for point in chosen.points] if chosen else []
    if foreign := values.keys() - set(keys):
        raise SimulationError(f"group {group}: found {', '.join(sorted(foreign))}, expected only {', '.join(keys)}")
    return encode_frame(profile.serial, group, [values.get(key) for key in keys], time_ms=time_ms)


def _steps(device: SerialDevice) -> Iterator[tuple[str, Step]]:
    """The steps around requests with their group, then the device's own, which belong to none."""
    for group in device.groups:
        if group.request is not None:
            yield from ((group.name, step) for step in (*group.request.before, *group.request.after))
    yield from ((_NO_GROUP, step) for step in (*device.start, *device.stop))


def _sequence(request: Request, sent: bytes) -> int:
    """The sequence number in a request."""
    if request.sequence is None:
        return 0
    number = sent[request.sequence.at]
    return number if request.sequence.bit is None else number >> request.sequence.bit & 1
