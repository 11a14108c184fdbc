"""A gateway with each of the faults that a doctor knows: what would be seen of it."""

from collections.abc import Mapping
from typing import Any, Final

from device_profiles.point_model import Line, Parity
from edge.config import BusKind
from edge.diagnosis.facts import BusFacts, DeviceFacts, ExchangeFacts, GatewayFacts, TriedLine
from edge.diagnosis.finding import Cause
from edge.diagnosis.heard import Heard
from edge.diagnosis.ports import Holder, PortFacts

CONFIG: Final = "/etc/sen/gateway.yaml"
PORT: Final = "/dev/ttyUSB0"
LINE: Final = Line(baud=9600)
DAMAGED: Final = ExchangeFacts(heard=Heard.DAMAGED, raw=bytes.fromhex("02 04 04 00 F5 8A 64 2B 19"))
SILENT: Final = ExchangeFacts(heard=Heard.SILENT)
GOOD: Final = ExchangeFacts(heard=Heard.GOOD, latency_s=0.012)


def port(**differing: Any) -> PortFacts:  # noqa: ANN401 - fields of the facts
    usual = {
        "name": PORT,
        "device": PORT,
        "exists": True,
        "may_open": True,
        "owners": "user root, group dialout, mode 660",
        "holders": (),
    }
    return PortFacts(**{**usual, **differing})


def device(*exchanges: ExchangeFacts, **differing: Any) -> DeviceFacts:  # noqa: ANN401 - fields of the facts
    usual = {"device": "climate-1", "profile": "generic/xy-md02", "unit": 2, "exchanges": exchanges}
    return DeviceFacts(**{**usual, **differing})


def bus(*devices: DeviceFacts, **differing: Any) -> BusFacts:  # noqa: ANN401 - fields of the facts
    usual = {"bus": "rs485-1", "kind": BusKind.MODBUS_RTU, "place": PORT, "line": LINE, "devices": devices}
    return BusFacts(**{**usual, **differing})


def gateway(*buses: BusFacts, **differing: Any) -> GatewayFacts:  # noqa: ANN401 - fields of the facts
    usual = {
        "config": CONFIG,
        "user": "tech",
        "agent_runs": True,
        "broker": "mqtts://hub.example:8883",
        "broker_trouble": None,
        "spool_bytes": 0,
        "spool_max_bytes": 512 * 1024 * 1024,
        "disk_free_bytes": 10**10,
        "now_ms": 1_795_000_000_000,
        "is_synchronised": True,
        "buses": buses,
    }
    return GatewayFacts(**{**usual, **differing})


METER = device(GOOD, device="meter-1", profile="eastron/sdm120", unit=1)
SICK_METER = device(DAMAGED, device="meter-1", profile="eastron/sdm120", unit=1)

SICK_GATEWAYS: Final[Mapping[Cause, GatewayFacts]] = {
    Cause.PORT_GONE: gateway(bus(trouble="no such port", port=port(exists=False))),
    Cause.PORT_DENIED: gateway(bus(trouble="permission denied", port=port(may_open=False))),
    Cause.PORT_BUSY: gateway(bus(trouble="in use", port=port(holders=(Holder(pid=4711, program="minicom"),)))),
    Cause.NOT_REACHED: gateway(
        bus(
            kind=BusKind.MODBUS_TCP,
            bus="cabinet",
            place="192.0.2.7:502",
            trouble="192.0.2.7:502: no connection within 5 s; is it on?",
        )
    ),
    Cause.NOBODY: gateway(
        bus(
            device(SILENT, SILENT),
            tried=tuple(
                TriedLine(line=Line(baud=baud), device="climate-1", is_answered=False) for baud in (4800, 19200)
            ),
        )
    ),
    Cause.SWAPPED: gateway(bus(device(ExchangeFacts(heard=Heard.IDLE_NOISE, raw=b"\0\0\0")))),
    Cause.WRONG_BAUD: gateway(
        bus(device(SILENT), tried=(TriedLine(line=Line(baud=19200), device="climate-1", is_answered=True),))
    ),
    Cause.WRONG_PARITY: gateway(
        bus(
            device(SILENT),
            tried=(TriedLine(line=Line(baud=9600, parity=Parity.EVEN), device="climate-1", is_answered=True),),
        )
    ),
    Cause.WRONG_LINE: gateway(
        bus(device(ExchangeFacts(heard=Heard.GARBAGE, raw=bytes.fromhex("E6 1E 98 78 06"))), is_agents=True)
    ),
    Cause.DUPLICATE: gateway(bus(device(DAMAGED, DAMAGED), METER)),
    Cause.NOISE: gateway(bus(device(DAMAGED, DAMAGED), SICK_METER)),
    Cause.SECOND_MASTER: gateway(
        bus(
            METER,
            device(ExchangeFacts(heard=Heard.FOREIGN, raw=bytes.fromhex("07 03 02 01 F4 31 93"))),
        )
    ),
    Cause.ECHO: gateway(bus(device(ExchangeFacts(heard=Heard.GOOD, has_echo=True, latency_s=0.01)))),
    Cause.SILENT: gateway(bus(METER, device(SILENT, SILENT))),
    Cause.REFUSES: gateway(
        bus(METER, device(ExchangeFacts(heard=Heard.REFUSED, raw=bytes.fromhex("02 84 02 32 C1"), latency_s=0.01)))
    ),
    Cause.SLOW: gateway(
        bus(METER, device(ExchangeFacts(heard=Heard.GOOD, latency_s=0.42), profile="senseair/s8", timeout_s=0.18))
    ),
    Cause.OVERLOADED: gateway(bus(METER, load=1.2)),
    Cause.AGENT_DOWN: gateway(agent_runs=False),
    Cause.BROKER: gateway(broker_trouble="the host is there, but no broker listens"),
    Cause.SPOOL_FULL: gateway(spool_bytes=480 * 1024 * 1024),
    Cause.DISK_FULL: gateway(disk_free_bytes=40_000_000),
    Cause.CLOCK_UNSET: gateway(now_ms=86_400_000),
}
