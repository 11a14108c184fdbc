"""A bus of the gateway file as the driver that speaks on it."""

from typing import Final

from device_profiles.point_model import Line
from edge.clock import Clock
from edge.config import BusConfig, BusKind
from edge.drivers.base import RegisterBus, Tap
from edge.drivers.line import ByteLine, SerialPort, TcpEndpoint
from edge.drivers.modbus import ModbusRtuBus, ModbusTcpBus

_MODBUS_TCP_PORT: Final = 502


def line_settings(bus: BusConfig, factory: Line) -> Line:
    """What the gateway file says of a bus's line, and where it says nothing what its devices leave the factory with."""
    return Line(
        baud=bus.baud or factory.baud,
        data_bits=factory.data_bits,
        parity=bus.parity or factory.parity,
        stop_bits=bus.stop_bits or factory.stop_bits,
    )


def opened_line(bus: BusConfig, factory: Line, *, clock: Clock, tap: Tap | None = None) -> ByteLine:
    """The line of a bus, to be opened when it is first used.

    Args:
        bus: where it goes.
        factory: the line settings of its devices' profiles.
        clock: whose time it keeps.
        tap: who is to see all that comes and goes.
    """
    if bus.kind.is_port:
        return ByteLine(SerialPort(bus.port or "", line_settings(bus, factory)), clock, tap=tap)
    return ByteLine(TcpEndpoint(bus.host or "", bus.tcp_port or _MODBUS_TCP_PORT), clock, tap=tap)


def opened_bus(bus: BusConfig, line: ByteLine, *, baud: int, clock: Clock) -> RegisterBus:
    """The Modbus bus on a line of `opened_line`."""
    if bus.kind is BusKind.MODBUS_TCP:
        return ModbusTcpBus(line, clock=clock, in_flight=bus.in_flight)
    return ModbusRtuBus(line, baud=baud, clock=clock)
