"""Modbus as bytes: requests and replies, on RTU and on TCP, from the client's side and from the server's.

Pure. Source: Modbus Application Protocol V1.1b3 (PDU), Modbus over Serial Line V1.02 (RTU), Modbus Messaging on
TCP/IP V1.0b (MBAP).

I1. A reply gives values only where every check of it holds: unit, function, length, and CRC or transaction.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

from device_profiles.checks import CheckKind, check_bytes

# V1.1b3 section 6: limits of one request.
MAX_READ_REGISTERS: Final = 125
MAX_READ_BITS: Final = 2000
MAX_WRITE_REGISTERS: Final = 123
MAX_WRITE_BITS: Final = 1968
ADDRESSES: Final = 0x10000

COIL_ON: Final = 0xFF00  # V1.1b3 section 6.5: what function 5 sends for "on"
_ERROR_BIT: Final = 0x80
_CRC_BYTES: Final = 2
_MBAP_BYTES: Final = 7
_MIN_RTU_BYTES: Final = 4
_MIN_RTU_REPLY_BYTES: Final = 5
_ECHO_PDU_BYTES: Final = 5
_MULTIPLE_HEAD_BYTES: Final = 6
_EXCEPTION_PDU_BYTES: Final = 2


class Table(StrEnum):
    """Which of the four address spaces of a Modbus device."""

    COIL = "coil"
    DISCRETE = "discrete"
    HOLDING = "holding"
    INPUT = "input"

    @property
    def is_bits(self) -> bool:
        """Whether an address holds one bit (else a 16-bit register)."""
        return self in {Table.COIL, Table.DISCRETE}


class Function(IntEnum):
    """The functions this project speaks."""

    READ_COILS = 1
    READ_DISCRETES = 2
    READ_HOLDING = 3
    READ_INPUT = 4
    WRITE_COIL = 5
    WRITE_REGISTER = 6
    WRITE_COILS = 15
    WRITE_REGISTERS = 16


class ExceptionCode(IntEnum):
    """Why a device refuses, V1.1b3 section 7. Devices may send other numbers."""

    ILLEGAL_FUNCTION = 1
    ILLEGAL_ADDRESS = 2
    ILLEGAL_VALUE = 3
    DEVICE_FAILURE = 4
    DEVICE_BUSY = 6
    GATEWAY_PATH = 10
    GATEWAY_TARGET = 11


_READ_FUNCTIONS: Final = {
    Table.COIL: Function.READ_COILS,
    Table.DISCRETE: Function.READ_DISCRETES,
    Table.HOLDING: Function.READ_HOLDING,
    Table.INPUT: Function.READ_INPUT,
}
_READ_TABLES: Final = {function: table for table, function in _READ_FUNCTIONS.items()}
_WRITES_MANY: Final = {Function.WRITE_COILS, Function.WRITE_REGISTERS}
_WRITE_TABLES: Final = {
    Function.WRITE_COIL: Table.COIL,
    Function.WRITE_REGISTER: Table.HOLDING,
    Function.WRITE_COILS: Table.COIL,
    Function.WRITE_REGISTERS: Table.HOLDING,
}


class ReplyFault(StrEnum):
    """What is wrong with a reply."""

    SHORT = "short"
    CRC = "crc"
    FOREIGN_UNIT = "foreign_unit"
    FOREIGN_TRANSACTION = "foreign_transaction"
    FOREIGN_FUNCTION = "foreign_function"
    WRONG_LENGTH = "wrong_length"
    WRONG_ECHO = "wrong_echo"
    EXCEPTION = "exception"


class ReplyError(Exception):
    """Bytes that are no good reply to the request. `code` is the device's exception code where it refused."""

    def __init__(self, kind: ReplyFault, detail: str, *, code: int | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.code = code


class RequestError(Exception):
    """A request a server must answer with this exception code."""

    def __init__(self, function: int, code: ExceptionCode) -> None:
        super().__init__(f"function {function}: {code.name.lower()}")
        self.function = function
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadRequest:
    """Read `count` registers or bits, from `address` on (0-based, as on the wire)."""

    table: Table
    address: int
    count: int

    def __post_init__(self) -> None:
        """Refuse what no Modbus request can ask for."""
        limit = MAX_READ_BITS if self.table.is_bits else MAX_READ_REGISTERS
        if not 1 <= self.count <= limit or not 0 <= self.address <= ADDRESSES - self.count:
            place = f"{self.table} {self.address:#06x} count {self.count}"
            raise ValueError(f"{place}: expected a count of 1..{limit} below 0x10000")

    @property
    def function(self) -> Function:
        """The function code that reads this table."""
        return _READ_FUNCTIONS[self.table]

    @property
    def data_bytes(self) -> int:
        """How many bytes of values a good reply carries."""
        return (self.count + 7) // 8 if self.table.is_bits else 2 * self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """Write `values` (registers 0..65535, or bits 0 and 1) from `address` on. 5 and 6 write exactly one."""

    function: Function
    address: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what no Modbus request can ask for."""
        if self.function in _READ_TABLES:
            raise ValueError(f"function {self.function} does not write")
        many = MAX_WRITE_BITS if self.table.is_bits else MAX_WRITE_REGISTERS
        limit = many if self.function in _WRITES_MANY else 1
        highest = 1 if self.table.is_bits else 0xFFFF
        if not 1 <= len(self.values) <= limit or not 0 <= self.address <= ADDRESSES - len(self.values):
            raise ValueError(f"write to {self.address:#06x}: expected 1..{limit} values below 0x10000")
        if not all(0 <= value <= highest for value in self.values):
            raise ValueError(f"write to {self.address:#06x}: expected values 0..{highest}, found {self.values}")

    @property
    def table(self) -> Table:
        """The table that is written."""
        return _WRITE_TABLES[self.function]


Request = ReadRequest | WriteRequest


def request_pdu(request: Request) -> bytes:
    """The request without its envelope."""
    if isinstance(request, ReadRequest):
        return struct.pack(">BHH", request.function, request.address, request.count)
    if request.function is Function.WRITE_COIL:
        return struct.pack(">BHH", request.function, request.address, COIL_ON if request.values[0] else 0)
    if request.function is Function.WRITE_REGISTER:
        return struct.pack(">BHH", request.function, request.address, request.values[0])
    data = _pack(request.values, request.table)
    return struct.pack(">BHHB", request.function, request.address, len(request.values), len(data)) + data


def parse_reply_pdu(request: Request, pdu: bytes) -> tuple[int, ...]:
    """The values a reply without its envelope carries: registers, or bits as 0 and 1; none for a write.

    Raises:
        ReplyError: it is no good reply to this request.
    """
    if len(pdu) < _EXCEPTION_PDU_BYTES:
        raise ReplyError(ReplyFault.SHORT, f"{len(pdu)} bytes where at least {_EXCEPTION_PDU_BYTES} are needed")
    if pdu[0] == request.function | _ERROR_BIT:
        _check_length(pdu, _EXCEPTION_PDU_BYTES)
        raise ReplyError(ReplyFault.EXCEPTION, f"the device refuses with code {pdu[1]}", code=pdu[1])
    if pdu[0] != request.function:
        raise ReplyError(ReplyFault.FOREIGN_FUNCTION, f"function {pdu[0]} answers function {request.function:d}")
    if isinstance(request, WriteRequest):
        _check_length(pdu, _ECHO_PDU_BYTES)
        if pdu != request_pdu(request)[:_ECHO_PDU_BYTES]:
            raise ReplyError(ReplyFault.WRONG_ECHO, f"{pdu.hex(' ')} does not repeat the request")
        return ()
    _check_length(pdu, 2 + request.data_bytes)
    if pdu[1] != request.data_bytes:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"byte count {pdu[1]} where {request.data_bytes} are asked for")
    return _unpack(pdu[2:], request.table, request.count)


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
    if len(frame) < _MIN_RTU_REPLY_BYTES:
        raise ReplyError(ReplyFault.SHORT, f"{len(frame)} bytes where at least {_MIN_RTU_REPLY_BYTES} are needed")
    _check_crc(frame)
    if frame[0] != unit:
        raise ReplyError(ReplyFault.FOREIGN_UNIT, f"unit {frame[0]} answers for unit {unit}")
    return parse_reply_pdu(request, frame[1:-_CRC_BYTES])


def rtu_reply_bytes(request: Request, head: bytes) -> int | None:
    """How long the reply is that begins with `head`, as far as its head tells; None while it is too short to tell.

    A head that answers something else gives the length of the good reply: whoever waits then finds the fault.
    """
    if len(head) < _EXCEPTION_PDU_BYTES:
        return None
    if head[1] == request.function | _ERROR_BIT:
        return 1 + _EXCEPTION_PDU_BYTES + _CRC_BYTES
    return rtu_good_reply_bytes(request)


def rtu_good_reply_bytes(request: Request) -> int:
    """How long a good reply is on a serial line."""
    pdu_bytes = 2 + request.data_bytes if isinstance(request, ReadRequest) else _ECHO_PDU_BYTES
    return 1 + pdu_bytes + _CRC_BYTES


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
    if protocol != 0 or not 1 + 1 <= length <= 1 + 253:  # unit, and a PDU of 1 (function 7) to 253 bytes
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"protocol {protocol} length {length} is no Modbus TCP header")
    return _MBAP_BYTES - 1 + int(length)


def parse_tcp_reply(transaction: int, unit: int, request: Request, frame: bytes) -> tuple[int, ...]:
    """The values of a reply read from a TCP connection; see `parse_reply_pdu`.

    Raises:
        ReplyError: it is no good reply to this request. FOREIGN_TRANSACTION is a late answer: read on.
    """
    if tcp_frame_bytes(frame) is None:
        raise ReplyError(ReplyFault.SHORT, f"{len(frame)} bytes where at least {_MBAP_BYTES} are needed")
    _check_length(frame, tcp_frame_bytes(frame) or 0)
    if frame[:2] != transaction.to_bytes(2, "big"):
        raise ReplyError(ReplyFault.FOREIGN_TRANSACTION, f"transaction {frame[:2].hex()} answers {transaction:04x}")
    if frame[6] != unit:
        raise ReplyError(ReplyFault.FOREIGN_UNIT, f"unit {frame[6]} answers for unit {unit}")
    return parse_reply_pdu(request, frame[_MBAP_BYTES:])


def parse_request_pdu(pdu: bytes) -> Request:
    """A server's reading of a request without its envelope.

    Raises:
        RequestError: to be answered with `exception_pdu(error.function, error.code)`.
    """
    number = pdu[0] if pdu else 0
    if number not in set(Function):
        raise RequestError(number, ExceptionCode.ILLEGAL_FUNCTION)
    function = Function(number)
    try:
        return _read_request(function, pdu) if function in _READ_TABLES else _write_request(function, pdu)
    except (struct.error, ValueError, IndexError) as error:
        raise RequestError(number, ExceptionCode.ILLEGAL_VALUE) from error


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
    if len(head) < _EXCEPTION_PDU_BYTES:
        return None
    if head[1] not in _WRITES_MANY:
        return 1 + _ECHO_PDU_BYTES + _CRC_BYTES
    if len(head) <= _MULTIPLE_HEAD_BYTES:
        return None
    return 1 + _MULTIPLE_HEAD_BYTES + head[_MULTIPLE_HEAD_BYTES] + _CRC_BYTES


def parse_tcp_request(frame: bytes) -> tuple[int, int, bytes]:
    """The transaction, unit and PDU of a request read from a TCP connection.

    Raises:
        ReplyError: it is no Modbus TCP; a server closes the connection.
    """
    expected = tcp_frame_bytes(frame)
    if expected is None or len(frame) != expected:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"{len(frame)} bytes where the header says {expected}")
    return int.from_bytes(frame[:2], "big"), frame[6], frame[_MBAP_BYTES:]


def reply_pdu(request: Request, values: tuple[int, ...] = ()) -> bytes:
    """A server's good reply: `values` are the registers, or bits as 0 and 1, that were asked for."""
    if isinstance(request, WriteRequest):
        return request_pdu(request)[:_ECHO_PDU_BYTES]
    if len(values) != request.count:
        raise ValueError(f"{len(values)} values where {request.count} are asked for")
    return bytes((request.function, request.data_bytes)) + _pack(values, request.table)


def exception_pdu(function: int, code: int) -> bytes:
    """A server's refusal."""
    return bytes((function | _ERROR_BIT, code))


def _read_request(function: Function, pdu: bytes) -> ReadRequest:
    _, address, count = struct.unpack(">BHH", pdu)
    return ReadRequest(table=_READ_TABLES[function], address=address, count=count)


def _write_request(function: Function, pdu: bytes) -> WriteRequest:
    if function in _WRITES_MANY:
        _, address, count, data_bytes = struct.unpack(">BHHB", pdu[:_MULTIPLE_HEAD_BYTES])
        table = _WRITE_TABLES[function]
        expected = (count + 7) // 8 if table.is_bits else 2 * count
        if data_bytes != expected or len(pdu) != _MULTIPLE_HEAD_BYTES + expected:
            raise ValueError(f"byte count {data_bytes} where {expected} are needed")
        return WriteRequest(function=function, address=address, values=_unpack(pdu[6:], table, count))
    _, address, value = struct.unpack(">BHH", pdu)
    if function is Function.WRITE_COIL:
        value = {COIL_ON: 1, 0: 0}.get(value, value)
    return WriteRequest(function=function, address=address, values=(value,))


def _pack(values: tuple[int, ...], table: Table) -> bytes:
    if not table.is_bits:
        return struct.pack(f">{len(values)}H", *values)
    number = sum(1 << place for place, bit in enumerate(values) if bit)
    return number.to_bytes((len(values) + 7) // 8, "little")


def _unpack(data: bytes, table: Table, count: int) -> tuple[int, ...]:
    if not table.is_bits:
        return struct.unpack(f">{count}H", data)
    number = int.from_bytes(data, "little")
    return tuple(number >> place & 1 for place in range(count))


def _check_length(data: bytes, expected: int) -> None:
    if len(data) != expected:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"{len(data)} bytes where {expected} are expected")


def _check_crc(frame: bytes) -> None:
    expected, found = check_bytes(CheckKind.CRC16_MODBUS, frame[:-_CRC_BYTES]), frame[-_CRC_BYTES:]
    if expected != found:
        raise ReplyError(ReplyFault.CRC, f"CRC {found.hex(' ')} where {expected.hex(' ')} is right")
