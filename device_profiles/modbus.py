"""Modbus requests and replies without their envelope, as a client makes and reads them.

Pure. Source: Modbus Application Protocol V1.1b3 (PDU). What goes round them on a line:
`modbus_frames.py`; the server's side: `modbus_server.py`.

I1. A reply gives values only where every check of it holds: function, length, and what it repeats of the request.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Final

# V1.1b3 section 6: limits of one request.
MAX_READ_REGISTERS: Final = 125
MAX_READ_BITS: Final = 2000
MAX_WRITE_REGISTERS: Final = 123
MAX_WRITE_BITS: Final = 1968
ADDRESSES: Final = 0x10000

COIL_ON: Final = 0xFF00  # V1.1b3 section 6.5: what function 5 sends for "on"
TOGGLE: Final = 2  # a coil's third value: be what you were not; outside the standard
# What function 5 sends. That of the toggle is of many relay modules (Waveshare's, and their like).
_COIL_WORDS: Final = {0: 0x0000, 1: COIL_ON, TOGGLE: 0x5500}
COILS_OF_WORDS: Final = {word: value for value, word in _COIL_WORDS.items()}
# V1.1b3 section 5: functions that each maker may use as he likes.
CUSTOM_FUNCTIONS: Final = (*range(65, 73), *range(100, 111))
# V1.1b3 section 6.21: which objects of the identification are meant.
BASIC_OBJECTS: Final = 1
REGULAR_OBJECTS: Final = 2
EXTENDED_OBJECTS: Final = 3
ONE_OBJECT: Final = 4
ERROR_BIT: Final = 0x80
ECHO_PDU_BYTES: Final = 5
EXCEPTION_PDU_BYTES: Final = 2
MULTIPLE_HEAD_BYTES: Final = 6
MAX_PDU_BYTES: Final = 253
MEI_TYPE: Final = 14
IDENTITY_HEAD_BYTES: Final = 7
_OBJECT_HEAD_BYTES: Final = 2


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
    IDENTIFY = 43


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
READ_TABLES: Final = {function: table for table, function in _READ_FUNCTIONS.items()}
WRITES_MANY: Final = {Function.WRITE_COILS, Function.WRITE_REGISTERS}
WRITE_TABLES: Final = {
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
    """Write `values` (registers 0..65535, or bits 0 and 1) from `address` on. 5 and 6 write exactly one.

    5 may also send `TOGGLE`, and 16 no value at all, which some devices take for an order; the standard has neither.
    """

    function: Function
    address: int
    values: tuple[int, ...]

    def __post_init__(self) -> None:
        """Refuse what no Modbus request can ask for."""
        if self.function not in WRITE_TABLES:
            raise ValueError(f"function {self.function} does not write")
        many = MAX_WRITE_BITS if self.table.is_bits else MAX_WRITE_REGISTERS
        limit = many if self.function in WRITES_MANY else 1
        least = 0 if self.function is Function.WRITE_REGISTERS else 1
        highest = 1 if self.table.is_bits else 0xFFFF
        if self.function is Function.WRITE_COIL:
            highest = TOGGLE
        if not least <= len(self.values) <= limit or not 0 <= self.address <= ADDRESSES - len(self.values):
            raise ValueError(f"write to {self.address:#06x}: expected {least}..{limit} values below 0x10000")
        if not all(0 <= value <= highest for value in self.values):
            raise ValueError(f"write to {self.address:#06x}: expected values 0..{highest}, found {self.values}")

    @property
    def table(self) -> Table:
        """The table that is written."""
        return WRITE_TABLES[self.function]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyRequest:
    """Ask who the device is: all objects of a kind from `first` on (`access` 1 to 3), or that one alone (4)."""

    access: int = BASIC_OBJECTS
    first: int = 0

    def __post_init__(self) -> None:
        """Refuse what no Modbus request can ask for."""
        if not BASIC_OBJECTS <= self.access <= ONE_OBJECT or not 0 <= self.first <= 0xFF:  # noqa: PLR2004 - a byte
            raise ValueError(f"identification {self.access} from object {self.first}: expected 1..4 and 0..255")

    @property
    def function(self) -> Function:
        """The function code that asks for it."""
        return Function.IDENTIFY


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomRequest:
    """A function of the maker's own that stands alone, and that the device repeats when it has done it."""

    function: int

    def __post_init__(self) -> None:
        """Refuse functions that mean something to every device."""
        if self.function not in CUSTOM_FUNCTIONS:
            raise ValueError(f"function {self.function}: expected one of the makers' own, 65..72 or 100..110")


Question = ReadRequest | IdentifyRequest
Order = WriteRequest | CustomRequest
Request = Question | Order


def request_pdu(request: Request) -> bytes:
    """The request without its envelope."""
    match request:
        case ReadRequest():
            return struct.pack(">BHH", request.function, request.address, request.count)
        case IdentifyRequest():
            return bytes((request.function, MEI_TYPE, request.access, request.first))
        case CustomRequest():
            return bytes((request.function,))
        case WriteRequest():
            return _write_pdu(request)


def _write_pdu(request: WriteRequest) -> bytes:
    if request.function is Function.WRITE_COIL:
        return struct.pack(">BHH", request.function, request.address, _COIL_WORDS[request.values[0]])
    if request.function is Function.WRITE_REGISTER:
        return struct.pack(">BHH", request.function, request.address, request.values[0])
    data = pack(request.values, request.table)
    return struct.pack(">BHHB", request.function, request.address, len(request.values), len(data)) + data


def parse_reply_pdu(request: Request, pdu: bytes) -> tuple[int, ...]:
    """The values a reply without its envelope carries: registers, or bits as 0 and 1; none for an order.

    Of an identification they are its bytes from "more follows" on; `identity.py` reads them.

    Raises:
        ReplyError: it is no good reply to this request.
    """
    least = 1 if isinstance(request, CustomRequest) else EXCEPTION_PDU_BYTES
    if len(pdu) < least:
        raise ReplyError(ReplyFault.SHORT, f"{len(pdu)} bytes where at least {least} are needed")
    if pdu[0] == request.function | ERROR_BIT:
        check_length(pdu, EXCEPTION_PDU_BYTES)
        raise ReplyError(ReplyFault.EXCEPTION, f"the device refuses with code {pdu[1]}", code=pdu[1])
    if pdu[0] != request.function:
        raise ReplyError(ReplyFault.FOREIGN_FUNCTION, f"function {pdu[0]} answers function {request.function:d}")
    match request:
        case ReadRequest():
            return _read_values(request, pdu)
        case IdentifyRequest():
            return _identification(request, pdu)
        case _:
            _check_echo(request, pdu)
            return ()


def good_reply_pdu_bytes(request: Request, head: bytes = b"") -> int | None:
    """How long a good reply is, as far as its head tells; None while it is too short to tell.

    Only that of an identification says itself how long it is.
    """
    match request:
        case ReadRequest():
            return 2 + request.data_bytes
        case IdentifyRequest():
            return _identification_bytes(head)
        case CustomRequest():
            return 1
        case WriteRequest():
            return ECHO_PDU_BYTES


def _read_values(request: ReadRequest, pdu: bytes) -> tuple[int, ...]:
    check_length(pdu, 2 + request.data_bytes)
    if pdu[1] != request.data_bytes:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"byte count {pdu[1]} where {request.data_bytes} are asked for")
    return unpack(pdu[2:], request.table, request.count)


def _check_echo(request: Order, pdu: bytes) -> None:
    expected = request_pdu(request)[:ECHO_PDU_BYTES]
    check_length(pdu, len(expected))
    if pdu != expected:
        raise ReplyError(ReplyFault.WRONG_ECHO, f"{pdu.hex(' ')} does not repeat the request")


def _identification(request: IdentifyRequest, pdu: bytes) -> tuple[int, ...]:
    expected = _identification_bytes(pdu)
    if expected is None:
        raise ReplyError(ReplyFault.SHORT, f"{len(pdu)} bytes break off inside the identification")
    check_length(pdu, expected)
    if pdu[1:3] != request_pdu(request)[1:3]:
        raise ReplyError(ReplyFault.WRONG_ECHO, f"{pdu[1:3].hex(' ')} does not repeat the request")
    return tuple(pdu[4:])


def _identification_bytes(pdu: bytes) -> int | None:
    """The length that the objects in it add up to; None while their heads are not all there."""
    if len(pdu) < IDENTITY_HEAD_BYTES:
        return None
    end = IDENTITY_HEAD_BYTES
    for _ in range(pdu[IDENTITY_HEAD_BYTES - 1]):
        if len(pdu) < end + _OBJECT_HEAD_BYTES:
            return None
        end += _OBJECT_HEAD_BYTES + pdu[end + 1]
    return end


def pack(values: tuple[int, ...], table: Table) -> bytes:
    """Registers, or bits, as their bytes."""
    if not table.is_bits:
        return struct.pack(f">{len(values)}H", *values)
    number = sum(1 << place for place, bit in enumerate(values) if bit)
    return number.to_bytes((len(values) + 7) // 8, "little")


def unpack(data: bytes, table: Table, count: int) -> tuple[int, ...]:
    """The registers, or bits, that bytes hold."""
    if not table.is_bits:
        return struct.unpack(f">{count}H", data)
    number = int.from_bytes(data, "little")
    return tuple(number >> place & 1 for place in range(count))


def check_length(data: bytes, expected: int) -> None:
    """Refuse a reply of another length.

    Raises:
        ReplyError: it is longer or shorter.
    """
    if len(data) != expected:
        raise ReplyError(ReplyFault.WRONG_LENGTH, f"{len(data)} bytes where {expected} are expected")
