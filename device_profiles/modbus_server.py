"""Modbus requests and replies without their envelope, as a server reads and makes them. Pure."""

import struct
from collections.abc import Mapping
from typing import Final

from device_profiles.modbus import (
    COILS_OF_WORDS,
    CUSTOM_FUNCTIONS,
    ECHO_PDU_BYTES,
    ERROR_BIT,
    EXTENDED_OBJECTS,
    IDENTITY_HEAD_BYTES,
    MAX_PDU_BYTES,
    MEI_TYPE,
    MULTIPLE_HEAD_BYTES,
    READ_TABLES,
    WRITE_TABLES,
    WRITES_MANY,
    CustomRequest,
    ExceptionCode,
    Function,
    IdentifyRequest,
    ReadRequest,
    Request,
    RequestError,
    WriteRequest,
    pack,
    request_pdu,
    unpack,
)

_BOTH_WAYS: Final = 0x80  # of the conformity: objects are also given one by one


def parse_request_pdu(pdu: bytes) -> Request:
    """A server's reading of a request without its envelope.

    Raises:
        RequestError: to be answered with `exception_pdu(error.function, error.code)`.
    """
    number = pdu[0] if pdu else 0
    if number in CUSTOM_FUNCTIONS and len(pdu) == 1:
        return CustomRequest(function=number)
    if number not in set(Function):
        raise RequestError(number, ExceptionCode.ILLEGAL_FUNCTION)
    function = Function(number)
    try:
        if function is Function.IDENTIFY:
            return _identify_request(pdu)
        return _read_request(function, pdu) if function in READ_TABLES else _write_request(function, pdu)
    except (struct.error, ValueError, IndexError) as error:
        raise RequestError(number, ExceptionCode.ILLEGAL_VALUE) from error


def reply_pdu(request: Request, values: tuple[int, ...] = ()) -> bytes:
    """A server's good reply: `values` are the registers, or bits as 0 and 1, that were asked for."""
    if not isinstance(request, ReadRequest):
        return request_pdu(request)[:ECHO_PDU_BYTES]
    if len(values) != request.count:
        raise ValueError(f"{len(values)} values where {request.count} are asked for")
    return bytes((request.function, request.data_bytes)) + pack(values, request.table)


def identification_pdu(request: IdentifyRequest, objects: Mapping[int, bytes]) -> bytes:
    """A server's good reply to an identification: as many of these objects, in their order, as one reply holds."""
    body, count, following = b"", 0, 0
    for number, text in objects.items():
        piece = bytes((number, len(text))) + text
        if IDENTITY_HEAD_BYTES + len(body) + len(piece) > MAX_PDU_BYTES:
            following = number
            break
        body, count = body + piece, count + 1
    conformity = _BOTH_WAYS | min(request.access, EXTENDED_OBJECTS)
    more = 0xFF if following else 0
    head = (request.function, MEI_TYPE, request.access, conformity, more, following, count)
    return bytes(head) + body


def exception_pdu(function: int, code: int) -> bytes:
    """A server's refusal."""
    return bytes((function | ERROR_BIT, code))


def _read_request(function: Function, pdu: bytes) -> ReadRequest:
    _, address, count = struct.unpack(">BHH", pdu)
    return ReadRequest(table=READ_TABLES[function], address=address, count=count)


def _identify_request(pdu: bytes) -> IdentifyRequest:
    _, mei_type, access, first = struct.unpack(">BBBB", pdu)
    if mei_type != MEI_TYPE:
        raise ValueError(f"MEI type {mei_type} where {MEI_TYPE} is known")
    return IdentifyRequest(access=access, first=first)


def _write_request(function: Function, pdu: bytes) -> WriteRequest:
    if function in WRITES_MANY:
        _, address, count, data_bytes = struct.unpack(">BHHB", pdu[:MULTIPLE_HEAD_BYTES])
        table = WRITE_TABLES[function]
        expected = (count + 7) // 8 if table.is_bits else 2 * count
        if data_bytes != expected or len(pdu) != MULTIPLE_HEAD_BYTES + expected:
            raise ValueError(f"byte count {data_bytes} where {expected} are needed")
        return WriteRequest(function=function, address=address, values=unpack(pdu[6:], table, count))
    _, address, value = struct.unpack(">BHH", pdu)
    if function is Function.WRITE_COIL:
        value = COILS_OF_WORDS.get(value, -1)
    return WriteRequest(function=function, address=address, values=(value,))
