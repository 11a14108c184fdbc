"""Invariants I1 and I2 of `device_profiles/derive.py`, and scales that the device tells itself."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.decode import decode_registers
from device_profiles.derive import Deriver, increase_of, parameters_of, with_parameters
from device_profiles.derived_model import DerivedForm, DerivedPoint
from device_profiles.faults import FileFaults
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ModbusDevice, ModbusGroup, ModbusPoint, ScaleFrom
from device_profiles.numbers import NumberType
from device_profiles.parse import parse_profile
from wire.records import Quality, Value

GOOD, WARMING_UP, OUT_OF_RANGE = Quality.GOOD, Quality.WARMING_UP, Quality.OUT_OF_RANGE


def derived(form: DerivedForm, *of: str, **more: object) -> DerivedPoint:
    facts = {"key": "d", "quantity": "number", "form": form, "of": of, **more}
    return DerivedPoint(**facts)  # type: ignore[arg-type] # facts of every type, as the test states them


def told(point: DerivedPoint, *numbers: float | None) -> Value:
    keys = [f"k{index}" for index in range(len(numbers))]
    values = [Value(number, GOOD if number is not None else Quality.TIMEOUT) for number in numbers]
    return Deriver([point], keys).values(values, at_s=0.0)[0]


@pytest.mark.parametrize(
    ("point", "numbers", "expected"),
    [
        (derived(DerivedForm.SUM, "k0", "k1"), (1.5, 2.0), 3.5),
        (derived(DerivedForm.SUM, "k0", "k1", weights=(10_000.0, 1.0)), (12, 3456), 123_456),
        (derived(DerivedForm.SUM, "k0", weights=(-1.0,), offset=4.2), (1.3,), 2.9),
        (derived(DerivedForm.PRODUCT, "k0", "k1", scale=0.001), (230, 10), 2.3),
        (derived(DerivedForm.RATIO, "k0", "k1"), (1, 4), 0.25),
    ],
)
def test_a_number_comes_of_others(point: DerivedPoint, numbers: tuple[float, ...], expected: float) -> None:
    value = told(point, *numbers)
    assert value.number == pytest.approx(expected)
    assert value.quality is GOOD


def test_a_ratio_to_nothing_is_no_number() -> None:
    assert told(derived(DerivedForm.RATIO, "k0", "k1"), 1, 0) == Value(None, Quality.SENSOR_FAULT)


def test_i1_without_an_input_there_is_no_value_and_the_reason_is_the_input_s() -> None:
    assert told(derived(DerivedForm.SUM, "k0", "k1"), 1, None) == Value(None, Quality.TIMEOUT)


def test_i1_a_doubtful_input_makes_a_doubtful_value() -> None:
    deriver = Deriver([derived(DerivedForm.SUM, "k0")], ["k0"])
    assert deriver.values([Value(5, OUT_OF_RANGE)], at_s=0.0) == (Value(5, OUT_OF_RANGE),)


@given(
    st.lists(st.integers(0, 30_000), min_size=1, max_size=40),
    st.integers(0, 65_535),
    st.data(),
)
def test_i2_increases_add_up_over_roll_overs_and_lost_readings(
    steps: list[int], start: int, data: st.DataObject
) -> None:
    deriver = Deriver([derived(DerivedForm.INCREASE, "k0", rollover=65_536.0)], ["k0"])
    count, found, unread = start, 0.0, 0
    deriver.values([Value(start % 65_536)], at_s=0.0)
    for step in steps:
        count += step
        unread += step
        # Read often enough, a counter never goes further than half of its range between two readings.
        is_lost = unread + max(steps) < 32_768 and data.draw(st.booleans())
        value = Value(None, Quality.TIMEOUT) if is_lost else Value(count % 65_536)
        (increase,) = deriver.values([value], at_s=0.0)
        assert (increase.number is None) == is_lost
        if not is_lost:
            found, unread = found + (increase.number or 0), 0
    assert found == count - start - unread


def test_i2_a_device_that_has_begun_anew_tells_what_it_counted_since_and_that_something_may_lack() -> None:
    assert increase_of(40_000, 12, rollover=65_536) == (65_536 + 12 - 40_000, False)
    assert increase_of(20_000, 12, rollover=65_536) == (12, True)
    assert increase_of(20_000, 12, rollover=None) == (12, True)
    deriver = Deriver([derived(DerivedForm.INCREASE, "k0")], ["k0"])
    deriver.values([Value(500)], at_s=0.0)
    assert deriver.values([Value(7)], at_s=1.0) == (Value(7, OUT_OF_RANGE),)


def test_the_first_reading_tells_no_increase() -> None:
    assert told(derived(DerivedForm.INCREASE, "k0"), 7) == Value(None, WARMING_UP)


def test_a_rate_is_by_the_seconds_between_the_readings() -> None:
    deriver = Deriver([derived(DerivedForm.RATE, "k0", scale=3600.0)], ["k0"])
    deriver.values([Value(100)], at_s=10.0)
    assert deriver.values([Value(110)], at_s=30.0) == (Value(1800.0),)


def registers(group: ModbusGroup, words: Mapping[int, int]) -> dict[str, Value]:
    first = min(words)
    answer = tuple(words.get(address, 0) for address in range(first, max(words) + 1))
    request = ReadRequest(table=Table.HOLDING, address=first, count=len(answer))
    values = decode_registers(group, {request: answer})
    return dict(zip((point.key for point in group.recorded), values, strict=True))


def scaled_group(factors: dict[int, float]) -> ModbusGroup:
    power = ModbusPoint(
        key="power",
        quantity="power",
        table=Table.HOLDING,
        address=0,
        type=NumberType.I16,
        scale_from=ScaleFrom(key="sf", factors=factors),
    )
    sf = ModbusPoint(
        key="sf", quantity="number", table=Table.HOLDING, address=1, type=NumberType.I16, unavailable=(-32768,)
    )
    return ModbusGroup(name="all", measurement="power", every_s=1, points=(power,), along=(sf,))


@pytest.mark.parametrize(("exponent", "expected"), [(0, 1234), (1, 12340), (-2, 12.34), (-3, 1.234)])
def test_a_scale_factor_register_is_a_power_of_ten(exponent: int, expected: float) -> None:
    assert registers(scaled_group({}), {0: 1234, 1: exponent % 0x10000}) == {"power": Value(expected)}


def test_without_a_scale_factor_there_is_no_value() -> None:
    assert registers(scaled_group({}), {0: 1234, 1: 0x8000}) == {"power": Value(None, Quality.SENSOR_FAULT)}


def test_a_unit_register_chooses_the_scale_and_one_nobody_knows_gives_no_value() -> None:
    group = scaled_group({1: 1.0, 2: 1000.0})
    assert registers(group, {0: 3, 1: 2}) == {"power": Value(3000)}
    assert registers(group, {0: 3, 1: 9}) == {"power": Value(None, Quality.SENSOR_FAULT)}


PROFILE = """\
profile: acme/t100
revision: 1
device: {vendor: Acme, model: T100, kind: level sensor}
source: {document: manual, section: "1"}
line: {baud: 9600}
modbus:
  groups:
    - name: level
      measurement: water
      every_s: 10
      points:
        - {key: distance, quantity: distance, table: input, address: 0, type: u16, scale: 0.001}
      derived:
        - {key: level, quantity: distance, form: sum, of: [distance], weights: [-1], parameter: mounting_height}
"""


def test_a_parameter_of_the_gateway_file_is_the_device_s_offset() -> None:
    profile = parse_profile(PROFILE, "t100.yaml")
    assert parameters_of(profile) == ("mounting_height",)
    device = with_parameters(profile, {"mounting_height": 4.0}).modbus
    assert isinstance(device, ModbusDevice)
    (group,) = device.groups
    request = ReadRequest(table=Table.INPUT, address=0, count=1)
    distance, level = decode_registers(group, {request: (1300,)})
    assert distance.number == 1.3
    assert level.number == pytest.approx(2.7)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("of: [distance]", "of: [depth]", "'depth' in `of`"),
        ("weights: [-1]", "weights: [-1, 1]", "weights stand in a sum"),
        ("form: sum", "form: ratio", "has 2 in `of`"),
        ("key: level, quantity", "key: Level!, quantity", "Level!"),
        ("{key: level, quantity: distance", "{key: level, quantity: depthh", "depthh"),
    ],
)
def test_a_derived_point_that_makes_no_sense_is_told_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(FileFaults) as found:
        parse_profile(PROFILE.replace(old, new), "t100.yaml")
    assert any(said in str(fault) and fault.line >= 8 for fault in found.value.faults), str(found.value)
