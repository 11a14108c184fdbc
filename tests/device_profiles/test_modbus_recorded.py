"""Recorded Modbus conversations read as the people who recorded them say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from device_profiles.modbus import (
    Function,
    IdentifyRequest,
    ReadRequest,
    ReplyError,
    Request,
    RequestError,
    WriteRequest,
    parse_reply_pdu,
)
from device_profiles.modbus_frames import parse_rtu_reply, parse_rtu_request, parse_tcp_reply, parse_tcp_request
from device_profiles.modbus_server import parse_request_pdu
from edge.drivers.rtu_reply import is_cut_off, reply_at
from tests.support.pcap import segments

pytestmark = pytest.mark.recorded
NAMES = {
    "READ_COILS": Function.READ_COILS,
    "READ_DISCRETE_INPUTS": Function.READ_DISCRETES,
    "READ_HOLDING_REGISTERS": Function.READ_HOLDING,
    "READ_INPUT_REGISTERS": Function.READ_INPUT,
    "WRITE_SINGLE_COIL": Function.WRITE_COIL,
    "WRITE_SINGLE_REGISTER": Function.WRITE_REGISTER,
    "WRITE_MULTIPLE_COILS": Function.WRITE_COILS,
    "WRITE_MULTIPLE_REGISTERS": Function.WRITE_REGISTERS,
}


@dataclass(frozen=True)
class Exchange:
    """A request as captured, and its reply read by our client: values, or the device's exception code."""

    port: int
    transaction: int
    unit: int
    request: Request | None  # None where this project does not speak the function
    values: tuple[int, ...] = ()
    exception: int | None = None


def exchanges(path: Path) -> Iterator[Exchange]:
    asked: dict[tuple[int, int], tuple[int, Request | None]] = {}
    for segment in segments(path):
        if segment.destination[1] == 502:
            transaction, unit, pdu = parse_tcp_request(segment.payload)
            asked[segment.source[1], transaction] = unit, spoken(pdu)
        elif segment.source[1] == 502:
            port = segment.destination[1]
            transaction = int.from_bytes(segment.payload[:2], "big")
            unit, request = asked.pop((port, transaction))
            yield read(port, transaction, unit, request, segment.payload)


def spoken(pdu: bytes) -> Request | None:
    try:
        return parse_request_pdu(pdu)
    except RequestError:
        return None


def read(port: int, transaction: int, unit: int, request: Request | None, frame: bytes) -> Exchange:
    if request is None:
        return Exchange(port, transaction, unit, None)
    try:
        values = parse_tcp_reply(transaction, unit, request, frame)
    except ReplyError as error:
        return Exchange(port, transaction, unit, request, exception=error.code)
    return Exchange(port, transaction, unit, request, values)


def log_rows(path: Path) -> list[dict[str, str]]:
    lines = path.read_text().splitlines()
    (fields,) = (line.split("\t")[1:] for line in lines if line.startswith("#fields"))
    return [dict(zip(fields, line.split("\t"), strict=True)) for line in lines if not line.startswith("#")]


def numbers(text: str) -> tuple[int, ...]:
    return () if text == "-" else tuple(int(item) for item in text.split(","))


def test_the_detailed_log_of_another_project_says_the_same_of_each_exchange(recorded_data: Path) -> None:
    folder = recorded_data / "device-bytes" / "modbus" / "icsnpp"
    found = {(one.port, one.transaction): one for one in exchanges(folder / "modbus_example.pcap")}
    compared = 0
    for row in log_rows(folder / "expected" / "modbus_detailed.log"):
        one = found[int(row["id.orig_p"]), int(row["tid"])]
        if row["func"] not in NAMES:
            assert isinstance(one.request, IdentifyRequest) == (row["mei_type"] == "Read Device Identification")
            assert one.request is None or isinstance(one.request, IdentifyRequest)
            continue
        assert isinstance(one.request, ReadRequest | WriteRequest)
        assert (one.unit, one.request.function) == (int(row["unit"]), NAMES[row["func"]])
        assert one.request.address == int(row["address"])
        if isinstance(one.request, ReadRequest):
            assert one.request.count == int(row["quantity"])
            assert one.values == numbers(row["response_values"])
        else:
            assert one.request.values == numbers(row["request_values"])
        assert (one.exception == 2) == (row["exception_code"] == "ILLEGAL_DATA_ADDRESS")
        compared += 1
    assert compared == 13


def test_every_coil_that_another_project_saw_is_read_as_it_saw_it(recorded_data: Path) -> None:
    folder = recorded_data / "device-bytes" / "modbus" / "zeek"
    found = {one.port: one for one in exchanges(folder / "modbusSmall.pcap")}
    compared = 0
    for line in (folder / "expected" / "coil_parsing_small.txt").read_text().splitlines():
        told = re.match(r"1 modbus_(\w+?), .*orig_p=(\d+)/tcp.*?len=\d+\], (.*)", line)
        if told is None or told[1] == "message":
            continue
        one, bits = found[int(told[2])], tuple(letter == "T" for letter in re.findall(r"\b[TF]\b", told[3]))
        match told[1]:
            case "read_coils_request":
                assert isinstance(one.request, ReadRequest)
                assert one.request == ReadRequest(table=one.request.table, address=0, count=3)
            case "read_coils_response":  # their eight bits are the whole byte; three were asked for
                assert tuple(bool(bit) for bit in one.values) == bits[:3]
            case "write_multiple_coils_request":
                assert isinstance(one.request, WriteRequest)
                assert tuple(bool(bit) for bit in one.request.values) == bits
            case _:
                assert told[1] == "write_multiple_coils_response"
                assert one.exception is None
        compared += 1
    assert compared == 32


def pieces(path: Path) -> list[bytes]:
    """What the sniffer read at a time: lines of hex without a gap."""
    found, piece = [], b""
    for line in [*path.read_text(encoding="latin-1").splitlines(), ""]:
        told = re.match(r"^ ((?:[0-9A-F]{2} )+)", line)
        if told:
            piece += bytes.fromhex(told[1])
        elif piece:
            found.append(piece)
            piece = b""
    return found


def has_right_crc(piece: bytes) -> bool:
    try:
        parse_rtu_request(piece)
    except ReplyError:
        return False
    return True


def test_a_line_that_was_listened_to_gives_47_frames_and_10_pieces_none_of_which_is_misread(
    recorded_data: Path,
) -> None:
    trace = pieces(recorded_data / "device-bytes" / "modbus" / "epsolar-tracer" / "serial_trace.txt")
    good = [piece for piece in trace if has_right_crc(piece)]
    assert (len(good), len(trace) - len(good)) == (47, 10)
    requests = {parse_rtu_request(piece) for piece in good}
    for unit, pdu in requests:
        request = spoken(pdu)
        if request is None:
            continue
        for piece in trace:
            place = reply_at(unit, request, piece)
            if piece not in good and place is not None:
                assert piece[place[0] : place[1]] in good, "what was found between damaged bytes is a frame that came"
            elif piece not in good:
                with pytest.raises(ReplyError):
                    parse_rtu_reply(unit, request, piece)


def test_an_answer_that_was_read_too_early_is_half_an_answer_and_then_whole(recorded_data: Path) -> None:
    trace = pieces(recorded_data / "device-bytes" / "modbus" / "epsolar-tracer" / "serial_trace.txt")
    request = parse_request_pdu(bytes.fromhex("04 32 00 00 03"))
    assert isinstance(request, ReadRequest)
    early, whole = (piece for piece in trace if piece.startswith(bytes.fromhex("01 04 06 00 00 00 01")))
    assert is_cut_off(1, request, early)
    assert reply_at(1, request, early) is None
    assert parse_rtu_reply(1, request, whole) == (0, 1, 1)


def test_the_charger_s_clock_reads_as_its_program_showed_it(recorded_data: Path) -> None:
    trace = pieces(recorded_data / "device-bytes" / "modbus" / "epsolar-tracer" / "serial_trace.txt")
    unit, pdu = parse_rtu_request(trace[0])
    request = parse_request_pdu(pdu)
    words = parse_reply_pdu(request, parse_rtu_request(trace[1])[1])
    assert unit == 1
    told = [byte for word in words for byte in word.to_bytes(2, "big")]
    assert told == [6, 51, 19, 1, 15, 6]  # 19.6.2015 1:06:51
