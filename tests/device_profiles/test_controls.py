"""What a profile allows to be written, and nothing else; who a device is; what is written before a group is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.controls import (
    ControlError,
    control_registers,
    is_obeyed,
    read_back_request,
    shown_number,
    write_request,
)
from device_profiles.faults import FileFaults
from device_profiles.identity import identity_request, identity_text, identity_words
from device_profiles.modbus import Function, ReadRequest, Table, WriteRequest
from device_profiles.modbus_frames import parse_rtu_reply, rtu_request
from device_profiles.modbus_model import Control, Identity, IdentityForm
from device_profiles.numbers import NumberType
from device_profiles.parse import parse_profile
from device_profiles.simulate import ModbusResponder

RELAY = Control(key="relay_1", quantity="relay", table=Table.COIL, address=3, states={0: "open", 1: "closed"})
LIMIT = Control(
    key="limit",
    quantity="voltage",
    table=Table.HOLDING,
    address=7,
    type=NumberType.U32,
    scale=0.1,
    minimum=0,
    maximum=60,
)
PROFILE = """\
profile: acme/t100
revision: 1
device: {vendor: Acme, model: T100, kind: I/O module}
source: {document: manual, section: "1"}
line: {baud: 9600}
modbus:
  identity:
    - {key: model, table: holding, address: 0x20, registers: 3}
  controls:
    - {key: relay_1, quantity: relay, table: coil, address: 3, states: {0: open, 1: closed}}
  groups:
    - name: counters
      measurement: inputs
      every_s: 10
      once: true
      before: [{table: holding, address: 9, value: 1, wait_ms: 20}]
      points:
        - {key: pulses, quantity: pulse_count, table: holding, address: 0, type: u16}
"""


def test_an_order_is_the_function_that_fits_its_table() -> None:
    assert write_request(RELAY, 1) == WriteRequest(function=Function.WRITE_COIL, address=3, values=(1,))
    assert write_request(LIMIT, 12.3) == WriteRequest(function=Function.WRITE_REGISTERS, address=7, values=(0, 123))
    assert control_registers(LIMIT) == range(7, 9)


@pytest.mark.parametrize(("control", "number"), [(RELAY, 2), (RELAY, 0.5), (LIMIT, 61), (LIMIT, -0.1)])
def test_i1_what_the_profile_does_not_allow_is_never_an_order(control: Control, number: float) -> None:
    with pytest.raises(ControlError, match=f"control {control.key}: found"):
        write_request(control, number)


@given(st.floats(-100, 100))
def test_i1_whatever_is_asked_for_an_order_stays_within_bounds(number: float) -> None:
    try:
        request = write_request(LIMIT, number)
    except ControlError:
        return
    shown = shown_number(LIMIT, request.values)
    assert shown is not None
    assert 0 <= shown <= 60
    assert is_obeyed(LIMIT, number, request.values)


def test_a_device_that_shows_something_else_has_not_obeyed() -> None:
    assert read_back_request(RELAY) == ReadRequest(table=Table.COIL, address=3, count=1)
    assert is_obeyed(RELAY, 1, (1,))
    assert not is_obeyed(RELAY, 1, (0,))


def test_a_simulated_device_obeys_what_its_profile_names_and_refuses_the_rest() -> None:
    device = ModbusResponder(parse_profile(PROFILE, "t100.yaml"), unit=1)
    order, shown = write_request(RELAY, 1), read_back_request(RELAY)
    reply = device.answer_rtu(rtu_request(1, order))
    assert reply is not None
    assert parse_rtu_reply(1, order, reply) == ()
    answer = device.answer_rtu(rtu_request(1, shown))
    assert answer is not None
    assert is_obeyed(RELAY, 1, parse_rtu_reply(1, shown, answer))
    foreign = WriteRequest(function=Function.WRITE_REGISTER, address=0, values=(1,))
    refused = device.answer_rtu(rtu_request(1, foreign))
    assert refused is not None
    assert refused[1:3] == bytes((0x86, 2))


def test_what_is_written_before_a_group_is_an_order_too() -> None:
    device = parse_profile(PROFILE, "t100.yaml").modbus
    assert device is not None
    (before,) = device.groups[0].before
    assert before.request == WriteRequest(function=Function.WRITE_REGISTER, address=9, values=(1,))
    assert device.groups[0].once


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=6))
def test_a_device_s_name_is_read_without_its_padding(text: str) -> None:
    fact = Identity(key="model", table=Table.HOLDING, address=0, registers=3)
    assert identity_text(fact, identity_words(fact, text)) == text
    assert identity_request(fact).count == 3


def test_a_serial_number_in_registers_is_one_number() -> None:
    fact = Identity(key="serial", table=Table.INPUT, address=0, registers=2, form=IdentityForm.NUMBER)
    assert identity_text(fact, (1, 2)) == "65538"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("table: coil, address: 3", "table: input, address: 3", "cannot be written"),
        ("address: 3, states: {0: open, 1: closed}", "address: 3, type: u16", "a coil has none"),
        ("table: holding, address: 9", "table: input, address: 9", "cannot be written"),
        ("value: 1, wait_ms", "value: 70000, wait_ms", "65535"),
    ],
)
def test_what_cannot_be_written_is_told_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(FileFaults) as found:
        parse_profile(PROFILE.replace(old, new), "t100.yaml")
    assert any(said in str(fault) and fault.line > 6 for fault in found.value.faults), str(found.value)
