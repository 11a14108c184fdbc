"""Which gateways, buses and devices the demonstration has. The field and the gateway files are both made from this."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Final

RTU: Final = "modbus-rtu"
TCP: Final = "modbus-tcp"
RTU_OVER_TCP: Final = "modbus-rtu-over-tcp"
SERIAL: Final = "serial"

HOST: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoGateway:
    """A gateway and where it stands; latitude and longitude in degrees, WGS 84."""

    gateway: str
    site: str
    site_name: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoBus:
    """A line or endpoint of a gateway; `kind` is one of the words of the gateway file."""

    bus: str
    gateway: str
    kind: str
    baud: int = 9600


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoDevice:
    """A device; `every_s` are the periods by group, quick enough for people who watch."""

    device: str
    bus: str
    profile: str
    unit: int | None = None
    every_s: dict[str, float] = field(default_factory=dict)


HALL: Final = DemoGateway(
    gateway="gw-demo-hall", site="demo-hall", site_name="Demo hall", latitude=20.8561, longitude=106.6822
)
ROAD: Final = DemoGateway(
    gateway="gw-demo-road", site="demo-road", site_name="Demo road", latitude=20.8449, longitude=106.6881
)
GATEWAYS: Final = (HALL, ROAD)

BUSES: Final = (
    DemoBus(bus="rs485-1", gateway=HALL.gateway, kind=RTU, baud=19200),
    DemoBus(bus="rs485-2", gateway=HALL.gateway, kind=RTU),
    DemoBus(bus="hall-lan", gateway=HALL.gateway, kind=TCP),
    DemoBus(bus="serial-server", gateway=HALL.gateway, kind=RTU_OVER_TCP),
    DemoBus(bus="road-lan", gateway=ROAD.gateway, kind=TCP),
    DemoBus(bus="radar", gateway=ROAD.gateway, kind=SERIAL),
    DemoBus(bus="dust-1", gateway=ROAD.gateway, kind=SERIAL),
    DemoBus(bus="dust-2", gateway=ROAD.gateway, kind=SERIAL),
    DemoBus(bus="gps", gateway=ROAD.gateway, kind=SERIAL),
    DemoBus(bus="solar", gateway=ROAD.gateway, kind=SERIAL, baud=19200),
    DemoBus(bus="battery", gateway=ROAD.gateway, kind=SERIAL, baud=19200),
)

DEVICES: Final = (
    DemoDevice(
        device="meter-1", bus="rs485-1", profile="eastron/sdm120", unit=1, every_s={"electricity": 1, "energy": 5}
    ),
    DemoDevice(
        device="meter-2", bus="rs485-1", profile="eastron/sdm630", unit=2, every_s={"electricity": 1, "energy": 5}
    ),
    DemoDevice(device="climate-1", bus="rs485-1", profile="generic/xy-md02", unit=3, every_s={"climate": 2}),
    DemoDevice(device="weather-1", bus="rs485-2", profile="ecowitt/wn90lp", unit=0x90, every_s={"weather": 1}),
    DemoDevice(device="air-1", bus="hall-lan", profile="senseair/s8", unit=0xFE, every_s={"air": 2}),
    DemoDevice(
        device="climate-2", bus="serial-server", profile="generic/xy-md02-hundredths", unit=1, every_s={"climate": 2}
    ),
    DemoDevice(
        device="counter-1",
        bus="road-lan",
        profile="wirenboard/wb-mcm8",
        unit=10,
        every_s={"inputs": 1, "counters": 1, "frequencies": 5},
    ),
    DemoDevice(device="level-1", bus="road-lan", profile="yosemitech/y700", unit=11, every_s={"water": 2}),
    DemoDevice(device="radar-1", bus="radar", profile="wavetronix/ss125", unit=5, every_s={"vehicle": 0.25}),
    DemoDevice(device="dust-1", bus="dust-1", profile="nova/sds011", every_s={"particles": 1}),
    DemoDevice(device="dust-2", bus="dust-2", profile="plantower/pms5003", every_s={"particles": 1}),
    DemoDevice(device="gps-1", bus="gps", profile="nmea/gnss", every_s={"rmc": 1, "gga": 1}),
    DemoDevice(device="solar-1", bus="solar", profile="victron/vedirect-mppt", every_s={"charger": 1, "yield": 5}),
    DemoDevice(device="battery-1", bus="battery", profile="victron/vedirect-bmv", every_s={"battery": 1, "history": 5}),
)


def devices_on(bus: str) -> list[DemoDevice]:
    """The devices of one bus."""
    return [device for device in DEVICES if device.bus == bus]


def field_document(fed_by: Mapping[str, str], places: Mapping[str, str | int]) -> dict[str, object]:
    """What the field tells whoever makes gateway files of it.

    `{"gateways": [{"gateway", "site", "site_name", "latitude", "longitude"}], "devices": [{"gateway", "device",
    "profile", "unit"?, "every_s"?, "fed_by", "bus": {"bus", "kind", "port" and "baud", or "host" and "tcp_port"}}]}`: a
    device, without `gateway` and `fed_by` and with the name of its bus, is an entry of a gateway file, and so is its
    `bus`; devices share buses.

    Args:
        fed_by: the devices that are there, by name, with what feeds each, in words.
        places: where each bus is, by name: the path of a serial port, or a TCP port of this machine.
    """
    buses = {bus.bus: bus for bus in BUSES}
    entries: list[dict[str, object]] = []
    for device in DEVICES:
        if device.device not in fed_by:
            continue
        bus = buses[device.bus]
        entry: dict[str, object] = {"gateway": bus.gateway, "device": device.device, "profile": device.profile}
        entry |= {"unit": device.unit} if device.unit is not None else {}
        entry |= {"every_s": device.every_s} if device.every_s else {}
        entries.append(entry | {"fed_by": fed_by[device.device], "bus": _bus_entry(bus, places[bus.bus])})
    there = {entry["gateway"] for entry in entries}
    gateways = [asdict(one) for one in GATEWAYS if one.gateway in there]
    return {"gateways": gateways, "devices": entries}


def _bus_entry(bus: DemoBus, place: str | int) -> dict[str, object]:
    entry: dict[str, object] = {"bus": bus.bus, "kind": bus.kind}
    if bus.kind in {TCP, RTU_OVER_TCP}:
        return entry | {"host": HOST, "tcp_port": place}
    return entry | {"port": place, "baud": bus.baud}
