"""Random and mutated bytes for decoders and frame parsers, and what must hold of whatever they make of them."""

import json
import math
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from pymodbus.framer.rtu import FramerRTU

from device_profiles.capture import Capture, Exchange, parse_capture
from device_profiles.decode import RegisterDecoder
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.framing.base import BadFrame, Frame
from device_profiles.library import capture_path, profile_path, read_text
from device_profiles.modbus import ReadRequest, ReplyError, RequestError, Table
from device_profiles.modbus_frames import (
    parse_rtu_reply,
    parse_rtu_request,
    parse_tcp_reply,
    parse_tcp_request,
    rtu_frame,
    tcp_frame,
)
from device_profiles.modbus_server import parse_request_pdu, reply_pdu
from device_profiles.model import DeviceProfile
from device_profiles.plan import read_plan
from device_profiles.serial_model import SerialDevice
from edge.drivers.rtu_reply import enough_bytes, reply_at
from wire.codec import decode_batch
from wire.errors import WireError
from wire.records import Quality, Value

_HANG_S = 20
_MAX_BYTES = 600
_BATCH = 1000


class HangError(AssertionError):
    """A parser did not come to an end."""


@dataclass(frozen=True)
class Target:
    """A decoder or frame parser: `feed` takes one input and asserts what must hold; `seeds` are good inputs."""

    name: str
    seeds: Sequence[bytes]
    feed: Callable[[bytes, random.Random], None]


def fuzz(target: Target, *, inputs: int, seed: int) -> None:
    """Feed a target so many inputs; the one that breaks it stands in the error."""
    chance = random.Random(f"{target.name} {seed}")
    for first in range(0, inputs, _BATCH):
        with _bounded(target.name):
            for _ in range(min(_BATCH, inputs - first)):
                data = mutated(target.seeds, chance)
                try:
                    target.feed(data, chance)
                except Exception as error:
                    raise AssertionError(f"{target.name}: {data.hex(' ')}") from error


def mutated(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Pieces of good inputs, damaged in the ways that lines and people damage them, between noise."""
    pieces = []
    for _ in range(chance.randint(1, 4)):
        piece = bytearray(chance.choice(seeds)) if seeds and chance.random() < 0.8 else bytearray()
        match chance.randrange(7):
            case 0 if piece:
                piece[chance.randrange(len(piece))] ^= 1 << chance.randrange(8)
            case 1 if piece:
                del piece[chance.randrange(len(piece)) :]
            case 2 if piece:
                del piece[: chance.randrange(len(piece))]
            case 3:
                at = chance.randint(0, len(piece))
                piece[at:at] = chance.randbytes(chance.randint(1, 12))
            case 4 if piece:
                piece[chance.randrange(len(piece))] = chance.choice((0, 0xFF, 0x7F, 0x80, 0x0D, 0x0A, 0x7E, 0x2C))
            case 5:
                piece = bytearray(chance.randbytes(chance.randint(0, 60)))
            case _:
                pass
        pieces.append(bytes(piece))
    return b"".join(pieces)[:_MAX_BYTES]


def serial_target(profile: DeviceProfile) -> Target:
    """The frame reader of a serial device."""
    device = profile.serial
    assert device is not None
    return Target(profile.profile, received_of(profile), lambda data, chance: _read_stream(device, data, chance))


def register_target(profile: DeviceProfile) -> Target:
    """The decoder of a Modbus device's registers: an input is the words of its requests, one after the other."""
    device = profile.modbus
    assert device is not None
    decoders = [(RegisterDecoder(plan.group), plan.requests) for plan in read_plan(device)]

    def feed(data: bytes, chance: random.Random) -> None:
        for decoder, requests in decoders:
            check_values(decoder.values({request: _words(request, data, chance) for request in requests}))

    return Target(profile.profile, received_of(profile), feed)


def modbus_targets() -> list[Target]:
    """The parsers of Modbus frames, on both sides."""
    requests = (
        ReadRequest(table=Table.HOLDING, address=0, count=10),
        ReadRequest(table=Table.COIL, address=3, count=19),
    )
    replies = [reply_pdu(one, tuple(index % 2 for index in range(one.count))) for one in requests]
    rtu = [rtu_frame(1, pdu) for pdu in replies]
    tcp = [tcp_frame(7, 1, pdu) for pdu in replies]
    return [
        Target("rtu reply in a stream", rtu, lambda data, chance: _find_reply(chance.choice(requests), data)),
        Target("rtu reply", rtu, lambda data, chance: _parse_rtu(chance.choice(requests), data)),
        Target("tcp reply", tcp, lambda data, chance: _parse_tcp(chance.choice(requests), data)),
        Target("rtu request", rtu, lambda data, _: _parse_request(data)),
        Target("tcp request", tcp, lambda data, _: _parse_tcp_request(data)),
    ]


def batch_target(vectors: Path) -> Target:
    """The decoder of batches."""
    payloads = [bytes.fromhex(json.loads(path.read_text())["payload"]) for path in sorted(vectors.glob("batch-*.json"))]
    return Target("wire batch", payloads, _decode_batch)


def received_of(profile: DeviceProfile) -> list[bytes]:
    """The bytes that a profile's capture says its device sent."""
    path = capture_path(profile_path(profile.profile))
    capture: Capture = parse_capture(read_text(path), str(path))
    return [data for exchange in capture.exchanges for data in _sent(exchange) if data]


def check_values(values: Sequence[Value]) -> None:
    """What must hold of any value, whatever it was made from."""
    for value in values:
        if value.number is None:
            assert value.quality is not Quality.GOOD
        else:
            assert math.isfinite(value.number)


def _sent(exchange: Exchange) -> Iterator[bytes]:
    yield bytes.fromhex(exchange.received)
    yield exchange.received_text.encode("latin-1")
    yield bytes.fromhex(exchange.reply)
    yield bytes.fromhex(exchange.words)


def _read_stream(device: SerialDevice, data: bytes, chance: random.Random) -> None:
    reader = FrameReader(device)
    at = 0
    while at < len(data):
        step = chance.randint(1, len(data))
        _check_frames(device, reader, reader.frames(data[at : at + step]), chance)
        at += step
    _check_frames(device, reader, reader.give_up(), chance)
    assert reader.garbage_bytes <= len(data)


def _check_frames(
    device: SerialDevice, reader: FrameReader, frames: Sequence[Frame | BadFrame], chance: random.Random
) -> None:
    for frame in frames:
        if isinstance(frame, BadFrame):
            continue
        again = FrameReader(device).frames(frame.raw + b"\r\n")
        assert any(isinstance(one, Frame) and one.raw == frame.raw for one in again), "a frame that is none by itself"
        for reading in reader.readings(frame):
            assert isinstance(reading, SerialReading)
            check_values(reading.values)
        _check_damage(device, reader, frame, chance)


def _check_damage(device: SerialDevice, reader: FrameReader, frame: Frame, chance: random.Random) -> None:
    """One wrong bit in a frame with a check costs the frame, or lies where no value is."""
    if not frame.is_checked or (device.binary is not None and not device.binary.checks):
        return
    damaged = bytearray(frame.raw)
    damaged[chance.choice(_guarded(device, frame))] ^= 1 << chance.randrange(8)
    for one in FrameReader(device).frames(bytes(damaged) + b"\r\n"):
        if isinstance(one, Frame) and one.raw == damaged:  # not another one that begins at a later byte
            told = [reading.values for reading in reader.readings(frame)]
            read = [reading.values for reading in reader.readings(one)]
            assert read in (told, []), "a wrong bit was believed"  # where no check is, it made the frame nobody's


def _guarded(device: SerialDevice, frame: Frame) -> Sequence[int]:
    """The bytes that the frame's checks cover: some protocols leave out the byte that says what a frame is."""
    length = len(frame.raw)
    form = next((form for form in device.forms if form.name == frame.form), None)
    if form is None or form.stuffing is not None or not form.checks:
        return range(length)
    places: set[int] = set()
    for check in form.checks:
        at = check.at % length
        places.update(range(check.start, (at if check.end is None else check.end % length) + 1))
    return sorted(places)


def _words(request: ReadRequest, data: bytes, chance: random.Random) -> tuple[int, ...]:
    if request.table.is_bits:
        return tuple(chance.getrandbits(1) for _ in range(request.count))
    padded = data.ljust(2 * request.count, chance.choice((b"\0", b"\xff", b"\x7f", b"\x80")))
    return tuple(int.from_bytes(padded[2 * index : 2 * index + 2], "big") for index in range(request.count))


def _has_crc(frame: bytes) -> bool:
    """Another project's opinion on the check."""
    return FramerRTU.compute_CRC(frame[:-2]).to_bytes(2, "big") == frame[-2:]


def _find_reply(request: ReadRequest, data: bytes) -> None:
    found = reply_at(1, request, data)
    enough_bytes(1, request, data)
    if found is not None:
        _parse_rtu(request, data[found[0] : found[1]])
        assert _has_crc(data[found[0] : found[1]])


def _parse_rtu(request: ReadRequest, data: bytes) -> None:
    try:
        values = parse_rtu_reply(1, request, data)
    except ReplyError:
        return
    assert _has_crc(data)
    assert len(values) == request.count


def _parse_tcp(request: ReadRequest, data: bytes) -> None:
    try:
        values = parse_tcp_reply(7, 1, request, data)
    except ReplyError:
        return
    assert data[:2] == b"\x00\x07"
    assert data[6] == 1
    assert len(values) == request.count


def _parse_request(data: bytes) -> None:
    try:
        parse_request_pdu(parse_rtu_request(data)[1])
    except (ReplyError, RequestError):
        return
    assert _has_crc(data)


def _parse_tcp_request(data: bytes) -> None:
    try:
        parse_request_pdu(parse_tcp_request(data)[2])
    except (ReplyError, RequestError):
        return


def _decode_batch(data: bytes, _: random.Random) -> None:
    try:
        batch = decode_batch(data)
    except WireError:
        return
    for record in batch.records:
        assert all(value.number is None or math.isfinite(value.number) for value in record.values)


@contextmanager
def _bounded(name: str) -> Iterator[None]:
    def hang(_: int, frame: FrameType | None) -> None:
        raise HangError(f"{name}: no end within {_HANG_S} s of work, at {frame}")

    # Seconds of the processor: a machine that is busy with others, or was stopped, is no hang.
    before = signal.signal(signal.SIGPROF, hang)
    signal.setitimer(signal.ITIMER_PROF, _HANG_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
