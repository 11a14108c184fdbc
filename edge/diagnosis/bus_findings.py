"""What is wrong with one bus: closed, dumb, echoing, or with too much to do. Pure.

I1. Where a bus gives no answer at all there is one finding for the bus, not one for each device on it.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from edge.diagnosis.device_findings import device_findings, stream_findings
from edge.diagnosis.facts import BusFacts, ExchangeFacts, GatewayFacts
from edge.diagnosis.finding import Cause, Finding, bytes_of, place_of, second_master, wrong_line
from edge.diagnosis.heard import Heard

_BUSY: Final = 0.9


def bus_findings(bus: BusFacts, facts: GatewayFacts) -> Iterator[Finding]:
    """What is wrong with one bus and its devices."""
    if bus.trouble is not None:
        yield _closed(bus, facts)
        return
    yield from _load_findings(bus)
    asked = [device for device in bus.devices if device.exchanges]
    exchanges = [one for device in asked for one in device.exchanges]
    if exchanges:
        yield from _echo(bus, exchanges)
        if any(one.heard.has_head for one in exchanges):
            for device in asked:
                yield from device_findings(bus, device, [one for one in asked if one is not device], facts)
        else:
            yield _dumb(bus, exchanges, facts)
    for device in bus.devices:
        if device.stream is not None:
            yield from stream_findings(bus, device, device.stream, facts)


def _closed(bus: BusFacts, facts: GatewayFacts) -> Finding:
    """Why a bus cannot be opened."""
    port, trouble = bus.port, bus.trouble or ""
    if port is None:
        return Finding(
            cause=Cause.NOT_REACHED,
            where=place_of(bus),
            evidence=trouble,
            next_step=f"ping {bus.place.rpartition(':')[0]}; check its power, its address and the network",
        )
    if not port.exists:
        return Finding(
            cause=Cause.PORT_GONE,
            where=place_of(bus),
            evidence=f"{port.name} does not exist",
            next_step="plug the adapter in; sen-edge scan lists the ports there are",
        )
    if port.holders or "another program" in trouble or "in use" in trouble:
        holders = [f"{one.program or 'a program'} (process {one.pid})" for one in port.holders]
        who = ", ".join(holders) or "another program"
        return Finding(
            cause=Cause.PORT_BUSY,
            where=place_of(bus),
            evidence=f"{port.name} is open in {who}",
            next_step="end that program; a line has one master",
        )
    if not port.may_open:
        return Finding(
            cause=Cause.PORT_DENIED,
            where=place_of(bus),
            evidence=f"{facts.user} may not open {port.name} ({port.owners})",
            next_step=f"sudo adduser {facts.user} {_group_of(port.owners)}, and log in again",
        )
    return Finding(
        cause=Cause.NOT_REACHED,
        where=place_of(bus),
        evidence=trouble,
        next_step="check the bus's port and line settings in the gateway file",
    )


def _group_of(owners: str) -> str:
    return owners.partition("group ")[2].partition(",")[0] or "dialout"


def _dumb(bus: BusFacts, exchanges: Sequence[ExchangeFacts], facts: GatewayFacts) -> Finding:
    """Why nobody on a bus was understood."""
    better = next((one for one in bus.tried if one.is_answered), None)
    if better is not None:
        return wrong_line(bus, better)
    kinds = {one.heard for one in exchanges}
    if Heard.IDLE_NOISE in kinds and kinds <= {Heard.SILENT, Heard.ECHO, Heard.IDLE_NOISE}:
        return Finding(
            cause=Cause.SWAPPED,
            where=place_of(bus),
            evidence=f"no answer, only {bytes_of(exchanges, Heard.IDLE_NOISE)}: the line stands at the wrong level",
            next_step=f"swap A and B at the adapter, then sen-edge doctor {facts.config} --bus {bus.bus}",
        )
    if kinds & {Heard.GARBAGE, Heard.IDLE_NOISE}:
        tried = _stop_agent(bus) or f"sen-edge scan --port {bus.place} --guess tries all settings"
        return Finding(
            cause=Cause.WRONG_LINE,
            where=place_of(bus),
            evidence=f"what comes is no frame: {bytes_of(exchanges, Heard.GARBAGE)}",
            next_step=tried,
        )
    if Heard.FOREIGN in kinds:
        return second_master(bus, exchanges)
    tried_text = f", at {len(bus.tried)} other line settings neither" if bus.tried else ""
    return Finding(
        cause=Cause.NOBODY,
        where=place_of(bus),
        evidence=f"{len(exchanges)} questions, not one byte of an answer{tried_text}",
        next_step=_nobody_step(bus, facts),
    )


def _nobody_step(bus: BusFacts, facts: GatewayFacts) -> str:
    if not bus.kind.is_port:
        return f"check the unit addresses in {facts.config} and that the gateway's serial side has power"
    scan = _stop_agent(bus) or f"sen-edge scan --port {bus.place} --guess"
    return f"check power, A to A and B to B, and the address set on the device; then {scan}"


def _stop_agent(bus: BusFacts) -> str:
    """What to type where only a stopped agent lets other settings be tried."""
    return f"sudo systemctl stop sen-edge, then sen-edge scan --port {bus.place} --guess" if bus.is_agents else ""


def _load_findings(bus: BusFacts) -> Iterator[Finding]:
    if bus.load is not None and bus.load > _BUSY:
        yield Finding(
            cause=Cause.OVERLOADED,
            where=place_of(bus),
            evidence=f"reading takes {100 * bus.load:.0f} % of the bus's time as planned",
            next_step="read less often (every_s), raise the baud, or spread the devices over two buses",
        )


def _echo(bus: BusFacts, exchanges: Sequence[ExchangeFacts]) -> Iterator[Finding]:
    if any(one.has_echo for one in exchanges):
        yield Finding(
            cause=Cause.ECHO,
            where=place_of(bus),
            evidence="each request comes back before the answer",
            next_step="nothing must be done; some adapters have a switch or a setting against it",
            is_fault=False,
        )
