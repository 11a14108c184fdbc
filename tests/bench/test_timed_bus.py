"""The simulated line as a program behind a real pseudo-terminal."""

import os
import statistics

import pytest

from bench.rs485_line import LineSpec, Unit
from bench.timed_bus import TimedBus
from device_profiles.library import load_profile
from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_frames import parse_rtu_reply, rtu_request
from edge.clock import SystemClock

BAUD = 9600


def test_an_answer_comes_through_the_port_when_a_real_line_would_bring_it() -> None:
    profile = load_profile("generic/xy-md02")
    request = ReadRequest(table=Table.INPUT, address=1, count=2)
    clock, took_s = SystemClock(), []
    with TimedBus(LineSpec(baud=BAUD, units=(Unit(unit=1, profile=profile),))) as bus:
        port = os.open(bus.port, os.O_RDWR | os.O_NOCTTY)
        for _ in range(5):
            begun_s, heard = clock.monotonic_s(), b""
            os.write(port, rtu_request(1, request))
            while len(heard) < 9:
                heard += os.read(port, 64)
            took_s.append(clock.monotonic_s() - begun_s)
            assert len(parse_rtu_reply(1, request, heard)) == 2
        os.close(port)
        record = bus.finish()
    assert [one.unit for one in record.exchanges] == [1] * 5
    assert statistics.median(took_s) == pytest.approx((8 + 3.5 + 9) * 11 / BAUD, abs=0.003)
    assert record.busy_s == pytest.approx(5 * 17 * 11 / BAUD)
