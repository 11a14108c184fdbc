"""The simulated RS-485 line: what it promises about time, silence, sickness and collisions."""

import itertools

import pytest

from bench.rs485_line import FaultKind, LineSpec, Rs485Line, Unit, UnitFault, union_s
from device_profiles.modbus import ReadRequest, ReplyError, Table
from device_profiles.modbus_frames import parse_rtu_reply, rtu_request
from device_profiles.parse import parse_profile

CHARACTER_S = 11 / 9600
SILENCE_S = 3.5 * CHARACTER_S
REQUEST = ReadRequest(table=Table.HOLDING, address=0, count=2)
REPLY_BYTES = 9
FOREVER_S = 1e6
PROFILE = parse_profile(
    """\
profile: test/two
revision: 1
device: {vendor: Test, model: two registers, kind: test}
source: {document: test, section: test}
line: {baud: 9600}
defaults: {table: holding, type: u16, measurement: io, every_s: 1}
modbus:
  groups:
    - name: registers
      points:
        - {key: r0, quantity: pulse_count, address: 0x0000}
        - {key: r1, quantity: pulse_count, address: 0x0001}
""",
    "two.yaml",
)


def line_of(*units: Unit, chunk: int = 16, baud: int = 9600) -> Rs485Line:
    return Rs485Line(LineSpec(baud=baud, units=units, chunk_characters=chunk))


def device(unit: int, fault: FaultKind | None = None, *, latency_s: float = 0.0) -> Unit:
    faults = () if fault is None else (UnitFault(kind=fault, from_s=0.0),)
    return Unit(unit=unit, profile=PROFILE, latency_s=latency_s, faults=faults)


def played(line: Rs485Line, *, until_s: float) -> list[tuple[float, bytes]]:
    """What reaches the master, and when, where the program is always punctual."""
    told = []
    while line.next_s <= until_s:
        now_s = line.next_s
        if heard := line.due(now_s=now_s):
            told.append((now_s, heard))
    return told


def test_the_last_byte_of_an_answer_arrives_when_a_real_line_would_bring_it() -> None:
    line = line_of(device(1))
    line.hear(rtu_request(1, REQUEST), now_s=100.0)
    ((arrived_s, reply),) = played(line, until_s=FOREVER_S)
    assert parse_rtu_reply(1, REQUEST, reply) == (0, 0)
    assert arrived_s == pytest.approx(100.0 + (8 + 3.5 + REPLY_BYTES) * CHARACTER_S)


def test_a_device_s_latency_comes_between_request_and_answer() -> None:
    line = line_of(device(1, latency_s=0.05))
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    ((arrived_s, _),) = played(line, until_s=FOREVER_S)
    assert arrived_s == pytest.approx(0.05 + (8 + REPLY_BYTES) * CHARACTER_S)


def test_a_port_gives_long_answers_in_chunks() -> None:
    line = line_of(device(1), chunk=4)
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    chunks = played(line, until_s=FOREVER_S)
    assert [len(data) for _, data in chunks] == [4, 4, 1]
    assert chunks[1][0] - chunks[0][0] == pytest.approx(4 * CHARACTER_S)


def test_the_record_names_each_exchange_and_the_silence_before_it() -> None:
    line = line_of(device(1))
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    ((ended_s, _),) = played(line, until_s=FOREVER_S)
    line.hear(rtu_request(2, REQUEST), now_s=ended_s + 0.01)
    played(line, until_s=FOREVER_S)
    record = line.record()
    assert [(one.unit, one.reply_end_s is None) for one in record.exchanges] == [(1, False), (2, True)]
    assert record.exchanges[0].gap_s is None
    assert record.exchanges[1].gap_s == pytest.approx(0.01)
    assert record.busy_s == pytest.approx((8 + REPLY_BYTES + 8) * CHARACTER_S)


def test_a_request_that_comes_in_two_parts_is_one() -> None:
    line, request = line_of(device(1)), rtu_request(1, REQUEST)
    line.hear(request[:3], now_s=0.0)
    line.hear(request[3:], now_s=2 * CHARACTER_S)
    ((arrived_s, _),) = played(line, until_s=FOREVER_S)
    assert arrived_s == pytest.approx((8 + 3.5 + REPLY_BYTES) * CHARACTER_S)


def test_a_dead_device_and_a_missing_one_are_silent() -> None:
    line = line_of(device(1, FaultKind.DEAD))
    for unit, at_s in ((1, 0.0), (2, 1.0)):
        line.hear(rtu_request(unit, REQUEST), now_s=at_s)
    assert played(line, until_s=FOREVER_S) == []


def test_a_fault_begins_when_it_is_said_to() -> None:
    late_death = Unit(unit=1, profile=PROFILE, faults=(UnitFault(kind=FaultKind.DEAD, from_s=5.0),))
    line = line_of(late_death)
    line.hear(rtu_request(1, REQUEST), now_s=50.0)
    assert len(played(line, until_s=54.0)) == 1
    line.hear(rtu_request(1, REQUEST), now_s=55.5)
    assert played(line, until_s=60.0) == []


def test_a_wrong_check_is_no_answer() -> None:
    line = line_of(device(1, FaultKind.WRONG_CRC))
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    ((_, reply),) = played(line, until_s=FOREVER_S)
    with pytest.raises(ReplyError, match="crc"):
        parse_rtu_reply(1, REQUEST, reply)


def test_a_babbling_device_answers_noise_and_speaks_by_itself_about_each_second() -> None:
    line = line_of(device(1, FaultKind.BABBLING))
    line.hear(rtu_request(1, REQUEST), now_s=10.0)
    told = played(line, until_s=12.4)
    with pytest.raises(ReplyError):
        parse_rtu_reply(1, REQUEST, told[0][1])
    babbles = line.record().babbles
    assert babbles[0].start_s == 10.0
    assert [0.8 <= after.start_s - one.start_s <= 1.2 for one, after in itertools.pairwise(babbles)] == [True, True]
    assert all(one.end_s - one.start_s == pytest.approx(20 * CHARACTER_S) for one in babbles)


def test_two_who_speak_at_a_time_are_heard_as_garbage() -> None:
    slow = 0.4 - (8 + REPLY_BYTES) * CHARACTER_S
    line = line_of(device(1, FaultKind.LATE), device(2, latency_s=slow))
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    line.hear(rtu_request(2, REQUEST), now_s=(8 + REPLY_BYTES) * CHARACTER_S)
    heard = b"".join(data for _, data in played(line, until_s=FOREVER_S))
    assert len(heard) == REPLY_BYTES
    assert heard[0] == 1 ^ 2
    with pytest.raises(ReplyError):
        parse_rtu_reply(2, REQUEST, heard)


def test_a_request_that_somebody_speaks_into_is_understood_by_nobody() -> None:
    line = line_of(device(1, FaultKind.LATE), device(2))
    line.hear(rtu_request(1, REQUEST), now_s=0.0)
    reply_s = 8 * CHARACTER_S + 0.4
    line.hear(rtu_request(2, REQUEST), now_s=reply_s + CHARACTER_S / 4)
    heard = b"".join(data for _, data in played(line, until_s=FOREVER_S))
    assert len(heard) < REPLY_BYTES
    assert line.record().exchanges[1].reply_s is None


def test_above_19200_baud_the_silence_is_fixed() -> None:
    assert LineSpec(baud=115200, units=()).silence_s == 0.00175
    assert LineSpec(baud=9600, units=()).silence_s == pytest.approx(SILENCE_S)


def test_time_that_two_share_counts_once() -> None:
    assert union_s([(0.0, 2.0), (1.0, 3.0), (5.0, 6.0), (5.2, 5.4)]) == 4.0
