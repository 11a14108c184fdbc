"""What the devices of a gateway file cost their buses, and the card."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer

from device_profiles.bus_load import BusLoad
from device_profiles.plan_text import plan_lines, verdict
from edge.app import AgentError, checked_in_child
from edge.commands.ending import AsJson, Config, fail
from edge.config import CheckedGateway
from edge.load_rules import bus_loads
from edge.printed import size_text, wrapped, years_text
from edge.spool.wear import Card, Flow, Writing, writing_of
from edge.uplink.traffic import STATUS_EVERY_S, Traffic, line_of, traffic_of
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import BusStatus, DeviceStatus, Status
from wire.records import MAX_TIME_MS, Quality, Stream


def plan(
    config: Config = Path("gateway.yaml"),
    *,
    response_ms: Annotated[int, typer.Option(min=0, help="How long devices take before they answer.")] = 20,
    requests: Annotated[bool, typer.Option("--requests", help="Tell each request.")] = False,
    as_json: AsJson = False,
) -> None:
    """What is asked of each Modbus bus, what each device costs, and whether the periods hold; how long the card lasts.

    And how much the line to the hub carries in a month. Asks no device.

    Example: sen-edge plan /etc/sen/gateway.yaml --requests
    """
    try:
        checked = checked_in_child(config)
    except AgentError as error:
        fail(str(error))
    loads = bus_loads(checked, response_ms=response_ms)
    card, flows = _card_of(checked), _flows_of(checked)
    writing, traffic = _writing_of(checked, flows), _traffic_of(checked, flows)
    years = card.years(writing.bytes_per_day)
    if as_json:
        buses = {bus: _plain(load) for bus, load in loads.items()}
        typer.echo(json.dumps({"buses": buses, "card": _plain_card(writing, years), "line": _plain_line(traffic)}))
        return
    for bus, load in loads.items():
        typer.echo(f"bus {bus}, where answers begin after {response_ms} ms")
        typer.echo("\n".join(plan_lines(load, with_requests=requests)))
    others = [bus.bus for bus in checked.config.buses if bus.bus not in loads]
    if others:
        typer.echo(f"no plan for {', '.join(others)}: what is on it speaks by itself or has a protocol of its own")
    typer.echo("\n".join(wrapped(_card_text(checked, writing, years), indent=6)))
    typer.echo("\n".join(wrapped(_line_text(checked, traffic), indent=6)))


# How many numbers a status tells of the machine and of each bus.
_MACHINE_NUMBERS: Final = 16
_BUS_NUMBERS: Final = 8


def _card_of(checked: CheckedGateway) -> Card:
    return Card(gigabytes=checked.config.spool.card_gb, cycles=checked.config.spool.card_cycles)


def _flows_of(checked: CheckedGateway) -> list[Flow]:
    """Every group is recorded as often as it is read."""
    config = checked.config
    return [
        Flow(
            stream=Stream(
                site=SiteId(device.site or config.site),
                device=DeviceId(device.device),
                group=group.name,
                measurement=group.measurement,
                mode=config.mode,
                kind=group.kind,
                points=group.layout,
            ),
            period_s=device.every_s.get(group.name, group.every_s),
        )
        for device in config.devices
        for group in checked.profiles[device.profile].groups
    ]


def _writing_of(checked: CheckedGateway, flows: list[Flow]) -> Writing:
    config, spool = checked.config, checked.config.spool
    return writing_of(GatewayId(config.gateway), flows, commit_records=spool.commit_records, commit_s=spool.commit_s)


def _traffic_of(checked: CheckedGateway, flows: list[Flow]) -> Traffic:
    """What the line carries when each record is sent once, with a status as a gateway of so many devices says it."""
    config = checked.config
    status = Status(
        gateway=GatewayId(config.gateway),
        online=True,
        site=SiteId(config.site),
        agent_version="0.1.0",
        boot_ms=MAX_TIME_MS,
        accepted_total=10**9,
        final_total=10**9,
        in_flight=10,
        oldest_uncommitted_ms=MAX_TIME_MS,
        devices=tuple(
            DeviceStatus(device=DeviceId(device.device), quality=Quality.GOOD, last_good_ms=MAX_TIME_MS)
            for device in config.devices
        ),
        machine=_numbers(_MACHINE_NUMBERS),
        buses=tuple(BusStatus(bus=bus.bus, numbers=_numbers(_BUS_NUMBERS)) for bus in config.buses),
    )
    return traffic_of(flows, status, send_s=config.send_s, line=line_of(config.hub))


def _numbers(count: int) -> dict[str, float]:
    """So many numbers with names as long as theirs are."""
    return {f"quantity_no_{n:02}": 7919.5 * n for n in range(count)}


def _card_text(checked: CheckedGateway, writing: Writing, years: float) -> str:
    spool = checked.config.spool
    return (
        f"card: {writing.records_per_s:.2f} records a second in {writing.commits_per_s:.2f} commits write"
        f" {size_text(round(writing.bytes_per_day))} a day, {writing.bytes_per_record:.0f} bytes a record; a card of"
        f" {spool.card_gb:g} GB that can be written {spool.card_cycles} times bears this for {years_text(years)}"
    )


def _line_text(checked: CheckedGateway, traffic: Traffic) -> str:
    return (
        f"line: {traffic.batches_per_s:.2f} batches a second and a status each {STATUS_EVERY_S:.0f} s carry"
        f" {size_text(round(traffic.carried_per_month))} in 30 days; with TCP and IP, and a keepalive of"
        f" {checked.config.hub.keepalive_s} s, about {size_text(round(traffic.bytes_per_month))}"
    )


def _plain_line(traffic: Traffic) -> dict[str, float]:
    return {
        "batches_per_s": round(traffic.batches_per_s, 3),
        "carried_bytes_per_month": round(traffic.carried_per_month),
        "overhead_bytes_per_month_estimated": round(traffic.overhead_per_month),
    }


def _plain_card(writing: Writing, years: float) -> dict[str, float]:
    return {
        "records_per_s": round(writing.records_per_s, 3),
        "commits_per_s": round(writing.commits_per_s, 3),
        "bytes_per_record": round(writing.bytes_per_record, 1),
        "bytes_per_day": round(writing.bytes_per_day),
        "years": round(years, 2),
    }


def _plain(load: BusLoad) -> dict[str, object]:
    return {
        "percent": round(100 * load.share, 2),
        "holds": load.holds,
        "verdict": verdict(load),
        "devices": {name: round(100 * share, 2) for name, share in load.devices().items()},
        "requests": sum(len(group.turns) for group in load.groups),
    }
