"""The facts of a gateway's buses: each opened, its devices asked, other settings tried where nobody is understood."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from device_profiles.model import DeviceProfile
from device_profiles.plan import bus_time_us, read_plan
from device_profiles.point_model import Line
from edge.clock import Clock
from edge.config import BusConfig, BusKind, CheckedGateway, DeviceConfig
from edge.diagnosis.agent_bus import AgentBus
from edge.diagnosis.facts import BusFacts, DeviceFacts, TriedLine
from edge.diagnosis.lines import USUAL_LINE, bus_alone, line_alone
from edge.diagnosis.ports import port_facts
from edge.diagnosis.probing import Question, SeenBytes, asked_on_bus, asked_raw, exchanged_raw, listened, question
from edge.diagnosis.survey import USUAL_LINES, line_text
from edge.drivers.base import ByteStream, DriverError, RegisterBus, Tap
from edge.drivers.opened import line_settings

_MODBUS_TCP_PORT: Final = 502
_LISTEN_S: Final = 4.0
_TRY_S: Final = 0.3
_TRY_LISTEN_S: Final = 1.5
_TRIED_DEVICES: Final = 2
_NETWORK_BAUD: Final = 1_000_000
_US: Final = 1_000_000

# What a running agent tells of itself: JSON of edge/app.py.
Told = Mapping[str, Any]
Say = Callable[[str], None]
Opened = Callable[[Line, Tap | None], AbstractAsyncContextManager[ByteStream]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One bus to look at, with its devices and their profiles.

    `opened` opens its line with settings; `others` are those to try where nobody is understood.
    """

    bus: BusConfig
    line: Line
    devices: Sequence[DeviceConfig]
    profiles: Mapping[str, DeviceProfile]
    opened: Opened
    others: Sequence[Line] = USUAL_LINES


def subject(checked: CheckedGateway, bus: BusConfig, *, device: str | None, clock: Clock) -> Subject:
    """A bus of a gateway file, with all its devices or one of them."""
    devices = [one for one in checked.config.devices if one.bus == bus.bus and device in {None, one.device}]
    factory = checked.profiles[devices[0].profile].line if devices else USUAL_LINE

    def opened(line: Line, tap: Tap | None) -> AbstractAsyncContextManager[ByteStream]:
        chosen = replace(bus, baud=line.baud, parity=line.parity, stop_bits=line.stop_bits)
        return line_alone(chosen if bus.kind.is_port else bus, line, clock=clock, tap=tap)

    return Subject(bus=bus, line=line_settings(bus, factory), devices=devices, profiles=checked.profiles, opened=opened)


async def facts_alone(one: Subject, *, clock: Clock, say: Say) -> BusFacts:
    """The facts of a bus that nobody else has open."""
    found = _begun(one)
    try:
        if one.bus.kind is BusKind.MODBUS_TCP:
            async with bus_alone(one.bus, one.line, clock=clock) as bus:
                return replace(found, devices=await _asked(one, bus, say, is_rtu=False))
        if one.bus.kind.is_modbus:
            return await _rtu_facts(one, found, clock, say)
        return await _stream_facts(one, found, clock, say)
    except DriverError as error:
        return replace(found, trouble=str(error))


async def facts_of_agent(one: Subject, door: Path, told: Told, *, say: Say) -> BusFacts:
    """The facts of a bus that a running agent has open: it is asked through it, and what it has counted is added."""
    found = replace(_begun(one), is_agents=True)
    devices = found.devices
    if one.bus.kind.is_modbus:
        is_rtu = one.bus.kind is not BusKind.MODBUS_TCP
        try:
            devices = await _asked(one, AgentBus(door, one.bus.bus), say, is_rtu=is_rtu)
        except DriverError as error:
            found = replace(found, trouble=str(error))
    counted = {device["device"]: device for device in told["devices"]}
    return replace(found, devices=tuple(_counted(device, counted.get(device.device)) for device in devices))


def _begun(one: Subject) -> BusFacts:
    """What is known of a bus before anything is opened."""
    bus = one.bus
    return BusFacts(
        bus=bus.bus,
        kind=bus.kind,
        place=bus.port or f"{bus.host}:{bus.tcp_port or _MODBUS_TCP_PORT}",
        line=one.line,
        port=port_facts(bus.port) if bus.port is not None else None,
        devices=tuple(_device(device) for device in one.devices),
        load=_load(one) if bus.kind.is_modbus and one.devices else None,
    )


def _device(device: DeviceConfig) -> DeviceFacts:
    return DeviceFacts(device=device.device, profile=device.profile, unit=device.unit)


def _questions(one: Subject) -> list[tuple[DeviceConfig, Question]]:
    found = []
    for device in one.devices:
        modbus = one.profiles[device.profile].modbus
        if modbus is not None:
            found.append((device, question(modbus, device.unit or modbus.unit or 1, baud=one.line.baud)))
    return found


async def _asked(one: Subject, bus: RegisterBus, say: Say, *, is_rtu: bool) -> tuple[DeviceFacts, ...]:
    found = []
    for device, asked in _questions(one):
        say(f"{one.bus.bus}: asking {device.device}")
        exchanges = await asked_on_bus(bus, asked, is_rtu=is_rtu)
        found.append(replace(_device(device), unit=asked.unit, timeout_s=asked.timeout_s, exchanges=exchanges))
    return tuple(found)


async def _rtu_facts(one: Subject, found: BusFacts, clock: Clock, say: Say) -> BusFacts:
    devices = []
    async with one.opened(one.line, None) as line:
        for device, asked in _questions(one):
            say(f"{one.bus.bus}: asking {device.device}")
            exchanges = await asked_raw(line, asked, baud=one.line.baud, clock=clock)
            devices.append(replace(_device(device), unit=asked.unit, timeout_s=asked.timeout_s, exchanges=exchanges))
    found = replace(found, devices=tuple(devices))
    is_dumb = devices and not any(exchange.heard.has_head for device in devices for exchange in device.exchanges)
    if not is_dumb or not one.bus.kind.is_port:
        return found
    return replace(found, tried=tuple(await _tried_lines(one, clock, say)))


async def _tried_lines(one: Subject, clock: Clock, say: Say) -> list[TriedLine]:
    """Other settings, until with one of them a device is understood."""
    tried: list[TriedLine] = []
    for line in (other for other in one.others if other != one.line):
        say(f"{one.bus.bus}: nobody is understood; trying {line_text(line)}")
        for device, asked in _questions(one)[:_TRIED_DEVICES]:
            is_answered = await _understood(one, line, asked, clock)
            tried.append(TriedLine(line=line, device=device.device, is_answered=is_answered))
            if is_answered:
                return tried
    return tried


async def _understood(one: Subject, line: Line, asked: Question, clock: Clock) -> bool:
    try:
        async with one.opened(line, None) as opened:
            timeout_s = min(asked.timeout_s, _TRY_S)
            exchange = await exchanged_raw(opened, asked, timeout_s=timeout_s, baud=line.baud, clock=clock)
    except DriverError:
        return False  # not every adapter can do every setting
    return exchange.heard.is_answer


async def _stream_facts(one: Subject, found: BusFacts, clock: Clock, say: Say) -> BusFacts:
    devices: list[DeviceFacts] = []
    tried: list[TriedLine] = []
    for device in one.devices:
        say(f"{one.bus.bus}: listening to {device.device} for {_LISTEN_S:g} s at most")
        seen = SeenBytes()
        profile = one.profiles[device.profile]
        async with one.opened(one.line, seen) as line:
            facts = await listened(line, profile, unit=device.unit, seconds=_LISTEN_S, clock=clock, seen=seen)
        devices.append(replace(_device(device), stream=facts))
        if facts.raw and not facts.good and one.bus.kind.is_port:
            tried += await _tried_streams(one, device, clock, say)
    return replace(found, devices=tuple(devices), tried=tuple(tried))


async def _tried_streams(one: Subject, device: DeviceConfig, clock: Clock, say: Say) -> list[TriedLine]:
    """Other speeds, until with one of them a frame is read."""
    tried: list[TriedLine] = []
    speeds = dict.fromkeys(line.baud for line in one.others)
    for baud in (speed for speed in speeds if speed != one.line.baud):
        line = replace(one.line, baud=baud)
        say(f"{one.bus.bus}: no frame; trying {line_text(line)}")
        seen = SeenBytes()
        profile = one.profiles[device.profile]
        try:
            async with one.opened(line, seen) as opened:
                facts = await listened(opened, profile, unit=device.unit, seconds=_TRY_LISTEN_S, clock=clock, seen=seen)
        except DriverError:
            continue
        tried.append(TriedLine(line=line, device=device.device, is_answered=facts.good > 0))
        if facts.good:
            break
    return tried


def _counted(device: DeviceFacts, told: Told | None) -> DeviceFacts:
    """What a running agent has counted of a device."""
    if told is None:
        return device
    return replace(device, reads=int(told["reads"]), late=int(told["late"]), errors=dict(told["errors"]))


def _load(one: Subject) -> float:
    """The share of the bus's time that its devices' requests take."""
    baud = _NETWORK_BAUD if one.bus.kind is BusKind.MODBUS_TCP else one.line.baud
    return sum(_share(device, one.profiles[device.profile], baud) for device in one.devices)


def _share(device: DeviceConfig, profile: DeviceProfile, baud: int) -> float:
    if profile.modbus is None:
        return 0.0
    turnaround_ms = profile.modbus.turnaround_ms
    share = 0.0
    for plan in read_plan(profile.modbus, baud=baud):
        work_us = sum(bus_time_us(request, turnaround_ms=turnaround_ms, baud=baud) for request in plan.requests)
        share += work_us / _US / device.every_s.get(plan.group.name, plan.group.every_s)
    return share
