"""The gateway file: who the gateway is, where the hub is, which buses there are and which devices are on them.

Plain dataclasses; `configure.py` checks what a person wrote against them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from annotated_types import Interval, Len, MinLen

from device_profiles.model import DeviceProfile
from device_profiles.point_model import Parity
from wire.records import Mode

STRICT: Final = {"extra": "forbid"}

Text = Annotated[str, MinLen(1)]
Port = Annotated[int, Interval(ge=1, le=65535)]
Seconds = Annotated[float, Interval(gt=0, le=86400)]
Band = Annotated[float, Interval(gt=0)]


class BusKind(StrEnum):
    """What kind of line or link a bus is."""

    MODBUS_RTU = "modbus-rtu"
    MODBUS_TCP = "modbus-tcp"
    MODBUS_RTU_OVER_TCP = "modbus-rtu-over-tcp"
    SERIAL = "serial"
    SERIAL_OVER_TCP = "serial-over-tcp"

    @property
    def is_modbus(self) -> bool:
        """Whether devices on it have unit addresses."""
        return self not in {BusKind.SERIAL, BusKind.SERIAL_OVER_TCP}

    @property
    def is_port(self) -> bool:
        """Whether it is a serial port of this machine (else a TCP endpoint)."""
        return self in {BusKind.MODBUS_RTU, BusKind.SERIAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubConfig:
    """Where the hub's broker is and who we are there. Files are relative to the gateway file.

    `keepalive_s`: a line on which nothing arrives any more is given up after 1.5 times this.
    """

    __pydantic_config__: ClassVar = STRICT

    broker: Text
    username: Text | None = None
    password_file: Text | None = None
    ca_file: Text | None = None
    keepalive_s: Annotated[int, Interval(ge=5, le=1800)] = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolConfig:
    """How readings are made durable, how much is kept, and what the card bears: its size, and how often it is written.

    `card_cycles`: 500 is what cheap cards of today are good for; their makers seldom say.
    """

    __pydantic_config__: ClassVar = STRICT

    commit_records: Annotated[int, Interval(ge=1, le=1000)] = 60
    commit_s: Annotated[float, Interval(gt=0, le=3600)] = 1.0
    max_mb: Annotated[int, Interval(ge=1, le=1_000_000)] = 512
    card_gb: Annotated[float, Interval(gt=0, le=1_000_000)] = 32.0
    card_cycles: Annotated[int, Interval(ge=1, le=10_000_000)] = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class BusConfig:
    """One line or link. Line settings that are not given are those of its devices' profiles.

    `in_flight` is for Modbus TCP: how many requests may wait for their answers on the one connection.
    """

    __pydantic_config__: ClassVar = STRICT

    bus: Text
    kind: BusKind
    port: Text | None = None
    baud: Annotated[int, Interval(ge=50, le=4_000_000)] | None = None
    parity: Parity | None = None
    stop_bits: Annotated[int, Interval(ge=1, le=2)] | None = None
    host: Text | None = None
    tcp_port: Port | None = None
    in_flight: Annotated[int, Interval(ge=1, le=16)] = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckConfig:
    """What is expected of one point; 0 expects nothing, and what is not given is what is usual for its quantity.

    `stuck_h`: after so many hours without a change it is stuck. `change_per_min`: it moves no faster, in its unit.
    """

    __pydantic_config__: ClassVar = STRICT

    stuck_h: Annotated[float, Interval(ge=0, le=8760)] | None = None
    change_per_min: Annotated[float, Interval(ge=0)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportConfig:
    """Report by exception: what is within the deadbands of the recorded reading is held back, `max_silence_s` at most.

    Deadbands are by point, in its unit or in percent of the recorded number; without one any change is recorded.
    """

    __pydantic_config__: ClassVar = STRICT

    max_silence_s: Seconds = 300.0
    deadband: dict[str, Band] = field(default_factory=dict)
    deadband_percent: dict[str, Band] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceConfig:
    """One device: which profile reads it, on which bus.

    `every_s` changes the profile's periods, by group. `parameters` are the numbers that its profile asks for.
    `controls` are those of the profile that may be written; none is, unless it is named here. `checks` change what is
    expected of its points. Without `report` every reading is recorded.
    """

    __pydantic_config__: ClassVar = STRICT

    device: Text
    bus: Text
    profile: Text
    unit: Annotated[int, Interval(ge=1, le=255)] | None = None
    site: Text | None = None
    every_s: dict[str, Seconds] = field(default_factory=dict)
    parameters: dict[str, float] = field(default_factory=dict)
    controls: tuple[Text, ...] = ()
    checks: dict[str, CheckConfig] = field(default_factory=dict)
    report: ReportConfig | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """What stands in the gateway file."""

    __pydantic_config__: ClassVar = STRICT

    gateway: Text
    site: Text
    mode: Mode = Mode.LIVE
    state_dir: Text = "state"
    hub: HubConfig
    spool: SpoolConfig = SpoolConfig()
    send_s: Annotated[float, Interval(gt=0, le=3600)] = 1.0
    buses: Annotated[tuple[BusConfig, ...], Len(min_length=1)]
    devices: Annotated[tuple[DeviceConfig, ...], Len(min_length=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedGateway:
    """A gateway file that was found to be good, its folder, and the profiles it names: all the agent needs."""

    folder: str
    config: GatewayConfig
    profiles: Mapping[str, DeviceProfile]
