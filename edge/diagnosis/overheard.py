"""What a device that speaks by itself may be: each profile of the library reads what was overheard.

A frame is evidence by what proves it: a check hardly ever holds by chance, the form of a line now and then, a byte
always. I1. What no profile explains is shown, and called nothing.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final

from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import BadFrame, Frame
from device_profiles.model import DeviceProfile
from device_profiles.point_model import Line
from device_profiles.serial_model import SerialDevice, SerialMode
from edge.clock import Clock
from edge.diagnosis.fit import Fit, Sample
from edge.drivers.base import ByteStream, DriverError, DriverFault
from wire.quantities import quantity
from wire.records import Quality

LISTEN_S: Final = 2.5  # most devices say something each second
_SILENCE_S: Final = 0.03
_CHECKED_BITS: Final = 16.0
_FORMED_BITS: Final = 6.0
_LEAST_FORMED_BYTES: Final = 4
_BAD_BITS: Final = -3.0
_GOOD_VALUE_BITS: Final = 0.25
_OUT_OF_RANGE_BITS: Final = -4.0
_LEAST_BITS: Final = 8.0
_MOST_FITS: Final = 3
_SAMPLES: Final = 3
_SHOWN_BYTES: Final = 24

Opened = Callable[[Line], AbstractAsyncContextManager[ByteStream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """What was heard with these settings, and the profiles that fit it, the best first.

    `shown` is the beginning of it, for a person. `trouble` says why the line could not be opened with them.
    """

    line: Line
    heard_bytes: int = 0
    shown: str = ""
    fits: tuple[Fit, ...] = ()
    trouble: str | None = None


def speaking(profiles: Mapping[str, DeviceProfile]) -> dict[str, SerialDevice]:
    """The devices that speak by themselves, by the names of their profiles."""
    return {
        name: profile.serial
        for name, profile in profiles.items()
        if profile.serial is not None and profile.serial.mode is SerialMode.STREAM
    }


def speaking_lines(profiles: Mapping[str, DeviceProfile]) -> tuple[Line, ...]:
    """The line settings with which such devices leave the factory, the most usual first."""
    return tuple(line for line, _ in Counter(profiles[name].line for name in speaking(profiles)).most_common())


async def overhear(
    lines: Sequence[Line], opened: Opened, profiles: Mapping[str, DeviceProfile], *, seconds: float, clock: Clock
) -> AsyncIterator[Overheard]:
    """Listen with one setting after the other, until a profile fits what is heard.

    Args:
        lines: the settings to try.
        opened: opens the line with settings.
        profiles: the candidates.
        seconds: how long to listen with each.
        clock: whose seconds they are.

    Raises:
        DriverError: the line cannot be had, or is gone.
    """
    for index, line in enumerate(lines):
        try:
            async with opened(line) as stream:
                pieces = await _heard(stream, seconds=seconds, clock=clock)
        except DriverError as error:
            if index == 0 or error.kind is not DriverFault.REFUSED:
                raise
            yield Overheard(line=line, trouble=str(error))  # not every adapter can do every setting
            continue
        fits = stream_fits(pieces, profiles)
        yield Overheard(line=line, heard_bytes=sum(map(len, pieces)), shown=shown_bytes(b"".join(pieces)), fits=fits)
        if fits:
            return


async def _heard(stream: ByteStream, *, seconds: float, clock: Clock) -> tuple[bytes, ...]:
    """What comes in so many seconds, cut at its silences."""
    until_s = clock.monotonic_s() + seconds
    pieces: list[bytes] = []
    while (left_s := until_s - clock.monotonic_s()) > 0 and await stream.wait(left_s):
        piece = stream.take()
        while clock.monotonic_s() < until_s and await stream.wait(_SILENCE_S):
            piece += stream.take()
        pieces.append(piece)
    return tuple(pieces)


def stream_fits(pieces: Sequence[bytes], profiles: Mapping[str, DeviceProfile]) -> tuple[Fit, ...]:
    """The profiles that explain what was heard, the best first. Pure.

    Args:
        pieces: what came, cut at its silences.
        profiles: the candidates.
    """
    fits = [_fit(name, device, pieces) for name, device in speaking(profiles).items()]
    good = [fit for fit in fits if fit.bits >= _LEAST_BITS]
    return tuple(sorted(good, key=lambda fit: (-fit.bits, fit.profile))[:_MOST_FITS])


def shown_bytes(data: bytes) -> str:
    """The beginning of what was heard: as text where it is text, else as hex."""
    head = data[:_SHOWN_BYTES]
    text = head.decode("latin-1")
    is_text = head.isascii() and all(letter.isprintable() or letter in "\r\n\t" for letter in text)
    return (repr(text) if is_text else head.hex(" ")) + (" ..." if len(data) > len(head) else "")


def _fit(name: str, device: SerialDevice, pieces: Sequence[bytes]) -> Fit:
    reader = FrameReader(device)
    reader.join_midway()
    bits, explained, readings = 0.0, 0, list[SerialReading]()
    for frame in _frames(reader, device, pieces):
        found = [] if isinstance(frame, BadFrame) else reader.readings(frame)
        if isinstance(frame, BadFrame):
            bits += _BAD_BITS
        elif found and (proof_bits := _proof_bits(device, frame)):
            bits += proof_bits
            explained += len(frame.raw)
            readings += found
    values = [value for reading in readings for value in reading.values]
    good = sum(value.quality is Quality.GOOD for value in values)
    bits += _GOOD_VALUE_BITS * good
    bits += _OUT_OF_RANGE_BITS * sum(value.quality is Quality.OUT_OF_RANGE for value in values)
    share = explained / max(1, sum(map(len, pieces)))
    samples = next((told for reading in reversed(readings) if (told := _samples(device, reading))), ())
    return Fit(profile=name, bits=bits * share, good=good, values=len(values), refused=0, samples=samples)


def _frames(reader: FrameReader, device: SerialDevice, pieces: Sequence[bytes]) -> Iterator[Frame | BadFrame]:
    ends_by_silence = device.binary is not None and device.binary.frame_gap_ms is not None
    for piece in pieces:
        yield from reader.frames(piece)
        if ends_by_silence:
            yield from reader.give_up()


def _proof_bits(device: SerialDevice, frame: Frame) -> float:
    form = next((form for form in device.forms if form.name == frame.form), None)
    if frame.is_checked and (form is None or form.checks):
        return _CHECKED_BITS
    return _FORMED_BITS if len(frame.raw) >= _LEAST_FORMED_BYTES else 0.0


def _samples(device: SerialDevice, reading: SerialReading) -> tuple[Sample, ...]:
    group = next(group for group in device.groups if group.name == reading.group)
    told = [
        Sample(key=point.key, number=value.number, unit=quantity(point.quantity).unit)
        for point, value in zip(group.recorded, reading.values, strict=False)
        if value.number is not None and value.quality is Quality.GOOD
    ]
    return tuple(told[:_SAMPLES])
