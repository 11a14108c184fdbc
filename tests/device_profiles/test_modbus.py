"""Modbus bytes, with pymodbus as the independent peer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import (
    ReadCoilsRequest,
    ReadCoilsResponse,
    ReadDiscreteInputsRequest,
    ReadDiscreteInputsResponse,
    WriteMultipleCoilsRequest,
    WriteMultipleCoilsResponse,
    WriteSingleCoilRequest,
    WriteSingleCoilResponse,
)
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersRequest,
    ReadHoldingRegistersResponse,
    ReadInputRegistersRequest,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterRequest,
    WriteSingleRegisterResponse,
)

from device_profiles.modbus import (
    MAX_READ_BITS,
    MAX_READ_REGISTERS,
    MAX_WRITE_BITS,
    MAX_WRITE_REGISTERS,
    ExceptionCode,
    Function,
    ReadRequest,
    ReplyError,
    ReplyFault,
    RequestError,
    Table,
    WriteRequest,
    parse_reply_pdu,
    request_pdu,
)
from device_profiles.modbus_frames import (
    parse_rtu_reply,
    parse_rtu_request,
    parse_tcp_reply,
    parse_tcp_request,
    rtu_frame,
    rtu_reply_bytes,
    rtu_request,
    rtu_request_bytes,
    tcp_frame,
    tcp_frame_bytes,
    tcp_request,
)
from device_profiles.modbus_server import exception_pdu, parse_request_pdu, reply_pdu

PEER_READS = {
    Table.COIL: (ReadCoilsRequest, ReadCoilsResponse),
    Table.DISCRETE: (ReadDiscreteInputsRequest, ReadDiscreteInputsResponse),
    Table.HOLDING: (ReadHoldingRegistersRequest, ReadHoldingRegistersResponse),
    Table.INPUT: (ReadInputRegistersRequest, ReadInputRegistersResponse),
}
WRITE_LIMITS = {
    Function.WRITE_COIL: 1,
    Function.WRITE_REGISTER: 1,
    Function.WRITE_COILS: MAX_WRITE_BITS,
    Function.WRITE_REGISTERS: MAX_WRITE_REGISTERS,
}
units = st.integers(1, 255)
bits = st.integers(0, 1)
words = st.integers(0, 0xFFFF)


@st.composite
def reads(draw: st.DrawFn) -> tuple[ReadRequest, tuple[int, ...]]:
    """A read and values that may answer it."""
    table = draw(st.sampled_from(Table))
    count = draw(st.integers(1, MAX_READ_BITS if table.is_bits else MAX_READ_REGISTERS))
    address = draw(st.integers(0, 0x10000 - count))
    values = draw(st.lists(bits if table.is_bits else words, min_size=count, max_size=count))
    return ReadRequest(table=table, address=address, count=count), tuple(values)


@st.composite
def writes(draw: st.DrawFn) -> WriteRequest:
    function = draw(st.sampled_from(sorted(WRITE_LIMITS)))
    value = bits if function in {Function.WRITE_COIL, Function.WRITE_COILS} else words
    values = draw(st.lists(value, min_size=1, max_size=min(WRITE_LIMITS[function], 200)))
    return WriteRequest(function=function, address=draw(st.integers(0, 0x10000 - len(values))), values=tuple(values))


Values = ReadRequest | WriteRequest
requests: st.SearchStrategy[Values] = st.one_of(reads().map(lambda read: read[0]), writes())


def peer_request(request: Values, unit: int) -> ModbusPDU:
    if isinstance(request, ReadRequest):
        return PEER_READS[request.table][0](address=request.address, count=request.count, dev_id=unit)
    switches = [bool(value) for value in request.values]
    match request.function:
        case Function.WRITE_COIL:
            return WriteSingleCoilRequest(address=request.address, bits=switches, dev_id=unit)
        case Function.WRITE_REGISTER:
            return WriteSingleRegisterRequest(address=request.address, registers=[*request.values], dev_id=unit)
        case Function.WRITE_COILS:
            return WriteMultipleCoilsRequest(address=request.address, bits=switches, dev_id=unit)
        case _:
            return WriteMultipleRegistersRequest(address=request.address, registers=[*request.values], dev_id=unit)


def peer_reply(request: Values, values: tuple[int, ...], unit: int) -> ModbusPDU:
    if isinstance(request, ReadRequest):
        reply = PEER_READS[request.table][1]
        if request.table.is_bits:
            return reply(bits=[bool(value) for value in values], dev_id=unit)
        return reply(registers=list(values), dev_id=unit)
    switches = [bool(value) for value in request.values]
    match request.function:
        case Function.WRITE_COIL:
            return WriteSingleCoilResponse(address=request.address, bits=switches, dev_id=unit)
        case Function.WRITE_REGISTER:
            return WriteSingleRegisterResponse(address=request.address, registers=[*request.values], dev_id=unit)
        case Function.WRITE_COILS:
            return WriteMultipleCoilsResponse(address=request.address, count=len(request.values), dev_id=unit)
        case _:
            return WriteMultipleRegistersResponse(address=request.address, count=len(request.values), dev_id=unit)


@given(requests, units)
def test_requests_are_the_bytes_the_peer_sends(request: Values, unit: int) -> None:
    assert rtu_request(unit, request) == FramerRTU(DecodePDU(is_server=False)).buildFrame(peer_request(request, unit))


@given(requests, units, words)
def test_tcp_requests_are_the_bytes_the_peer_sends(request: Values, unit: int, transaction: int) -> None:
    peer = peer_request(request, unit)
    peer.transaction_id = transaction
    assert tcp_request(transaction, unit, request) == FramerSocket(DecodePDU(is_server=False)).buildFrame(peer)


@given(reads(), units, words)
def test_what_the_peer_answers_is_read_as_it_meant(
    read: tuple[ReadRequest, tuple[int, ...]], unit: int, transaction: int
) -> None:
    request, values = read
    peer = peer_reply(request, values, unit)
    assert parse_rtu_reply(unit, request, FramerRTU(DecodePDU(is_server=True)).buildFrame(peer)) == values
    peer.transaction_id = transaction
    frame = FramerSocket(DecodePDU(is_server=True)).buildFrame(peer)
    assert parse_tcp_reply(transaction, unit, request, frame) == values


@given(writes(), units)
def test_what_the_peer_answers_to_a_write_is_taken(request: WriteRequest, unit: int) -> None:
    frame = FramerRTU(DecodePDU(is_server=True)).buildFrame(peer_reply(request, (), unit))
    assert parse_rtu_reply(unit, request, frame) == ()


@given(reads(), units)
def test_our_replies_are_read_by_the_peer(read: tuple[ReadRequest, tuple[int, ...]], unit: int) -> None:
    request, values = read
    used, _, _, pdu = FramerRTU(DecodePDU(is_server=False)).decode(rtu_frame(unit, reply_pdu(request, values)))[:4]
    assert used > 0
    decoded = DecodePDU(is_server=False).decode(pdu)
    assert decoded is not None
    if request.table.is_bits:
        assert tuple(int(bit) for bit in decoded.bits[: request.count]) == values
    else:
        assert tuple(decoded.registers) == values


@given(requests, units, words)
def test_a_server_reads_the_request_that_was_sent(request: Values, unit: int, transaction: int) -> None:
    frame = rtu_request(unit, request)
    assert parse_rtu_request(frame) == (unit, request_pdu(request))
    assert parse_tcp_request(tcp_request(transaction, unit, request)) == (transaction, unit, request_pdu(request))
    assert parse_request_pdu(request_pdu(request)) == request


@given(requests, units, st.data())
def test_a_frame_tells_its_length_as_soon_as_it_can_and_never_a_wrong_one(
    request: Values, unit: int, data: st.DataObject
) -> None:
    frame = rtu_request(unit, request)
    head = frame[: data.draw(st.integers(0, len(frame)))]
    assert rtu_request_bytes(head) in {None, len(frame)}
    assert rtu_request_bytes(frame) == len(frame)
    values = (0,) * request.count if isinstance(request, ReadRequest) else ()
    reply = rtu_frame(unit, reply_pdu(request, values))
    assert rtu_reply_bytes(request, reply[:2]) == len(reply)
    refusal = rtu_frame(unit, exception_pdu(request.function, 2))
    assert rtu_reply_bytes(request, refusal[:2]) == len(refusal)
    whole = tcp_request(7, unit, request)
    assert tcp_frame_bytes(whole[:5]) is None
    assert tcp_frame_bytes(whole[:6]) == len(whole)


@given(reads(), units, st.data())
def test_i1_a_damaged_reply_gives_no_values(
    read: tuple[ReadRequest, tuple[int, ...]], unit: int, data: st.DataObject
) -> None:
    request, values = read
    frame = bytearray(rtu_frame(unit, reply_pdu(request, values)))
    first = data.draw(st.integers(0, 8 * len(frame) - 1))
    # CRC-16 finds every burst of up to 16 bits.
    burst = 2 * data.draw(st.integers(0, 0x7FFF)) + 1 << first
    damage = (burst & (1 << 8 * len(frame)) - 1).to_bytes(len(frame), "little")
    broken = bytes(byte ^ change for byte, change in zip(frame, damage, strict=True))
    with pytest.raises(ReplyError):
        parse_rtu_reply(unit, request, broken)


@given(reads(), units, st.data())
def test_i1_half_a_reply_gives_no_values(
    read: tuple[ReadRequest, tuple[int, ...]], unit: int, data: st.DataObject
) -> None:
    request, values = read
    frame = rtu_frame(unit, reply_pdu(request, values))
    with pytest.raises(ReplyError):
        parse_rtu_reply(unit, request, frame[: data.draw(st.integers(0, len(frame) - 1))])


@given(st.binary(max_size=300), reads().map(lambda read: read[0]), units)
def test_noise_gives_no_values(noise: bytes, request: ReadRequest, unit: int) -> None:
    for parse in (
        lambda: parse_rtu_reply(unit, request, noise),
        lambda: parse_tcp_reply(0xABCD, unit, request, noise),
        lambda: parse_rtu_request(noise),
    ):
        with pytest.raises(ReplyError):
            parse()


@given(st.binary(max_size=300))
def test_a_server_answers_any_pdu_with_a_request_or_an_exception_code(pdu: bytes) -> None:
    refused: list[ExceptionCode] = []
    try:
        assert request_pdu(parse_request_pdu(pdu))[:5] == pdu[:5]
    except RequestError as error:
        refused.append(error.code)
    assert set(refused) <= {ExceptionCode.ILLEGAL_FUNCTION, ExceptionCode.ILLEGAL_VALUE}


READ = ReadRequest(table=Table.INPUT, address=0, count=2)
GOOD = reply_pdu(READ, (0x4366, 0x3334))


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        (rtu_frame(1, GOOD)[:-1], ReplyFault.CRC),
        (rtu_frame(1, GOOD)[:4], ReplyFault.SHORT),
        (b"", ReplyFault.SHORT),
        (rtu_frame(2, GOOD), ReplyFault.FOREIGN_UNIT),
        (rtu_frame(1, b"\x03" + GOOD[1:]), ReplyFault.FOREIGN_FUNCTION),
        (rtu_frame(1, exception_pdu(3, 2)), ReplyFault.FOREIGN_FUNCTION),
        (rtu_frame(1, GOOD + b"\x00"), ReplyFault.WRONG_LENGTH),
        (rtu_frame(1, b"\x04\x02" + GOOD[2:]), ReplyFault.WRONG_LENGTH),
        (rtu_frame(1, exception_pdu(4, 2)), ReplyFault.EXCEPTION),
    ],
)
def test_a_reply_that_is_refused_says_why(frame: bytes, kind: ReplyFault) -> None:
    with pytest.raises(ReplyError) as refused:
        parse_rtu_reply(1, READ, frame)
    assert refused.value.kind is kind


def test_an_exception_carries_its_code() -> None:
    with pytest.raises(ReplyError) as refused:
        parse_reply_pdu(READ, exception_pdu(4, ExceptionCode.ILLEGAL_ADDRESS))
    assert refused.value.code == ExceptionCode.ILLEGAL_ADDRESS


def test_the_peer_reads_our_exceptions() -> None:
    decoded = DecodePDU(is_server=False).decode(exception_pdu(4, 2))
    assert isinstance(decoded, ExceptionResponse)
    assert decoded.exception_code == 2


def test_a_late_tcp_answer_is_told_from_a_wrong_one() -> None:
    with pytest.raises(ReplyError) as refused:
        parse_tcp_reply(8, 1, READ, tcp_frame(7, 1, GOOD))
    assert refused.value.kind is ReplyFault.FOREIGN_TRANSACTION


def test_a_write_whose_echo_differs_is_refused() -> None:
    request = WriteRequest(function=Function.WRITE_REGISTER, address=1, values=(5,))
    with pytest.raises(ReplyError) as refused:
        parse_reply_pdu(request, bytes.fromhex("06 0001 0006"))
    assert refused.value.kind is ReplyFault.WRONG_ECHO


@pytest.mark.parametrize(
    ("table", "address", "count"),
    [
        (Table.INPUT, 0, 0),
        (Table.INPUT, 0, 126),
        (Table.COIL, 0, 2001),
        (Table.HOLDING, 0xFFFF, 2),
        (Table.COIL, -1, 1),
    ],
)
def test_a_request_no_device_may_be_asked_cannot_be_made(table: Table, address: int, count: int) -> None:
    with pytest.raises(ValueError, match="expected a count"):
        ReadRequest(table=table, address=address, count=count)


def test_the_printed_check_vector_holds() -> None:
    assert rtu_request(1, READ) == bytes.fromhex("01 04 00 00 00 02 71 CB")
