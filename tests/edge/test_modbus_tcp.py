"""Several requests on one Modbus TCP connection: each answer finds its question, and one is the rule."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from device_profiles.modbus import ReadRequest, Table
from device_profiles.modbus_frames import parse_tcp_request, tcp_frame
from device_profiles.modbus_server import exception_pdu, parse_request_pdu, reply_pdu
from edge.clock import SystemClock
from edge.drivers.base import DriverError, DriverFault
from edge.drivers.line import ByteLine, TcpEndpoint
from edge.drivers.modbus import ModbusTcpBus

DEAD, REFUSING = 66, 77
REQUEST_BYTES = 12


class Endpoint:
    """Collects requests until `hold` are there, then answers them last first. One unit is dead, one refuses."""

    def __init__(self) -> None:
        self.hold = 1
        self.most_waiting = 0
        self.connections = 0
        self.nonsense = b""
        self.hangs_up = False

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        waiting: list[bytes] = []
        try:
            while True:
                waiting.append(await reader.readexactly(REQUEST_BYTES))
                self.most_waiting = max(self.most_waiting, len(waiting))
                if self.hangs_up:
                    return
                if len(waiting) >= self.hold:
                    writer.write(self.nonsense + b"".join(answer_to(request) for request in reversed(waiting)))
                    waiting.clear()
        except asyncio.IncompleteReadError:
            return
        finally:
            writer.close()


def answer_to(request: bytes) -> bytes:
    """A device whose registers hold its unit and their own address."""
    transaction, unit, pdu = parse_tcp_request(request)
    asked = parse_request_pdu(pdu)
    assert isinstance(asked, ReadRequest)
    if unit == DEAD:
        return b""
    if unit == REFUSING:
        return tcp_frame(transaction, unit, exception_pdu(3, 4))
    return tcp_frame(transaction, unit, reply_pdu(asked, (unit, asked.address)))


@asynccontextmanager
async def bus_to(endpoint: Endpoint, port: int, *, in_flight: int) -> AsyncIterator[ModbusTcpBus]:
    async with await asyncio.start_server(endpoint.serve, "127.0.0.1", port):
        line = ByteLine(TcpEndpoint("127.0.0.1", port), SystemClock())
        bus = ModbusTcpBus(line, clock=SystemClock(), in_flight=in_flight)
        yield bus
        await bus.close()


async def read(bus: ModbusTcpBus, unit: int, *, timeout_s: float = 1.0) -> tuple[int, ...]:
    request = ReadRequest(table=Table.HOLDING, address=unit * 10, count=2)
    return (await bus.read(unit, request, timeout_s=timeout_s, turnaround_s=0.0)).values


async def read_all(bus: ModbusTcpBus, units: range) -> list[tuple[int, ...]]:
    async with asyncio.TaskGroup() as tasks:
        reading = [tasks.create_task(read(bus, unit)) for unit in units]
    return [task.result() for task in reading]


async def fault(bus: ModbusTcpBus, unit: int, *, timeout_s: float = 0.3) -> DriverError:
    with pytest.raises(DriverError) as found:
        await read(bus, unit, timeout_s=timeout_s)
    return found.value


async def test_answers_in_any_order_find_their_questions(free_port: Callable[[], int]) -> None:
    endpoint = Endpoint()
    endpoint.hold = 4
    async with bus_to(endpoint, free_port(), in_flight=4) as bus:
        assert await read_all(bus, range(1, 13)) == [(unit, unit * 10) for unit in range(1, 13)]
    assert endpoint.most_waiting == 4
    assert endpoint.connections == 1


async def test_one_question_at_a_time_is_the_rule(free_port: Callable[[], int]) -> None:
    endpoint = Endpoint()
    async with bus_to(endpoint, free_port(), in_flight=1) as bus:
        assert await read_all(bus, range(1, 13)) == [(unit, unit * 10) for unit in range(1, 13)]
    assert endpoint.most_waiting == 1


async def test_a_dead_unit_holds_up_nobody_where_two_may_be_in_flight(free_port: Callable[[], int]) -> None:
    async with bus_to(Endpoint(), free_port(), in_flight=2) as bus, asyncio.TaskGroup() as tasks:
        dead = tasks.create_task(fault(bus, DEAD, timeout_s=2.0))
        assert await read_all(bus, range(1, 20)) == [(unit, unit * 10) for unit in range(1, 20)]
        assert not dead.done()
        assert (await dead).kind is DriverFault.TIMEOUT


async def test_a_refusal_reaches_who_asked_and_nobody_else(free_port: Callable[[], int]) -> None:
    async with bus_to(Endpoint(), free_port(), in_flight=2) as bus, asyncio.TaskGroup() as tasks:
        refused = tasks.create_task(fault(bus, REFUSING))
        assert await read(bus, 5) == (5, 50)
        error = await refused
        assert (error.kind, error.code) == (DriverFault.EXCEPTION, 4)


async def test_a_connection_that_is_lost_is_told_at_once_to_all_who_wait(free_port: Callable[[], int]) -> None:
    endpoint = Endpoint()
    endpoint.hangs_up = True
    started_s = asyncio.get_running_loop().time()
    async with bus_to(endpoint, free_port(), in_flight=3) as bus:
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(fault(bus, unit, timeout_s=10.0)) for unit in (1, 2, 3)]
        assert {task.result().kind for task in waiting} == {DriverFault.GONE}
        assert asyncio.get_running_loop().time() - started_s < 5
        endpoint.hangs_up = False
        await SystemClock().sleep(0.3)
        assert await read(bus, 4) == (4, 40)


async def test_what_is_no_modbus_tcp_closes_the_connection_and_the_next_is_good(free_port: Callable[[], int]) -> None:
    endpoint = Endpoint()
    endpoint.nonsense = b"HTTP/1.1 400 Bad Request\r\n"
    async with bus_to(endpoint, free_port(), in_flight=1) as bus:
        error = await fault(bus, 1)
        assert error.kind is DriverFault.GARBLED
        assert "the connection was closed" in str(error)
        endpoint.nonsense = b""
        assert await read(bus, 1) == (1, 10)
    assert endpoint.connections == 2


async def test_a_connection_on_which_nothing_comes_any_more_is_made_anew(free_port: Callable[[], int]) -> None:
    endpoint = Endpoint()
    async with bus_to(endpoint, free_port(), in_flight=1) as bus:
        for _ in range(3):
            assert (await fault(bus, DEAD, timeout_s=0.05)).kind is DriverFault.TIMEOUT
        assert await read(bus, 1) == (1, 10)
    assert endpoint.connections == 2
