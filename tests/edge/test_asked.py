"""Invariants I1 and I2 of `edge/asked.py`, on devices that lack any registers; and that it is remembered."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_model import ModbusDevice, ModbusGroup, ModbusPoint
from device_profiles.numbers import NumberType
from device_profiles.plan import covers
from edge.asked import AskedRequests, smallest
from edge.refusals import Refusals

WIDE = {0: NumberType.U16, 1: NumberType.U32}


def group_of(addresses: set[int]) -> ModbusGroup:
    points = tuple(
        ModbusPoint(
            key=f"p{address}", quantity="number", table=Table.INPUT, address=2 * address, type=WIDE[address % 2]
        )
        for address in sorted(addresses)
    )
    return ModbusGroup(name="all", measurement="inputs", every_s=1, points=points)


def request(address: int, count: int = 1) -> ReadRequest:
    return ReadRequest(table=Table.INPUT, address=address, count=count)


def one_round(asked: AskedRequests, lacking: set[int]) -> tuple[list[ReadRequest], int]:
    """What a device without these registers answers in one round, and how many requests that takes."""
    waiting, good, count = list(asked.requests), [], 0
    while waiting:
        one = waiting.pop(0)
        count += 1
        if lacking & set(range(one.address, one.address + one.count)):
            waiting = [*asked.narrow(one), *waiting]
        else:
            good.append(one)
    asked.settle(response_s=0.0)
    return good, count


@given(
    st.sets(st.integers(0, 40), min_size=1, max_size=12),
    st.sets(st.integers(0, 90), max_size=6),
)
def test_i1_and_i2_all_that_is_there_is_read_and_after_a_few_rounds_nothing_is_refused(
    addresses: set[int], lacking: set[int]
) -> None:
    group = group_of(addresses)
    asked = AskedRequests(group, ModbusDevice(groups=(group,)), baud=9600)
    there = {point.key for point in group.points if not lacking & set(range(point.address, point.address + point.span))}
    for _ in range(30):
        before = asked.refused
        good, _ = one_round(asked, lacking)
        assert {point.key for point in group.points if any(covers(one, point) for one in good)} == there
        if asked.refused == before:
            break
    if there:
        good, count = one_round(asked, lacking)
        assert count == len(good), "what was refused once is not asked for again"
        assert set(asked.missing_points()) == {point.key for point in group.points} - there


def test_the_rest_is_read_in_as_few_requests_as_before_the_gap_was_known() -> None:
    group = group_of(set(range(20)))
    asked = AskedRequests(group, ModbusDevice(groups=(group,)), baud=9600)
    for _ in range(5):
        one_round(asked, {8})
    assert len(asked.requests) == 2


def test_a_device_that_refuses_everything_is_asked_for_everything_again() -> None:
    group = group_of({1, 2})
    asked = AskedRequests(group, ModbusDevice(groups=(group,)), baud=9600)
    first = asked.requests
    one_round(asked, set(range(100)))
    assert asked.requests == first


def test_a_slow_device_is_asked_in_fewer_requests_over_wider_gaps() -> None:
    group = group_of({0, 20})
    asked = AskedRequests(group, ModbusDevice(groups=(group,)), baud=9600)
    assert len(asked.requests) == 2
    asked.settle(response_s=0.2)
    assert len(asked.requests) == 1


def test_of_refused_requests_those_count_that_contain_no_other() -> None:
    assert smallest([request(0, 10), request(3), request(20, 2), request(2, 3)]) == (request(3), request(20, 2))


def test_refusals_hold_over_a_restart_for_the_same_firmware_only(tmp_path: Path) -> None:
    first = Refusals(tmp_path, {"meter": "acme/t100 1"})
    first.remember("meter", "all", [request(3)])
    first.save()
    assert Refusals(tmp_path, {"meter": "acme/t100 1"}).of("meter", "all") == (request(3),)
    assert Refusals(tmp_path, {"meter": "acme/t100 2"}).of("meter", "all") == ()
    assert Refusals(tmp_path, {}).of("other", "all") == ()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"meter": {}}', '{"meter": {"of": "x", "groups": {"all": [[1]]}}}', "\0\1"]
)
def test_a_damaged_file_only_means_that_devices_are_asked_again(tmp_path: Path, text: str) -> None:
    (tmp_path / "refused-registers.json").write_text(text)
    refusals = Refusals(tmp_path, {"meter": "x"})
    assert refusals.of("meter", "all") == ()
    refusals.remember("meter", "all", [request(3)])
    refusals.save()
    assert Refusals(tmp_path, {"meter": "x"}).of("meter", "all") == (request(3),)
