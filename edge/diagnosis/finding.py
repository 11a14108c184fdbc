"""A cause and its finding, and those that several kinds of line share. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from edge.diagnosis.facts import BusFacts, ExchangeFacts, TriedLine
from edge.diagnosis.heard import Heard

SHOWN_BYTES: Final = 16


class Cause(StrEnum):
    """What may be wrong."""

    PORT_GONE = "port gone"
    PORT_DENIED = "permission denied"
    PORT_BUSY = "port in use"
    NOT_REACHED = "not reached"
    NOBODY = "nobody there"
    SWAPPED = "A and B swapped"
    WRONG_BAUD = "wrong baud"
    WRONG_PARITY = "wrong parity"
    WRONG_LINE = "wrong line settings"
    DUPLICATE = "duplicate address"
    NOISE = "disturbed line"
    SECOND_MASTER = "somebody else speaks"
    ECHO = "echo"
    SILENT = "no answer"
    REFUSES = "refuses"
    SLOW = "too slow"
    OVERLOADED = "too much for the bus"
    AGENT_DOWN = "agent not running"
    BROKER = "broker unreachable"
    SPOOL_FULL = "spool near full"
    DISK_FULL = "disk near full"
    CLOCK_UNSET = "clock unset"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A cause, where it is, what shows it, and the next step. Some are worth knowing and no fault."""

    cause: Cause
    where: str
    evidence: str
    next_step: str
    is_fault: bool = True


def wrong_line(bus: BusFacts, better: TriedLine) -> Finding:
    """With other settings somebody is understood."""
    is_baud = better.line.baud != bus.line.baud
    found = f"{better.line.baud} {better.line.data_bits}{better.line.parity.value}{better.line.stop_bits}"
    keys = [f"baud: {better.line.baud}"] if is_baud else []
    if better.line.parity is not bus.line.parity:
        keys.append(f"parity: {better.line.parity.value}")
    if better.line.stop_bits != bus.line.stop_bits:
        keys.append(f"stop_bits: {better.line.stop_bits}")
    return Finding(
        cause=Cause.WRONG_BAUD if is_baud else Cause.WRONG_PARITY,
        where=place_of(bus),
        evidence=f"{better.device} is silent or garbled at {bus.line.baud} {bus.line.data_bits}"
        f"{bus.line.parity.value}{bus.line.stop_bits} and answers at {found}",
        next_step=f"write {', '.join(keys)} at bus {bus.bus} in the gateway file",
    )


def second_master(bus: BusFacts, exchanges: Sequence[ExchangeFacts]) -> Finding:
    """Frames that nobody here asked for."""
    return Finding(
        cause=Cause.SECOND_MASTER,
        where=place_of(bus),
        evidence=f"whole frames that nobody here asked for: {bytes_of(exchanges, Heard.FOREIGN)}",
        next_step="is another master on this line (a PLC, a logger)? only one may ask",
    )


def bytes_of(exchanges: Sequence[ExchangeFacts], kind: Heard) -> str:
    """The first bytes that were heard in this way, as hex; nothing where none were."""
    raw = next((one.raw for one in exchanges if one.heard is kind), b"")
    return raw[:SHOWN_BYTES].hex(" ") + (" ..." if len(raw) > SHOWN_BYTES else "")


def place_of(bus: BusFacts) -> str:
    """A bus for a person."""
    return f"bus {bus.bus} ({bus.place})"
