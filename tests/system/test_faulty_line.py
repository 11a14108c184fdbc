"""The line that the chaos tests make bad is bad in the way it says, and loses or changes nothing otherwise."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import pytest

from tests.support.faulty_line import Fault, FaultyLine, breaking_after, delayed, sliced, sound, swallowed, throttled

SENT = random.Random(1).randbytes(3000)
WITHIN_S = 20
SOON_S = 0.2


@dataclass
class Echo:
    """A server that sends back what it hears."""

    line: FaultyLine
    ended: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                writer.write(data)
            self.ended.append("told")
        except ConnectionError:
            self.ended.append("reset")
        finally:
            writer.close()


@pytest.fixture
async def echo(free_port: Callable[[], int]) -> AsyncIterator[Echo]:
    target = free_port()
    async with FaultyLine(port=free_port(), target=target) as line:
        made = Echo(line)
        server = await asyncio.start_server(made.serve, "127.0.0.1", target)
        async with asyncio.timeout(WITHIN_S):
            yield made
        server.close()


async def sent_through(echo: Echo) -> bytes:
    """What comes back of what is sent on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.line.port)
    writer.write(SENT)
    try:
        return await reader.readexactly(len(SENT))
    finally:
        writer.close()


@pytest.mark.parametrize(
    "fault", [sound, delayed(0.05), throttled(20_000), sliced(7)], ids=["sound", "delay", "throttle", "slicer"]
)
async def test_a_slow_line_carries_everything_unaltered(echo: Echo, fault: Fault) -> None:
    echo.line.suffer(fault)
    assert await sent_through(echo) == SENT


async def test_a_throttled_line_carries_no_more_than_it_may(echo: Echo) -> None:
    echo.line.suffer(throttled(10_000))
    begun_s = asyncio.get_running_loop().time()
    await sent_through(echo)
    assert asyncio.get_running_loop().time() - begun_s >= 0.9 * len(SENT) / 10_000


async def test_on_a_half_open_line_nothing_arrives_and_nobody_is_told_until_it_is_reset(echo: Echo) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", echo.line.port)
    writer.write(b"before")
    assert await reader.readexactly(6) == b"before"
    echo.line.suffer(swallowed)
    writer.write(b"into the void")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), SOON_S)
    assert not echo.ended
    await echo.line.mend()
    with pytest.raises(ConnectionResetError):
        await reader.read(100)
    writer.close()
    assert await sent_through(echo) == SENT


async def test_a_line_breaks_in_the_middle_of_what_it_carries(echo: Echo) -> None:
    echo.line.suffer(breaking_after(1000))
    with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError)):
        await sent_through(echo)
    await echo.line.mend()
    assert await sent_through(echo) == SENT


async def test_a_cut_line_refuses_and_a_mended_one_carries(echo: Echo) -> None:
    await echo.line.cut()
    with pytest.raises(ConnectionRefusedError):
        await sent_through(echo)
    await echo.line.mend()
    assert await sent_through(echo) == SENT
