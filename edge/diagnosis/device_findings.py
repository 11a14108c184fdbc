"""What is wrong with one device: of a Modbus bus on which somebody was understood, or on a line of its own. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from edge.diagnosis.facts import BusFacts, DeviceFacts, GatewayFacts, StreamFacts
from edge.diagnosis.finding import SHOWN_BYTES, Cause, Finding, bytes_of, second_master, wrong_line
from edge.diagnosis.heard import Heard

_LATE_SHARE: Final = 0.05
_SILENCE: Final = frozenset({Heard.SILENT, Heard.ECHO})
_IDLE: Final = frozenset({0x00, 0xFF})


def device_findings(
    bus: BusFacts, device: DeviceFacts, others: Sequence[DeviceFacts], facts: GatewayFacts
) -> Iterator[Finding]:
    """What is wrong with one device on a bus on which somebody was understood."""
    kinds = [one.heard for one in device.exchanges]
    where = f"{device.device} (unit {device.unit} on {bus.bus})"
    if Heard.TWICE in kinds or (_is_damaged(device) and others and not any(_is_damaged(one) for one in others)):
        yield _duplicate(device, where)
    elif _is_damaged(device):
        yield _disturbed(device, where, others)
    elif all(kind in _SILENCE for kind in kinds):
        yield Finding(
            cause=Cause.SILENT,
            where=where,
            evidence=f"{len(kinds)} questions without an answer, while others on the bus answer",
            next_step=f"check its power and address: sen-edge scan {facts.config} --bus {bus.bus}",
        )
    elif Heard.FOREIGN in kinds:
        yield second_master(bus, device.exchanges)
    elif all(kind is Heard.REFUSED for kind in kinds):
        yield Finding(
            cause=Cause.REFUSES,
            where=where,
            evidence=f"it refuses what {device.profile} asks first: {bytes_of(device.exchanges, Heard.REFUSED)}",
            next_step=f"is it this model? sen-edge scan {facts.config} --bus {bus.bus} --units {device.unit}",
        )
    elif any(kind in _SILENCE for kind in kinds):
        yield Finding(
            cause=Cause.SILENT,
            where=where,
            evidence=f"{sum(kind in _SILENCE for kind in kinds)} of {len(kinds)} questions without an answer",
            next_step="check its plugs and its power supply; a device that answers after more than "
            f"{device.timeout_s:g} s needs a profile of its own with another timeout_ms",
        )
    yield from _slow(device, where)


def _duplicate(device: DeviceFacts, where: str) -> Finding:
    twice = bytes_of(device.exchanges, Heard.TWICE)
    alone = f"only its answers are damaged, while others on the bus are understood: {_damage_of(device)}"
    return Finding(
        cause=Cause.DUPLICATE,
        where=where,
        evidence=f"two answers to one question: {twice}" if twice else alone,
        next_step=f"two devices have address {device.unit}: switch one off, give the other a new address",
    )


def _disturbed(device: DeviceFacts, where: str, others: Sequence[DeviceFacts]) -> Finding:
    """The line, most likely; where nobody else is on it, two devices with one address look the same."""
    step = "check termination (120 ohm at both ends only), the shield, and the ground wire"
    compared = "as others on this bus" if others else "and no other device to compare it with"
    also = "" if others else f"; and that no second device has address {device.unit}"
    return Finding(
        cause=Cause.NOISE,
        where=where,
        evidence=f"damaged answers, {compared}: {_damage_of(device)}",
        next_step=step + also,
    )


def _damage_of(device: DeviceFacts) -> str:
    kinds = (Heard.DAMAGED, Heard.CUT_OFF, Heard.GARBAGE)
    return next((shown for kind in kinds if (shown := bytes_of(device.exchanges, kind))), "")


def _slow(device: DeviceFacts, where: str) -> Iterator[Finding]:
    latencies_s = [one.latency_s for one in device.exchanges if one.heard.is_answer and one.latency_s is not None]
    if latencies_s and min(latencies_s) > device.timeout_s:
        yield Finding(
            cause=Cause.SLOW,
            where=where,
            evidence=f"it takes {min(latencies_s):.2f} s to answer; {device.profile} allows {device.timeout_s:g} s",
            next_step=f"copy the profile beside the gateway file, with timeout_ms: {_roomy_ms(max(latencies_s))}",
        )
    if device.late and device.late > _LATE_SHARE * (device.reads + device.late):
        yield Finding(
            cause=Cause.SLOW,
            where=where,
            evidence=f"{device.late} readings came too late for their period, {device.reads} in time",
            next_step="read it less often (every_s in the gateway file), or raise the bus's baud",
        )


def _roomy_ms(latency_s: float) -> int:
    """Twice as long as it took, in whole tenths of a second."""
    return int(latency_s * 2 * 10 + 1) * 100


def stream_findings(bus: BusFacts, device: DeviceFacts, stream: StreamFacts, facts: GatewayFacts) -> Iterator[Finding]:
    """What is wrong with a device that speaks a protocol of its own."""
    where = f"{device.device} on {bus.bus}"
    better = next((one for one in bus.tried if one.is_answered and one.device == device.device), None)
    shown = stream.raw[:SHOWN_BYTES].hex(" ")
    if stream.good:
        if stream.bad > stream.good:
            step = "check the ground wire, the shield and the length of the cable"
            evidence = f"{stream.bad} bad frames and {stream.good} good ones in {stream.seconds:.0f} s"
            yield Finding(cause=Cause.NOISE, where=where, evidence=evidence, next_step=step)
    elif better is not None:
        yield wrong_line(bus, better)
    elif not stream.raw:
        yield Finding(
            cause=Cause.NOBODY,
            where=where,
            evidence=f"not one byte in {stream.seconds:.0f} s",
            next_step="check its power, and that its TX goes to our RX",
        )
    elif set(stream.raw) <= _IDLE:
        yield Finding(
            cause=Cause.SWAPPED,
            where=where,
            evidence=f"only {shown}: the line stands at the wrong level",
            next_step="swap the two wires (A and B, or use the inverted output)",
        )
    else:
        yield Finding(
            cause=Cause.WRONG_LINE,
            where=where,
            evidence=f"{len(stream.raw)} bytes, not one frame of {device.profile}: {shown}",
            next_step=f"is it this model, at this baud? then sen-edge doctor {facts.config} --bus {bus.bus}",
        )


def _is_damaged(device: DeviceFacts) -> bool:
    """Whether at least half of what came from it was damaged."""
    damaged = sum(one.heard in {Heard.DAMAGED, Heard.GARBAGE, Heard.CUT_OFF} for one in device.exchanges)
    return 2 * damaged >= len(device.exchanges) and damaged > 0
