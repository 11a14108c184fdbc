"""Modbus on a line: what stands round requests and replies on RTU and on TCP.

Pure. Source: Modbus over Serial Line V1.02 (RTU), Modbus Messaging on TCP/IP V1.0b (MBAP).

I1. A reply gives values only where every check of it holds: unit, and CRC or transaction, and those of `modbus.py`.
"""

import struct
from typing import Final

from device_profiles.checks import CheckKind, check_bytes
from device_profiles.modbus import (
    CUSTOM_FUNCTIONS,
    ECHO_PDU_BYTES,
    ERROR_BIT,
    EXCEPTION_PDU_BYTES,
    MAX_PDU_BYTES,
    MULTIPLE_HEAD_BYTES,
    WRITES_MANY,
    CustomRequest,
    Function,
    ReplyError,
    ReplyFault,
    Request,
    check_length,
    good_reply_pdu_bytes,
    parse_reply_pdu,
    request_pdu,
)

_CRC_BYTES: Final = 2
_MBAP_BYTES: Final = 7
_MIN_RTU_BYTES: Final = 4
_MIN_RTU_REPLY_BYTES: Final = 5
_USUAL_IDENTIFICATION_BYTES: Final = 100  # a name, a code and a revision
# Of the requests whose length their function alone tells.
_PDU_BYTES: Final = dict.fromkeys(CUSTOM_FUNCTIONS, 1) | {Function.IDENTIFY: 4}


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """Unit, PDU and CRC."""
    body = bytes((unit,)) + pdu
    return body + check_bytes(CheckKind.CRC16_MODBUS, body)


def rtu_request(unit: int, request: Request) -> bytes:
    """The bytes to send on a serial line."""
    return rtu_frame(unit, request_pdu(request))


def parse_rtu_reply(unit: int, request: Request, frame: bytes) -> tuple[int, ...]:
    """The values of a reply read from a serial line; see `parse_reply_pdu`.

    Raises:
        ReplyError: it is no good reply of this unit to this request.
    """
    least = _MIN_RTU_BYTES if isinstance(request, CustomRequest) else _MIN_RTU_REPLY_BYTES
    if len(frame) < least:
        raise ReplyError(ReplyFault.SHORT, f"{len(frame)} bytes where at least {least} are needed")
    _check_crc(frame)
    if frame[0] != unit:
        raise ReplyError(ReplyFault.FOREIGN_UNIT, f"unit {frame[0]} answers for unit {unit}")
    return parse_reply_pdu(request, frame[1:-_CRC_BYTES])


def rtu_reply_bytes(request: Request, head: bytes) -> int | None:
    """How long the reply is that begins with `head`, as far as its head tells; None while it is too short to tell.

    A head that answers something else gives the length of the good reply: whoever waits then finds the fault.
    """
    if len(head) < EXCEPTION_PDU_BYTES:
        return None
    if head[1] == request.function | ERROR_BIT:
        return 1 + EXCEPTION_PDU_BYTES + _CRC_BYTES
    pdu_bytes = good_reply_pdu_bytes(request, head[1:])
    return None if pdu_bytes is None else 1 + pdu_bytes + _CRC_BYTES


def rtu_good_reply_bytes(request: Request) -> int:
    """How long a good reply is on a serial line; of one that says so itself only, as long as most are."""
    return 1 + (good_reply_pdu_bytes(request) or _USUAL_IDENTIFICATION_BYTES) + _CRC_BYTES


def tcp_frame(transaction: int, unit: int, pdu: bytes) -> bytes:
    """MBAP header and PDU."""
    return struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu


def tcp_request(transaction: int, unit: int, request: Request) -> bytes:
    """The bytes to send on a TCP connection; `transaction` is 0..65535 and comes back in the reply."""
    return tcp_frame(transaction, unit, request_pdu(request))


def tcp_frame_bytes(head: bytes) -> int | None:
    """How long the frame is that begins with `head`; None while it is too short to tell.

    Raises:
        ReplyError: this is no Modbus TCP; the connection is of no more use.
    """
    if len(head) < _MBAP_BYTES - 1:
        return None
    _, protocol, length = struct.unpack(">HHH", head[: _MBAP_BYTES - 1])
    if protocol != 0 or not 1 + 1 <= length <= 1 + MAX_PDU_BYTES:  # unit, and a PDU
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"protocol {protocol} length {length} is no Modbus TCP header")
    return _MBAP_BYTES - 1 + int(length)


def parse_tcp_reply(transaction: int, unit: int, request: Request, frame: bytes) -> tuple[int, ...]:
    """The values of a reply read from a TCP connection; see `parse_reply_pdu`.

    Raises:
        ReplyError: it is no good reply to this request. FOREIGN_TRANSACTION is a late answer: read on.
    """
    if tcp_frame_bytes(frame) is None:
        raise ReplyError(ReplyFault.SHORT, f"{len(frame)} bytes where at least {_MBAP_BYTES} are needed")
    check_length(frame, tcp_frame_bytes(frame) or 0)
    if frame[:2] != transaction.to_bytes(2, "big"):
        raise ReplyError(ReplyFault.FOREIGN_TRANSACTION, f"transaction {frame[:2].hex()} answers {transaction:04x}")
    if frame[6] != unit:
        raise ReplyError(ReplyFault.FOREIGN_UNIT, f"unit {frame[6]} answers for unit {unit}")
    return parse_reply_pdu(request, frame[_MBAP_BYTES:])


def parse_rtu_request(frame: bytes) -> tuple[int, bytes]:
    """The unit and PDU of a request read from a serial line. Unit 0 is everybody, and nobody answers it.

    Raises:
        ReplyError: damaged; a server keeps silent.
    """
    if len(frame) < _MIN_RTU_BYTES:
        raise ReplyError(ReplyFault.SHORT, f"{len(frame)} bytes where at least {_MIN_RTU_BYTES} are needed")
    _check_crc(frame)
    return frame[0], frame[1:-_CRC_BYTES]


def rtu_request_bytes(head: bytes) -> int | None:
    """How long the request is that begins with `head`; None while it is too short to tell."""
    if len(head) < EXCEPTION_PDU_BYTES:
        return None
    if head[1] not in WRITES_MANY:
        return 1 + _PDU_BYTES.get(head[1], ECHO_PDU_BYTES) + _CRC_BYTES
    if len(head) <= MULTIPLE_HEAD_BYTES:
        return None
    return 1 + MULTIPLE_HEAD_BYTES + head[MULTIPLE_HEAD_BYTES] + _CRC_BYTES


def parse_tcp_request(frame: bytes) -> tuple[int, int, bytes]:
    """The transaction, unit and PDU of a request read from a TCP connection.

    Raises:
        ReplyError: it is no Modbus TCP; a server closes the connection.
    """
    expected = tcp_frame_bytes(frame)
    if expected is None or len(frame) != expected:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"{len(frame)} bytes where the header says {expected}")
    return int.from_bytes(frame[:2], "big"), frame[6], frame[_MBAP_BYTES:]


def _check_crc(frame: bytes) -> None:
    expected, found = check_bytes(CheckKind.CRC16_MODBUS, frame[:-_CRC_BYTES]), frame[-_CRC_BYTES:]
    if expected != found:
        raise ReplyError(ReplyFault.CRC, f"CRC {found.hex(' ')} where {expected.hex(' ')} is right")
