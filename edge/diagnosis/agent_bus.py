"""A running agent's bus, used by another program: single reads, each in a turn that the agent gives, and what it heard.

Nothing but reads crosses: who wants to write asks the hub.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from device_profiles.modbus import IdentifyRequest, Order, Question, ReadRequest, Request, Table
from edge.control import ControlError, ask
from edge.diagnosis.probing import Piece
from edge.drivers.base import Answer, DriverError, DriverFault, RegisterBus

_LONGEST_TIMEOUT_S: Final = 10.0
_TURN_S: Final = 30.0  # how long the agent's own reading may keep others from the bus

# JSON of this module's making.
Told = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeRequest:
    """One question on a bus of the agent."""

    bus: str
    unit: int
    request: Question
    timeout_s: float
    turnaround_s: float

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Self:
        """What somebody asked for.

        Raises:
            KeyError, TypeError, ValueError: it is no read that a bus can do.
        """
        unit, timeout_s = int(told["unit"]), float(told["timeout_s"])
        if not 1 <= unit <= 255 or not 0 < timeout_s <= _LONGEST_TIMEOUT_S:  # noqa: PLR2004 - unit addresses
            raise ValueError(f"unit {unit}, timeout {timeout_s:g} s")
        turnaround_s = min(1.0, max(0.0, float(told["turnaround_s"])))
        return cls(
            bus=str(told["bus"]), unit=unit, request=_question(told), timeout_s=timeout_s, turnaround_s=turnaround_s
        )

    def told(self) -> Told:
        """For the control socket."""
        return {
            "ask": "exchange",
            "bus": self.bus,
            "unit": self.unit,
            **asdict(self.request),
            "timeout_s": self.timeout_s,
            "turnaround_s": self.turnaround_s,
        }


def _question(told: Mapping[str, Any]) -> Question:
    if "access" in told:
        return IdentifyRequest(access=int(told["access"]), first=int(told["first"]))
    return ReadRequest(table=Table(told["table"]), address=int(told["address"]), count=int(told["count"]))


async def exchanged(bus: RegisterBus, asked: ExchangeRequest) -> Told:
    """The agent's side: the answer, or the fault that came of it, as plain values."""
    try:
        answer = await bus.read(asked.unit, asked.request, timeout_s=asked.timeout_s, turnaround_s=asked.turnaround_s)
    except DriverError as error:
        return {"fault": error.kind, "text": str(error), "code": error.code, "raw": error.raw.hex()}
    return {
        "values": list(answer.values),
        "time_ms": answer.time_ms,
        "raw": answer.raw.hex(),
        "latency_s": answer.latency_s,
    }


class AgentBus:
    """The other side: a bus like any other; see `RegisterBus`.

    Args:
        door: the agent's control socket.
        bus: the name of the bus in the gateway file.
    """

    def __init__(self, door: Path, bus: str) -> None:
        self._door = door
        self._bus = bus

    async def read(
        self, unit: int, request: Question, *, timeout_s: float, turnaround_s: float, late_s: float | None = None
    ) -> Answer:
        """One read in a turn of the agent's; see `RegisterBus.read`."""
        del late_s
        asked = ExchangeRequest(
            bus=self._bus, unit=unit, request=request, timeout_s=timeout_s, turnaround_s=turnaround_s
        )
        try:
            told = await asyncio.to_thread(ask, self._door, asked.told(), timeout_s=timeout_s + _TURN_S)
        except ControlError as error:
            raise DriverError(DriverFault.REFUSED, str(error)) from error
        raw = bytes.fromhex(told["raw"])
        if "fault" in told:
            raise DriverError(DriverFault(told["fault"]), str(told["text"]), code=told["code"], raw=raw)
        return Answer(
            values=tuple(told["values"]), time_ms=int(told["time_ms"]), raw=raw, latency_s=float(told["latency_s"])
        )

    async def write(self, unit: int, request: Order, *, timeout_s: float, turnaround_s: float) -> Answer:
        """Nothing: this door is for reading."""
        del unit, request, timeout_s, turnaround_s
        raise DriverError(DriverFault.REFUSED, f"bus {self._bus}: the agent lets others only read")

    def quiet_until_s(self, unit: int, request: Request) -> float:
        """At once: the agent waits where it must; see `RegisterBus`."""
        del unit, request
        return 0.0

    async def close(self) -> None:
        """Nothing: the bus is the agent's."""


async def heard_by_agent(door: Path, bus: str) -> list[Piece]:
    """What was said on a line of the agent's, as far as it remembers: the newest pieces, the oldest of them first.

    Raises:
        DriverError: it does not answer, or has no such line.
    """
    try:
        told = await asyncio.to_thread(ask, door, {"ask": "line", "bus": bus})
    except ControlError as error:
        raise DriverError(DriverFault.REFUSED, str(error)) from error
    return [Piece(is_sent=bool(one["is_sent"]), data=bytes.fromhex(one["bytes"])) for one in told["pieces"]]
