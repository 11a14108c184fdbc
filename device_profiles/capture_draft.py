"""What was seen of a device, as an exchange of a capture, with what its profile makes of it. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from device_profiles.capture import Exchange, ExpectedReading, modbus_values, register_words, rtu_asked, serial_found
from device_profiles.decode_serial import SerialReading
from device_profiles.modbus import ReadRequest, ReplyError, Request, RequestError
from device_profiles.modbus_frames import parse_rtu_reply
from device_profiles.model import DeviceProfile
from device_profiles.serial_model import SerialDevice
from wire.records import Quality, Value


def drafted(profile: DeviceProfile, exchange: Exchange) -> Exchange:
    """The exchange with what the profile makes of its bytes as what is expected: for a person to confirm.

    Raises:
        ValueError: its bytes make no sense, or it has none.
    """
    if profile.serial is not None:
        return _serial_drafted(profile.serial, exchange)
    if profile.modbus is None:
        raise ValueError(f"{profile.profile} says nothing of how it is read")
    words = exchange.words_dec or register_words(exchange.words)
    try:
        if words:
            if exchange.table is None or exchange.address is None:
                raise ValueError("words without the table and address they were read from")
            request: Request = ReadRequest(table=exchange.table, address=exchange.address, count=len(words))
        else:
            unit, request = rtu_asked(bytes.fromhex(exchange.request))
            words = parse_rtu_reply(unit, request, bytes.fromhex(exchange.reply))
    except ReplyError as error:
        return replace(exchange, refused=error.kind)
    except RequestError as error:
        raise ValueError(str(error)) from error
    values = modbus_values(profile.modbus, request, words) if isinstance(request, ReadRequest) else {}
    return replace(exchange, expect=_numbers(values), quality=_qualities(values))


def _serial_drafted(device: SerialDevice, exchange: Exchange) -> Exchange:
    found = serial_found(device, exchange)
    layouts = {group.name: [point.key for point in group.recorded] for group in device.groups}
    readings = []
    for one in found:
        if isinstance(one, SerialReading):
            values = dict(zip(layouts[one.group], one.values, strict=True))
            reading = ExpectedReading(
                group=one.group,
                values=_numbers(values),
                quality=_qualities(values),
                device_time_ms=one.device_time_ms,
            )
            readings.append(reading)
    return replace(exchange, readings=tuple(readings), bad_frames=len(found) - len(readings))


def _numbers(values: Mapping[str, Value]) -> dict[str, float | None]:
    return {key: value.number for key, value in values.items()}


def _qualities(values: Mapping[str, Value]) -> dict[str, str]:
    """Those that a reader of the file would not assume."""
    assumed = {True: Quality.SENSOR_FAULT, False: Quality.GOOD}
    told = {key: value.quality for key, value in values.items() if value.quality is not assumed[value.number is None]}
    return {key: quality.name.lower() for key, quality in told.items()}
