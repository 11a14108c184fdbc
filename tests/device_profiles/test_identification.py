"""Who a device says it is by function 43, and orders that are no writing of values: as bytes, and by a simulator."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.identity import identity_following, identity_questions, identity_told, objects_told
from device_profiles.library import load_profile
from device_profiles.modbus import (
    ONE_OBJECT,
    TOGGLE,
    CustomRequest,
    Function,
    IdentifyRequest,
    ReadRequest,
    ReplyError,
    ReplyFault,
    Request,
    Table,
    WriteRequest,
)
from device_profiles.modbus_frames import (
    parse_rtu_reply,
    rtu_frame,
    rtu_reply_bytes,
    rtu_request,
    rtu_request_bytes,
)
from device_profiles.modbus_model import Command, OrderBefore
from device_profiles.modbus_server import identification_pdu, parse_request_pdu
from device_profiles.simulate import ModbusResponder

texts = st.binary(max_size=60)
objects = st.dictionaries(st.integers(0, 255), texts, max_size=8).map(lambda told: dict(sorted(told.items())))


def modbus(name: str) -> ModbusResponder:
    return ModbusResponder(load_profile(name), 1)


def asked(responder: ModbusResponder, request: Request) -> tuple[int, ...]:
    answer = responder.answer_rtu(rtu_request(1, request))
    assert answer is not None
    return parse_rtu_reply(1, request, answer)


@pytest.mark.parametrize(
    ("request_", "wire"),
    [
        (IdentifyRequest(), "01 2B 0E 01 00 70 77"),
        (WriteRequest(function=Function.WRITE_REGISTERS, address=0x1C00, values=()), "01 10 1C 00 00 00 00 D8 92"),
        (WriteRequest(function=Function.WRITE_COIL, address=0xFF, values=(TOGGLE,)), "01 05 00 FF 55 00 C2 AA"),
        (CustomRequest(function=0x42), "01 42 80 11"),
    ],
)
def test_requests_are_the_bytes_of_the_manuals_and_a_server_reads_them_back(request_: Request, wire: str) -> None:
    frame = bytes.fromhex(wire)
    assert rtu_request(1, request_) == frame
    assert parse_request_pdu(frame[1:-2]) == request_
    assert [rtu_request_bytes(frame[:end]) for end in range(2, len(frame) + 1)][-1] == len(frame)
    assert {rtu_request_bytes(frame[:end]) for end in range(2, len(frame) + 1)} <= {None, len(frame)}


@given(objects, st.data())
def test_i1_an_identification_is_all_of_its_objects_or_nothing(told: dict[int, bytes], data: st.DataObject) -> None:
    request = IdentifyRequest()
    frame = rtu_frame(1, identification_pdu(request, told))
    read = objects_told(parse_rtu_reply(1, request, frame))
    assert list(read) == list(told)[: len(read)]
    assert len(read) == len(told) or len(frame) > 190
    head = frame[: data.draw(st.integers(0, len(frame)))]
    assert rtu_reply_bytes(request, head) in {None, len(frame)}
    short = head[1:]
    if len(head) < len(frame) - 2:  # not even all of it but its check
        with pytest.raises(ReplyError):
            parse_rtu_reply(1, request, rtu_frame(1, short) if short else b"")


def test_an_answer_to_another_question_is_not_taken() -> None:
    frame = rtu_frame(1, identification_pdu(IdentifyRequest(access=2), {0: b"x"}))
    with pytest.raises(ReplyError) as found:
        parse_rtu_reply(1, IdentifyRequest(), frame)
    assert found.value.kind is ReplyFault.WRONG_ECHO


def test_what_one_answer_cannot_hold_is_asked_for_and_a_device_that_goes_back_is_not_followed() -> None:
    first = IdentifyRequest()
    many = {number: bytes([65 + number]) * 100 for number in range(3)}
    values = parse_rtu_reply(1, first, rtu_frame(1, identification_pdu(first, many)))
    following = identity_following(first, values)
    assert following == IdentifyRequest(first=2)
    assert identity_following(following, values) is None
    rest = parse_rtu_reply(1, following, rtu_frame(1, identification_pdu(following, {2: many[2]})))
    assert objects_told(values) | objects_told(rest) == {number: text.decode() for number, text in many.items()}


def test_a_charger_tells_all_at_once_and_a_transmitter_one_by_one() -> None:
    charger, transmitter = load_profile("epever/tracer").modbus, load_profile("vaisala/aqt530").modbus
    assert charger is not None and transmitter is not None  # noqa: PT018 - one thing: both are Modbus
    (question,) = identity_questions(charger)
    assert identity_told(charger, question, asked(modbus("epever/tracer"), question))["model"] == "Tracer"
    single = identity_questions(transmitter)
    assert [one.access for one in single if isinstance(one, IdentifyRequest)] == [ONE_OBJECT] * 4
    told = [identity_told(transmitter, one, asked(modbus("vaisala/aqt530"), one)) for one in single]
    assert [list(one) for one in told] == [["manufacturer"], ["model"], ["firmware"], ["serial_number"]]
    with pytest.raises(ReplyError, match="code 3"):
        asked(modbus("vaisala/aqt530"), IdentifyRequest())
    with pytest.raises(ReplyError, match="code 1"):
        asked(modbus("eastron/sdm120"), IdentifyRequest())


def test_a_simulated_device_does_what_its_profile_names_and_refuses_other_orders() -> None:
    relays, meter = modbus("waveshare/modbus-rtu-relay"), modbus("peacefair/pzem-004t")
    asked(relays, Command(key="a", table=Table.COIL, address=2).order)
    coils = ReadRequest(table=Table.COIL, address=0, count=8)
    assert asked(relays, coils) == (0, 0, 1, 0, 0, 0, 0, 0)
    asked(relays, Command(key="a", table=Table.COIL, address=0xFF).order)
    assert asked(relays, coils) == (1, 1, 0, 1, 1, 1, 1, 1)
    assert asked(meter, CustomRequest(function=0x42)) == ()
    for refused in (CustomRequest(function=0x41), OrderBefore(table=Table.HOLDING, address=1, empty=True).request):
        with pytest.raises(ReplyError, match="refuses"):
            asked(meter, refused)
    assert asked(modbus("yosemitech/y520"), OrderBefore(table=Table.HOLDING, address=0x1C00, empty=True).request) == ()


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({}, "a function, or table and address"),
        ({"function": 0x42, "table": Table.COIL, "address": 0}, "a function, or table and address"),
        ({"table": Table.COIL}, "found one of them"),
        ({"function": 6}, "the makers' own"),
        ({"table": Table.INPUT, "address": 1}, "table input takes no write of nothing"),
    ],
)
def test_a_command_that_cannot_be_sent_is_refused_with_the_reason(keys: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Command(key="x", **keys)
