"""A line or bus of a gateway file, or one that a person named, opened for a command that ends by itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from device_profiles.point_model import Line
from edge.clock import Clock
from edge.config import BusConfig
from edge.diagnosis.ports import port_facts
from edge.drivers.base import ByteStream, DriverError, DriverFault, RegisterBus, Tap
from edge.drivers.opened import opened_bus, opened_line

USUAL_LINE: Final = Line(baud=9600)
_CLOSING_S: Final = 0.02  # the port is let go by the event loop, in one of its next turns
_PSEUDO: Final = "/dev/pts/"


@asynccontextmanager
async def line_alone(
    bus: BusConfig, factory: Line, *, clock: Clock, tap: Tap | None = None
) -> AsyncIterator[ByteStream]:
    """The line of a bus, opened by this program alone.

    Raises:
        DriverError: it cannot be opened, or another program uses it.
    """
    _check_bus_free(bus)
    line = opened_line(bus, factory, clock=clock, tap=tap)
    try:
        await line.open()
        yield line
    finally:
        line.close()
        await clock.sleep(_CLOSING_S)


@asynccontextmanager
async def bus_alone(
    bus: BusConfig, factory: Line, *, clock: Clock, tap: Tap | None = None
) -> AsyncIterator[RegisterBus]:
    """A Modbus bus, opened by this program alone; see `line_alone`."""
    _check_bus_free(bus)
    line = opened_line(bus, factory, clock=clock, tap=tap)
    try:
        await line.open()
        yield opened_bus(bus, line, baud=bus.baud or factory.baud, clock=clock)
    finally:
        line.close()
        await clock.sleep(_CLOSING_S)


def _check_bus_free(bus: BusConfig) -> None:
    if bus.kind.is_port:
        check_free(bus.port or "")


def check_free(port: str, root: Path = Path("/")) -> None:
    """Make sure that nobody has the port open: two masters on a line spoil each other's answers.

    Of a pseudo-terminal nothing is said: whoever plays the device has it open too.

    Raises:
        DriverError: somebody has.
    """
    facts = port_facts(port, root)
    if facts.holders and not facts.device.startswith(_PSEUDO):
        who = ", ".join(f"{one.program or 'a program'} (process {one.pid})" for one in facts.holders)
        raise DriverError(DriverFault.REFUSED, f"{port}: in use by {who}; end it, or ask through a running agent")
