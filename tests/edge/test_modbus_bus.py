"""Modbus buses on real pseudo-terminals and sockets: what the line does wrong never becomes a value."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus import FramerType
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from device_profiles.identity import objects_told
from device_profiles.modbus import CustomRequest, IdentifyRequest, ReadRequest, Table
from device_profiles.modbus_frames import parse_rtu_request, parse_tcp_request, rtu_frame, rtu_request, tcp_frame
from device_profiles.modbus_server import exception_pdu, identification_pdu, parse_request_pdu, reply_pdu
from device_profiles.point_model import Line
from edge.clock import SystemClock
from edge.drivers.base import Answer, DriverError, DriverFault
from edge.drivers.line import ByteLine, SerialPort, TcpEndpoint
from edge.drivers.modbus import ModbusRtuBus, ModbusTcpBus
from edge.drivers.rtu_reply import enough_bytes, reply_at
from tests.support.pty_line import PtyLine

BAUD = 115200
TIMEOUT_S = 0.25
REQUEST = ReadRequest(table=Table.HOLDING, address=16, count=2)
OTHER = ReadRequest(table=Table.HOLDING, address=32, count=2)
Sent = Sequence[tuple[float, bytes]]


def good(request: bytes) -> bytes:
    """A device whose registers hold their own address."""
    unit, pdu = parse_rtu_request(request)
    asked = parse_request_pdu(pdu)
    assert isinstance(asked, ReadRequest)
    return rtu_frame(unit, reply_pdu(asked, tuple(range(asked.address, asked.address + asked.count))))


def at_once(request: bytes) -> Sent:
    return [(0.0, good(request))]


class Field:
    """A bus and the scripted line it is on."""

    def __init__(self, folder: Path) -> None:
        self.answers: list[Callable[[bytes], Sent]] = []
        self.line = PtyLine(folder / "port", self._script)
        self.port = ByteLine(SerialPort(str(self.line.path), Line(baud=BAUD)), SystemClock())
        self.bus = ModbusRtuBus(self.port, baud=BAUD, clock=SystemClock())

    def _script(self, request: bytes) -> Sent:
        return self.answers.pop(0)(request) if self.answers else at_once(request)

    async def read(self, request: ReadRequest = REQUEST, *, unit: int = 1) -> Answer:
        return await self.bus.read(unit, request, timeout_s=TIMEOUT_S, turnaround_s=0.0)

    async def fault(self) -> DriverError:
        with pytest.raises(DriverError) as found:
            await self.read()
        return found.value


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    one = Field(tmp_path)
    yield one
    await one.bus.close()
    one.line.unplug()


async def test_a_good_answer_gives_the_registers_asked_for(field: Field) -> None:
    assert (await field.read()).values == (16, 17)
    assert (await field.read(OTHER)).values == (32, 33)


async def test_an_answer_that_says_itself_how_long_it_is_is_taken_whole_and_at_once(field: Field) -> None:
    told = {0: b"EPsolar Tech co., Ltd", 1: b"Tracer2215BN", 2: b"V02.05+V07.12"}
    frame = rtu_frame(1, identification_pdu(IdentifyRequest(), told))
    field.line.request_bytes = len(rtu_request(1, IdentifyRequest()))
    field.answers = [lambda _: [(0.0, frame[:9]), (0.02, frame[9:])]]
    answer = await field.bus.read(1, IdentifyRequest(), timeout_s=5.0, turnaround_s=0.0)
    assert objects_told(answer.values) == {number: text.decode() for number, text in told.items()}
    assert answer.latency_s < 1


async def test_a_function_of_the_maker_is_answered_by_itself(field: Field) -> None:
    field.line.request_bytes = 4
    field.answers = [lambda request: [(0.0, request)]]
    assert (await field.bus.write(1, CustomRequest(function=0x42), timeout_s=1.0, turnaround_s=0.0)).values == ()


async def test_silence_is_a_timeout_and_the_next_request_is_answered(field: Field) -> None:
    field.answers = [lambda _: []]
    assert (await field.fault()).kind is DriverFault.TIMEOUT
    assert (await field.read()).values == (16, 17)


async def test_noise_before_the_answer_does_not_cost_it(field: Field) -> None:
    field.answers = [lambda request: [(0.0, b"\xff\x00\x01"), (0.02, good(request))]]
    assert (await field.read()).values == (16, 17)
    assert field.bus.discarded["bytes before an answer"] == 3


async def test_an_adapter_that_hears_itself_does_no_harm(field: Field) -> None:
    field.answers = [lambda request: [(0.0, request), (0.02, good(request))]]
    assert (await field.read()).values == (16, 17)
    assert field.bus.discarded["echo"] == 1


async def test_a_wrong_check_is_garbled_and_does_not_cost_the_timeout(field: Field) -> None:
    field.answers = [lambda request: [(0.0, good(request)[:-1] + b"\x00")]]
    started = asyncio.get_running_loop().time()
    assert (await field.fault()).kind is DriverFault.GARBLED
    assert asyncio.get_running_loop().time() - started < TIMEOUT_S
    assert (await field.read()).values == (16, 17)


async def test_half_an_answer_never_mixes_with_the_next(field: Field) -> None:
    field.answers = [lambda request: [(0.0, good(request)[:5])]]
    assert (await field.fault()).kind is DriverFault.TIMEOUT
    assert (await field.read()).values == (16, 17)


async def test_a_late_answer_is_not_taken_for_that_to_another_request(field: Field) -> None:
    field.answers = [lambda request: [(TIMEOUT_S + 0.1, good(request))]]
    assert (await field.fault()).kind is DriverFault.TIMEOUT
    assert (await field.read(OTHER)).values == (32, 33)
    assert field.bus.discarded["stale bytes"] == 9


async def test_a_late_answer_of_another_unit_is_thrown_away(field: Field) -> None:
    field.answers = [lambda request: [(TIMEOUT_S + 0.05, good(request))], lambda request: [(0.15, good(request))]]
    assert (await field.fault()).kind is DriverFault.TIMEOUT
    assert (await field.read(OTHER, unit=2)).values == (32, 33)


async def test_only_a_foreign_unit_answering_is_told_as_such(field: Field) -> None:
    field.answers = [lambda request: [(0.0, rtu_frame(9, parse_rtu_request(good(request))[1]))]]
    assert (await field.fault()).kind is DriverFault.FOREIGN


async def test_a_refusal_carries_the_device_s_code(field: Field) -> None:
    field.answers = [lambda _: [(0.0, rtu_frame(1, exception_pdu(3, 2)))]]
    error = await field.fault()
    assert (error.kind, error.code) == (DriverFault.EXCEPTION, 2)


async def test_requests_of_many_devices_take_turns(field: Field) -> None:
    async with asyncio.TaskGroup() as tasks:
        reads = [tasks.create_task(field.read(unit=unit)) for unit in range(1, 21)]
    assert all(read.result().values == (16, 17) for read in reads)
    assert [request[0] for request in field.line.requests] == list(range(1, 21))


async def test_a_port_that_was_unplugged_is_opened_again(field: Field) -> None:
    await field.read()
    field.line.unplug()
    assert (await field.fault()).kind is DriverFault.GONE
    field.line.plug()
    answers: list[Answer] = []
    for _ in range(100):
        with suppress(DriverError):
            answers.append(await field.read())
            break
        await SystemClock().sleep(0.05)
    assert [answer.values for answer in answers] == [(16, 17)]


async def test_a_port_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    line = ByteLine(SerialPort(str(tmp_path / "none"), Line(baud=BAUD)), SystemClock())
    with pytest.raises(DriverError, match="no such port; is the adapter plugged in") as found:
        await line.open()
    assert found.value.kind is DriverFault.GONE


async def test_a_port_another_program_uses_says_so(field: Field) -> None:
    await field.read()
    second = ByteLine(SerialPort(str(field.line.path), Line(baud=BAUD)), SystemClock())
    with pytest.raises(DriverError, match="another program uses it") as found:
        await second.open()
    assert found.value.kind is DriverFault.REFUSED


async def test_a_late_tcp_transaction_is_skipped(free_port: Callable[[], int]) -> None:
    port, held, served = free_port(), [b""], asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for turn in range(2):
            transaction, unit, pdu = parse_tcp_request(await reader.readexactly(12))
            asked = parse_request_pdu(pdu)
            assert isinstance(asked, ReadRequest)
            frame = tcp_frame(transaction, unit, reply_pdu(asked, (asked.address, asked.address + 1)))
            if turn:
                writer.write(held[0] + frame)
            held[0] = frame
        await reader.read()
        writer.close()
        await writer.wait_closed()
        served.set()

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        bus = ModbusTcpBus(ByteLine(TcpEndpoint("127.0.0.1", port), SystemClock()), clock=SystemClock())
        with pytest.raises(DriverError) as found:
            await bus.read(1, REQUEST, timeout_s=0.1, turnaround_s=0.0)
        assert found.value.kind is DriverFault.TIMEOUT
        assert (await bus.read(1, OTHER, timeout_s=1.0, turnaround_s=0.0)).values == (32, 33)
        assert bus.discarded["late answers"] == 1
        await bus.close()
        await served.wait()


def simulated() -> SimDevice:
    return SimDevice(1, simdata=[SimData(0, values=list(range(100)), datatype=DataType.REGISTERS)])


async def test_pymodbus_over_tcp_agrees(free_port: Callable[[], int]) -> None:
    port = free_port()
    server = ModbusTcpServer(simulated(), address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    stop: Callable[[], Awaitable[None]] = server.shutdown
    bus = ModbusTcpBus(ByteLine(TcpEndpoint("127.0.0.1", port), SystemClock()), clock=SystemClock())
    try:
        assert (await bus.read(1, REQUEST, timeout_s=1.0, turnaround_s=0.0)).values == (16, 17)
    finally:
        await bus.close()
        await stop()


async def test_pymodbus_agrees_with_rtu_frames_over_tcp(free_port: Callable[[], int]) -> None:
    port = free_port()
    server = ModbusTcpServer(simulated(), framer=FramerType.RTU, address=("127.0.0.1", port))
    await server.serve_forever(background=True)
    stop: Callable[[], Awaitable[None]] = server.shutdown
    bus = ModbusRtuBus(ByteLine(TcpEndpoint("127.0.0.1", port), SystemClock()), baud=BAUD, clock=SystemClock())
    try:
        assert (await bus.read(1, REQUEST, timeout_s=1.0, turnaround_s=0.0)).values == (16, 17)
        beyond = ReadRequest(table=Table.HOLDING, address=200, count=2)
        with pytest.raises(DriverError) as found:
            await bus.read(1, beyond, timeout_s=1.0, turnaround_s=0.0)
        assert (found.value.kind, found.value.code) == (DriverFault.EXCEPTION, 2)
    finally:
        await bus.close()
        await stop()


@given(before=st.binary(max_size=20), cut=st.integers(1, 9))
def test_an_answer_is_found_behind_any_noise_and_never_before_it_is_whole(before: bytes, cut: int) -> None:
    frame = good(rtu_request(1, REQUEST))
    assert reply_at(1, REQUEST, before + frame) == (len(before), len(before) + len(frame))
    assert enough_bytes(1, REQUEST, before + frame) == len(before) + len(frame)
    assert reply_at(1, REQUEST, before + frame[:-cut]) is None
