"""What was seen of a device as the exchanges of a capture file. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from device_profiles.asking import request_bytes
from device_profiles.capture import Capture, Exchange, Origin, check_capture, serial_found
from device_profiles.capture_draft import drafted
from device_profiles.decode_serial import FrameReader, SerialReading
from device_profiles.encode_error import EncodeError
from device_profiles.framing.base import Frame
from device_profiles.modbus import ReadRequest
from device_profiles.modbus_frames import rtu_request
from device_profiles.model import DeviceProfile
from device_profiles.numbers import NumberError
from device_profiles.serial_model import SerialDevice
from edge.diagnosis.probing import Piece

_KEPT_OF_A_KIND: Final = 2
_SEQUENCES: Final = 256
_END_BYTES: Final = 8  # line ends, a check behind them


def modbus_exchange(unit: int, request: ReadRequest, reply: bytes) -> Exchange:
    """A read on a serial line: whole frames."""
    return Exchange(origin=Origin.CAPTURE, request=_hex(rtu_request(unit, request)), reply=_hex(reply))


def words_exchange(request: ReadRequest, values: Sequence[int]) -> Exchange:
    """A read whose frames are not those of a serial line: the registers, or bits, alone."""
    return Exchange(origin=Origin.CAPTURE, table=request.table, address=request.address, words_dec=tuple(values))


def serial_exchanges(device: SerialDevice, pieces: Sequence[Piece], *, address: int | None) -> list[Exchange]:
    """What a device with a protocol of its own said: its frames, or questions with their answers."""
    if any(group.request is not None for group in device.groups):
        return list(_asked(device, pieces, address))
    reader = FrameReader(device)
    heard = b"".join(piece.data for piece in pieces if not piece.is_sent)
    frames = [*reader.frames(heard), *reader.give_up()]
    return list(_framed(device, heard, [frame.raw for frame in frames if isinstance(frame, Frame)]))


def recorded(profile: DeviceProfile, exchanges: Iterable[Exchange]) -> Capture | None:
    """A capture of those exchanges that the profile reads, with what it reads in them, a few of each kind.

    None where it reads nothing in any of them.
    """
    kept: list[Exchange] = []
    seen: Counter[tuple[str, ...]] = Counter()
    for exchange in exchanges:
        found = _decoded(profile, exchange)
        if found is not None and found not in kept and seen[_kind(found)] < _KEPT_OF_A_KIND:
            seen[_kind(found)] += 1
            kept.append(found)
    return Capture(profile=profile.profile, exchanges=tuple(kept)) if kept else None


def _framed(device: SerialDevice, heard: bytes, frames: Iterable[bytes]) -> Iterator[Exchange]:
    """Each frame that can be read alone, with as many of the bytes behind it as tell a reader that it is over."""
    at = 0
    for raw in frames:
        at = max(at, heard.find(raw, at))
        ends = range(at + len(raw), at + len(raw) + _END_BYTES + 1)
        enough = next((end for end in ends if _is_read(device, _received(heard[at:end]))), None)
        if enough is not None:
            yield _received(heard[at : enough + heard.startswith(b"\n", enough)])


def _is_read(device: SerialDevice, exchange: Exchange) -> bool:
    found = serial_found(device, exchange)
    return bool(found) and all(isinstance(one, SerialReading) for one in found)


def _decoded(profile: DeviceProfile, exchange: Exchange) -> Exchange | None:
    """The exchange with its values; None where there is nothing in it that could be tested."""
    try:
        found = drafted(profile, exchange)
    except ValueError:
        return None
    if not (found.expect or found.readings or found.refused):
        return None
    return None if check_capture(profile, Capture(profile=profile.profile, exchanges=(found,))) else found


def _kind(found: Exchange) -> tuple[str, ...]:
    """Exchanges of one kind test the same."""
    return (found.request, str(found.table), str(found.address), *(reading.group for reading in found.readings))


def _asked(device: SerialDevice, pieces: Sequence[Piece], address: int | None) -> Iterator[Exchange]:
    """Each question that a group asks, with all that came until the next was sent."""
    sent, heard = b"", b""
    for piece in (*pieces, Piece(is_sent=True, data=b"")):
        if not piece.is_sent:
            heard += piece.data
            continue
        sequence = _sequence(device, sent, address)
        if heard and sequence is not None:
            yield replace(_received(heard), request=_hex(sent), address=address, sequence=sequence)
        sent, heard = piece.data, b""


def _sequence(device: SerialDevice, sent: bytes, address: int | None) -> int | None:
    """With which sequence number a group asks just this; None where none does."""
    for group in device.groups:
        if group.request is None:
            continue
        for sequence in range(_SEQUENCES if group.request.sequence is not None else 1):
            try:
                if request_bytes(group.request, address=address, sequence=sequence) == sent:
                    return sequence
            except (EncodeError, NumberError):
                return None
    return None


def _received(data: bytes) -> Exchange:
    """Bytes that came: as text where they are lines of text."""
    text = data.decode("latin-1")
    if data.isascii() and all(letter.isprintable() or letter in "\r\n\t" for letter in text):
        return Exchange(origin=Origin.CAPTURE, received_text=text)
    return Exchange(origin=Origin.CAPTURE, received=_hex(data))


def _hex(data: bytes) -> str:
    return data.hex(" ").upper()
