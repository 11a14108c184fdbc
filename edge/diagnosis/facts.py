"""What was seen of a gateway, its lines and its devices, before anybody thinks about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from device_profiles.point_model import Line
from edge.config import BusKind
from edge.diagnosis.heard import Heard
from edge.diagnosis.ports import PortFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeFacts:
    """One question and what came: `latency_s` until the first byte, None where none came."""

    heard: Heard
    raw: bytes = b""
    latency_s: float | None = None
    has_echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamFacts:
    """What a device with a protocol of its own was heard to say in `seconds`."""

    seconds: float
    good: int
    bad: int
    raw: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """One device.

    `timeout_s` is what its profile allows until an answer begins; `reads`, `late` and `errors` are what a running agent
    has counted of it.
    """

    device: str
    profile: str
    unit: int | None = None
    timeout_s: float = 1.0
    exchanges: tuple[ExchangeFacts, ...] = ()
    stream: StreamFacts | None = None
    reads: int = 0
    late: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriedLine:
    """Other line settings, and whether a device was understood with them."""

    line: Line
    device: str
    is_answered: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BusFacts:
    """One bus. `trouble` is why it could not be opened. `load` is the share of its time that reading takes, as planned.

    `is_agents`: the agent has it open, so that other line settings could not be tried.
    """

    bus: str
    kind: BusKind
    place: str
    line: Line
    port: PortFacts | None = None
    trouble: str | None = None
    is_agents: bool = False
    devices: tuple[DeviceFacts, ...] = ()
    tried: tuple[TriedLine, ...] = ()
    load: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayFacts:
    """The gateway as a whole.

    `broker_trouble` is None where the broker can be reached; `is_synchronised` None where nothing here tells.
    """

    config: str
    user: str
    agent_runs: bool
    broker: str
    broker_trouble: str | None
    spool_bytes: int
    spool_max_bytes: int
    disk_free_bytes: int
    now_ms: int
    is_synchronised: bool | None
    buses: tuple[BusFacts, ...]
