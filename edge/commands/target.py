"""Which bus a command is about, and how it is reached: through the running agent, or opened by the command alone."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from device_profiles.point_model import Line, Parity
from edge.app import AgentError, checked_in_child, state_dir_of
from edge.clock import SystemClock
from edge.config import BusConfig, BusKind, CheckedGateway
from edge.control import ControlError, NoAgentError, ask, socket_path
from edge.diagnosis.agent_bus import AgentBus
from edge.diagnosis.lines import USUAL_LINE, bus_alone
from edge.drivers.base import RegisterBus
from edge.drivers.opened import line_settings

_MODBUS_TCP_PORT: Final = 502


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person said of the bus; None where nothing was said."""

    config: Path | None = None
    bus: str | None = None
    port: str | None = None
    host: str | None = None
    baud: int | None = None
    parity: Parity | None = None
    stop_bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A bus and its line settings. `door` is the control socket of the agent that owns it, where one runs."""

    bus: BusConfig
    line: Line
    door: Path | None = None

    def opened(self, line: Line) -> AbstractAsyncContextManager[RegisterBus]:
        """The bus, with these settings where they are ours to choose."""
        if self.door is not None:
            return _of_agent(self.door, self.bus.bus)
        return bus_alone(self.bus_at(line), line, clock=SystemClock())

    def bus_at(self, line: Line) -> BusConfig:
        """The bus with these settings, where it is a port."""
        if not self.bus.kind.is_port:
            return self.bus
        return replace(self.bus, baud=line.baud, parity=line.parity, stop_bits=line.stop_bits)

    @property
    def place(self) -> str:
        """Where it goes, for a person."""
        return self.bus.port or f"{self.bus.host}:{self.bus.tcp_port or _MODBUS_TCP_PORT}"


def target_of(given: Given, *, kind: BusKind = BusKind.MODBUS_RTU, factory: Line = USUAL_LINE) -> Target:
    """The bus that a person means.

    Args:
        given: what was said.
        kind: what a port is that no gateway file names.
        factory: the line settings where nothing was said of them.

    Raises:
        AgentError: there is no such bus, or what was said does not go together.
    """
    if given.config is None or given.bus is None:
        return Target(bus=_named(given, kind), line=_said(given, factory))
    checked = checked_in_child(given.config)
    bus = bus_of(checked, given.bus)
    factory = factory_line(checked, bus.bus)
    door = running_door(checked)
    is_agents = door is not None and any(device.bus == bus.bus for device in checked.config.devices)
    line = _said(given, line_settings(bus, factory))
    if is_agents and line != line_settings(bus, factory):
        raise AgentError(f"bus {bus.bus}: the agent has it open with other settings; stop the agent to try these")
    return Target(bus=bus, line=line, door=door if is_agents else None)


def bus_of(checked: CheckedGateway, name: str) -> BusConfig:
    """A bus of the gateway file.

    Raises:
        AgentError: it has none of that name.
    """
    for bus in checked.config.buses:
        if bus.bus == name:
            return bus
    names = ", ".join(bus.bus for bus in checked.config.buses)
    raise AgentError(f"bus {name!r}: not in the gateway file; it has {names}")


def factory_line(checked: CheckedGateway, bus: str) -> Line:
    """The line settings that the devices of a bus leave the factory with; the usual ones where there is none."""
    for device in checked.config.devices:
        if device.bus == bus:
            return checked.profiles[device.profile].line
    return USUAL_LINE


def running_door(checked: CheckedGateway) -> Path | None:
    """The control socket of the gateway's agent; None where no agent runs.

    Raises:
        AgentError: one runs and does not answer.
    """
    try:
        path = socket_path(state_dir_of(checked))
        ask(path, {"ask": "status"})
    except NoAgentError:
        return None
    except ControlError as error:
        raise AgentError(str(error)) from error
    return path


def _named(given: Given, kind: BusKind) -> BusConfig:
    if given.bus is not None:
        raise AgentError(
            f"--bus {given.bus}: name the gateway file before it, as in `sen-edge scan gateway.yaml --bus`"
        )
    if given.port is not None and given.host is not None:
        raise AgentError("found --port and --host, expected one of them")
    if given.port is not None:
        return BusConfig(bus="line-1", kind=kind, port=given.port)
    host, _, tcp_port = (given.host or "").partition(":")
    if tcp_port and not tcp_port.isdigit():
        raise AgentError(f"--host {given.host}: expected HOST or HOST:PORT")
    return BusConfig(
        bus="lan-1", kind=BusKind.MODBUS_TCP, host=host, tcp_port=int(tcp_port) if tcp_port else _MODBUS_TCP_PORT
    )


def _said(given: Given, line: Line) -> Line:
    return replace(
        line,
        baud=given.baud or line.baud,
        parity=given.parity or line.parity,
        stop_bits=given.stop_bits or line.stop_bits,
    )


@asynccontextmanager
async def _of_agent(door: Path, bus: str) -> AsyncIterator[RegisterBus]:
    yield AgentBus(door, bus)
