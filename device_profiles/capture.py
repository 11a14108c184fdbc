r"""Bytes that a device really sent, and the values they mean: the test that comes with every profile.

A capture file lies beside its profile as `<model>.capture.yaml`:

```yaml
profile: eastron/sdm120
exchanges:
  # Modbus: what was asked and answered on a serial line, whole frames. `request` or `reply` may stand alone.
  - {request: "01 04 00 00 00 02 71 CB", reply: "01 04 04 43 66 33 34 1B 38", expect: {voltage: 230.2}, origin: manual}
  # Modbus: registers without their frame, as hex or as numbers.
  - {table: input, address: 0x0001, words: "FF 33", expect: {temperature: -20.5}, origin: manual}
  - {table: holding, address: 0x0165, words_dec: [4409, 30], expect: {illuminance: 44090, uv_index: 3}, origin: capture}
  # Modbus: a damaged frame gives no values; `refused` says what is wrong with it.
  - {reply: "01 04 02 02 22 D1 BA", refused: crc, origin: manual}
  # Modbus: an order is what the profile's control sends for a value. A request that Modbus does not allow, or whose
  # function is not spoken here, is never sent.
  - {request: "01 05 00 00 FF 00 8C 3A", orders: {relay_1: 1}, origin: manual}
  - {request: "01 05 00 FF 12 34 F0 8D", never_sent: true, origin: manual}
  # Modbus: what registers tell of who the device is.
  - {table: input, address: 270, words: "00 01 E2 40", identity: {serial_number: "123456"}, origin: computed}
  # Modbus: the same by function 43; `request` and `reply` are whole frames.
  - {request: "01 2B 0E 01 00 70 77", reply: "01 2B 0E 01 ...", identity: {firmware: V02.05}, origin: capture}
  # Serial: what came in, as hex or as text; the readings it gives, in order, and how many frames of it are refused.
  - {received: "AA C0 D4 04 3A 0A A1 60 1D AB", readings: [{group: particles, values: {pm2_5: 123.6}}], origin: manual}
  - {received_text: "$GPGGA,...*47\r\n", readings: [], bad_frames: 1, origin: computed}
  # Serial, asked: the request that was sent (to `address`, numbered `sequence`, where it has them), and what came in.
  - {request: "FF 01 86 00 00 00 00 00 79", received: "FF 86 ...", readings: [...], origin: manual}
```

An expected value is compared exactly; `null` means that the device says "no value". `quality` names the quality of a
value that is not good (sensor_fault, out_of_range, warming_up); a `null` without one is a sensor_fault.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar

from annotated_types import Interval, Len

from device_profiles.asking import Answer, Taken, request_bytes
from device_profiles.controls import ControlError, order_named, write_request
from device_profiles.decode import decode_registers
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.derived_model import DerivedPoint
from device_profiles.fault_words import Broken
from device_profiles.faults import read_document
from device_profiles.framing.base import BadFrame
from device_profiles.identity import identity_text, identity_told
from device_profiles.modbus import IdentifyRequest, ReadRequest, ReplyError, ReplyFault, Request, RequestError, Table
from device_profiles.modbus_frames import parse_rtu_reply, parse_rtu_request, rtu_request
from device_profiles.modbus_model import Address, Command, ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.modbus_server import parse_request_pdu
from device_profiles.model import DeviceProfile
from device_profiles.plan import covers
from device_profiles.point_model import STRICT, Meaning
from device_profiles.serial_model import SerialDevice
from device_profiles.serial_request import Request as SerialRequest
from device_profiles.yaml_tree import Path
from wire.records import Value


class Origin(StrEnum):
    """Where the bytes come from; `computed` ones are no evidence of how the device behaves."""

    CAPTURE = "capture"
    MANUAL = "manual"
    CODE = "code"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedReading:
    """One reading that serial bytes give. `device_time_ms` is the device's own UTC time, where the frame carries it."""

    __pydantic_config__: ClassVar = STRICT

    group: str
    values: dict[str, float | None]
    quality: dict[str, str] = field(default_factory=dict)
    device_time_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One question and answer, or bytes of a stream; see the head of this module for which keys go together."""

    __pydantic_config__: ClassVar = STRICT

    origin: Origin
    note: str = ""
    request: str = ""
    request_text: str = ""
    reply: str = ""
    table: Table | None = None
    address: Address | None = None
    words: str = ""
    words_dec: tuple[Annotated[int, Interval(ge=0, le=0xFFFF)], ...] = ()
    expect: dict[str, float | None] = field(default_factory=dict)
    quality: dict[str, str] = field(default_factory=dict)
    refused: ReplyFault | None = None
    never_sent: bool = False
    orders: dict[str, float] = field(default_factory=dict)
    identity: dict[str, str] = field(default_factory=dict)
    received: str = ""
    received_text: str = ""
    readings: tuple[ExpectedReading, ...] = ()
    bad_frames: int = 0
    sequence: Annotated[int, Interval(ge=0, le=255)] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """A capture file."""

    __pydantic_config__: ClassVar = STRICT

    profile: str
    exchanges: Annotated[tuple[Exchange, ...], Len(min_length=1)]


def parse_capture(text: str, file: str) -> Capture:
    """The capture a text describes.

    Raises:
        FileFaults: every fault of the text, each with its line.
    """
    return read_document(text, file, Capture)


def check_capture(profile: DeviceProfile, capture: Capture) -> list[Broken]:
    """Everything in the capture that the profile does not read as it says, with its path inside the capture file."""
    broken: list[Broken] = []
    if capture.profile != profile.profile:
        broken.append(Broken(path=("profile",), found=repr(capture.profile), expected=repr(profile.profile)))
    for index, exchange in enumerate(capture.exchanges):
        broken.extend(_below(("exchanges", index), _exchange(profile, exchange)))
    return broken


def _exchange(profile: DeviceProfile, exchange: Exchange) -> Iterator[Broken]:
    try:
        if profile.modbus is not None:
            yield from _modbus(profile.modbus, exchange)
        elif profile.serial is not None:
            yield from _serial(profile.serial, exchange)
    except ValueError as error:
        yield Broken(path=(), found=f"bytes that make no sense ({error})", expected="bytes as hex, like 01 F9")


def _below(path: Path, items: Iterable[Broken]) -> Iterator[Broken]:
    for item in items:
        yield Broken(path=(*path, *item.path), found=item.found, expected=item.expected)


def _modbus(device: ModbusDevice, exchange: Exchange) -> Iterator[Broken]:
    if exchange.received or exchange.received_text or exchange.readings:
        yield Broken(path=(), found="keys of a serial device", expected="request, reply or words for a Modbus device")
        return
    words = exchange.words_dec or register_words(exchange.words)
    if words:
        if exchange.table is None or exchange.address is None:
            yield Broken(path=(), found="words without table and address", expected="where they were read")
            return
        read = ReadRequest(table=exchange.table, address=exchange.address, count=len(words))
        yield from _read(device, read, words, exchange)
    elif exchange.request:
        yield from _frames(device, exchange)
    else:
        yield Broken(path=(), found="neither request nor words", expected="one of them")


def _frames(device: ModbusDevice, exchange: Exchange) -> Iterator[Broken]:
    """Check the frames, and what the reply means. `refused` is of the reply, or of the request where that is alone."""
    reply = bytes.fromhex(exchange.reply)
    words: tuple[int, ...] = ()
    try:
        unit, request = rtu_asked(bytes.fromhex(exchange.request))
        if reply:
            words = parse_rtu_reply(unit, request, reply)
    except (ReplyError, RequestError) as error:
        yield from _refused(error, exchange)
        return
    if exchange.refused:
        yield Broken(path=("refused",), found="good frames", expected=exchange.refused)
    if exchange.never_sent:
        yield Broken(path=("never_sent",), found="a request that devices take", expected="one that none takes")
    yield from _orders(device, request, exchange.orders)
    yield from _told(device, request, words, exchange)


def _refused(error: ReplyError | RequestError, exchange: Exchange) -> Iterator[Broken]:
    if isinstance(error, RequestError):
        if not exchange.never_sent:
            yield Broken(path=(), found=f"a request no device takes ({error})", expected="good frames")
    elif error.kind != exchange.refused:
        yield Broken(path=(), found=f"{error}", expected=str(exchange.refused or "good frames"))


def _told(device: ModbusDevice, request: Request, words: tuple[int, ...], exchange: Exchange) -> Iterator[Broken]:
    """What the reply to a read tells; nothing else tells anything."""
    if isinstance(request, ReadRequest) and words:
        yield from _read(device, request, words, exchange)
    elif isinstance(request, IdentifyRequest) and words:
        told = identity_told(device, request, words)
        for key, wanted in exchange.identity.items():
            if told.get(key) != wanted:
                yield Broken(path=("identity", key), found=repr(told.get(key)), expected=repr(wanted))
    elif exchange.expect or exchange.identity:
        name = "expect" if exchange.expect else "identity"
        yield Broken(path=(name,), found="values without a reply to a read", expected="no values")


def _read(device: ModbusDevice, read: ReadRequest, words: tuple[int, ...], exchange: Exchange) -> Iterator[Broken]:
    yield from _compare(modbus_values(device, read, words), exchange)
    facts = {fact.key: fact for fact in device.identity}
    for key, wanted in exchange.identity.items():
        fact = facts.get(key)
        start = fact.address - read.address if fact else 0
        if fact is None or fact.table is not read.table or start < 0 or start + fact.registers > len(words):
            yield Broken(path=("identity", key), found=f"the key {key!r}", expected="an identity that was read here")
        elif (found := identity_text(fact, words[start : start + fact.registers])) != wanted:
            yield Broken(path=("identity", key), found=repr(found), expected=repr(wanted))


def _orders(device: ModbusDevice, request: Request, orders: Mapping[str, float]) -> Iterator[Broken]:
    """Each order is one that a control of the profile sends."""
    for key, number in orders.items():
        named = order_named(device, key)
        if named is None:
            known = [one.key for one in device.orders]
            expected = f"one of {', '.join(known) or 'none'}"
            yield Broken(path=("orders", key), found=f"the key {key!r}", expected=expected)
            continue
        try:
            ours = named.order if isinstance(named, Command) else write_request(named, number)
        except ControlError as error:
            yield Broken(path=("orders", key), found=str(error), expected="a value that may be written")
            continue
        if ours != request:
            yield Broken(path=("orders", key), found=str(request), expected=f"{ours}, as the control sends it")


def rtu_asked(frame: bytes) -> tuple[int, Request]:
    """The unit and the request of a frame that devices take.

    Raises:
        ReplyError, RequestError: it is damaged, or none takes it.
    """
    unit, pdu = parse_rtu_request(frame)
    request = parse_request_pdu(pdu)
    ours = rtu_request(unit, request)
    if ours != frame:
        raise ReplyError(ReplyFault.WRONG_ECHO, f"{ours.hex(' ')} is what would be sent")
    return unit, request


def register_words(text: str) -> tuple[int, ...]:
    """Registers of a capture, from hex; an odd number of bytes is one bit in the last.

    Raises:
        ValueError: it is no hex.
    """
    data = bytes.fromhex(text)
    return struct.unpack(f">{len(data) // 2}H", data) if len(data) % 2 == 0 else (data[-1],)


def modbus_values(device: ModbusDevice, request: ReadRequest, words: tuple[int, ...]) -> dict[str, Value]:
    """The values of the points that the request covers; where groups share a key, the first group's."""
    found: dict[str, Value] = {}
    for group in device.groups:
        values = decode_registers(group, {request: words})
        for point, value in zip(group.recorded, values, strict=True):
            if all(covers(request, one) for one in _sources(point, group)):
                found.setdefault(point.key, value)
    return found


def _sources(point: Meaning, group: ModbusGroup) -> list[ModbusPoint]:
    """The registers that a value comes from: its own, and those that tell its scale."""
    keys = set(point.of) if isinstance(point, DerivedPoint) else {point.key}
    keys |= {one.scale_from.key for one in group.read if one.key in keys and one.scale_from is not None}
    return [one for one in group.read if one.key in keys]


def _serial(device: SerialDevice, exchange: Exchange) -> Iterator[Broken]:
    if exchange.expect or exchange.words or exchange.words_dec or exchange.reply:
        yield Broken(path=(), found="keys of a Modbus device", expected="received and readings for a serial device")
        return
    sent = _sent(exchange)
    if sent:
        ours = [_asked(group.request, exchange) for group in device.groups if group.request is not None]
        if sent not in ours:
            expected = " or ".join(item.hex(" ") for item in ours) or "no request: the device is not asked"
            where = "request" if exchange.request else "request_text"
            yield Broken(path=(where,), found=sent.hex(" "), expected=expected)
    found = serial_found(device, exchange)
    readings = [item for item in found if isinstance(item, SerialReading)]
    bad = len(found) - len(readings)
    if bad != exchange.bad_frames:
        yield Broken(path=("bad_frames",), found=f"{bad} bad frames", expected=str(exchange.bad_frames))
    if len(readings) != len(exchange.readings):
        groups = ", ".join(reading.group for reading in readings) or "none"
        yield Broken(path=("readings",), found=f"the readings {groups}", expected=f"{len(exchange.readings)} readings")
    layouts = {group.name: [point.key for point in group.recorded] for group in device.groups}
    for index, (reading, wanted) in enumerate(zip(readings, exchange.readings, strict=False)):
        yield from _below(("readings", index), _reading(layouts[reading.group], reading, wanted))


def serial_found(device: SerialDevice, exchange: Exchange) -> list[SerialReading | BadFrame]:
    """What came in. To a request only its answer counts; bytes that nothing follows end a frame."""
    reader = FrameReader(device)
    frames = reader.frames(bytes.fromhex(exchange.received) or exchange.received_text.encode("latin-1"))
    if device.binary is not None and device.binary.frame_gap_ms is not None:
        frames += reader.give_up()
    answer = _answer(device, exchange)
    found: list[SerialReading | BadFrame] = []
    for frame in frames:
        if isinstance(frame, BadFrame):
            found.append(frame)
        elif answer is None or answer.take(frame) is not Taken.FOREIGN:
            found += reader.readings(frame)
    return found


def _answer(device: SerialDevice, exchange: Exchange) -> Answer | None:
    """The answer to the exchange's request; None where it has none."""
    sent = _sent(exchange)
    if not sent:
        return None
    asked = [group.request for group in device.groups if group.request and _asked(group.request, exchange) == sent]
    return Answer(asked[0], address=exchange.address, sequence=exchange.sequence) if asked else None


def _sent(exchange: Exchange) -> bytes:
    return bytes.fromhex(exchange.request) or exchange.request_text.encode("latin-1")


def _asked(request: SerialRequest, exchange: Exchange) -> bytes:
    return request_bytes(request, address=exchange.address, sequence=exchange.sequence)


def _reading(keys: list[str], reading: SerialReading, wanted: ExpectedReading) -> Iterator[Broken]:
    if reading.group != wanted.group:
        yield Broken(path=("group",), found=repr(reading.group), expected=repr(wanted.group))
        return
    if wanted.device_time_ms is not None and reading.device_time_ms != wanted.device_time_ms:
        expected = str(wanted.device_time_ms)
        yield Broken(path=("device_time_ms",), found=str(reading.device_time_ms), expected=expected)
    yield from _compare(dict(zip(keys, reading.values, strict=True)), wanted)


def _compare(values: Mapping[str, Value], expected: Exchange | ExpectedReading) -> Iterator[Broken]:
    if isinstance(expected, Exchange):
        wanted, name = expected.expect, "expect"
    else:
        wanted, name = expected.values, "values"
    for key, number in wanted.items():
        if key not in values:
            yield Broken(path=(name, key), found=f"the key {key!r}", expected=f"one of {', '.join(values) or 'none'}")
            continue
        quality = expected.quality.get(key, "good" if number is not None else "sensor_fault")
        found = values[key]
        if (found.number, found.quality.name.lower()) != (number, quality):
            told = f"{found.number} {found.quality.name.lower()}"
            yield Broken(path=(name, key), found=told, expected=f"{number} {quality}")
    for key in expected.quality.keys() - wanted.keys():
        yield Broken(path=("quality", key), found=f"a quality of {key!r}", expected=f"{key!r} among the {name}")
