"""The composition root of the agent: the only file that knows all its parts."""

import asyncio
import gc
import json
import logging
import random
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from device_profiles.compiled import plain_to
from edge.acquisition import Acquisition, NotAllowedError, UnknownError
from edge.appraisal import Appraisal
from edge.clock import SystemClock
from edge.config import CheckedGateway
from edge.control import ControlDoor, ControlError, socket_path
from edge.diagnosis.agent_bus import ExchangeRequest, exchanged
from edge.diagnosis.fault_file import FAULT_FILE, FaultFile
from edge.diagnosis.flight_recorder import AROUND_S, fault_line, incident_told
from edge.machine import Machine, OwnNumbers
from edge.schedule import Lane
from edge.spool.base import SpoolError, SpoolState
from edge.spool.group_commit import GroupCommit
from edge.spool.keeper import SpoolKeeper
from edge.spool.segment_spool import SegmentSpool
from edge.spool.wear import Card
from edge.time_kept import KeptClock, ReplacedFile
from edge.time_spool import TimedSpool, book_in, trust_of
from edge.uplink.lanes import Lanes
from edge.uplink.link import BrokerAddress, MqttLink
from edge.uplink.sender import Identity, Sender, last_will_of
from edge.uplink.traffic import line_of
from wire.codec import encode_status
from wire.identifiers import GatewayId, SiteId
from wire.messages import BusStatus

# What crosses the control socket and the commands' output: JSON whose shape is made here.
Told = dict[str, Any]

_logger = logging.getLogger("edge")
_MEGABYTE: Final = 1024 * 1024
_DRAIN_S: Final = 5.0
_CLOCK_ASKED_S: Final = 1.0
_TIMES_FILE: Final = "times"
_DEFAULT_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
_CHECK_S: Final = 60.0
_NEWEST_FAULTS: Final = 3
_INTERRUPTED: Final = 130  # what shells expect of a program that Ctrl-C ended before it had begun


class AgentError(Exception):
    """A command cannot do what it was asked: what, where, and what to do."""


class Agent:
    """One gateway at work.

    Args:
        checked: the gateway file and its profiles.
        clock: wall time and waiting.
        chance: epochs and jitter.

    Raises:
        AgentError: its state folder cannot be used.
        SpoolError, ControlError: its spool or its socket cannot be had there.
    """

    def __init__(self, checked: CheckedGateway, *, clock: SystemClock, chance: random.Random) -> None:
        config = checked.config
        self._config = config
        self._started_s = clock.monotonic_s()
        state_dir = _made_state_dir(checked)
        gateway = GatewayId(config.gateway)
        times, self._boot_id = ReplacedFile(state_dir / _TIMES_FILE), clock.boot_id()
        book = book_in(times)
        self._trust = trust_of(book, self._boot_id)
        self._clock = kept = KeptClock(clock, self._trust)
        kept.hear()
        identity = Identity(gateway=gateway, site=SiteId(config.site), agent_version=_version(), boot_ms=kept.now_ms())
        self._acquisition = Acquisition(checked, clock=kept)
        spool = SegmentSpool.open(
            state_dir / "spool",
            gateway=gateway,
            max_bytes=config.spool.max_mb * _MEGABYTE,
            random_u64=lambda: chance.getrandbits(64),
        )
        self._keeper = SpoolKeeper(
            TimedSpool(spool, book=book, file=times, boot_id=self._boot_id, trust=self._trust, clock=kept)
        )
        self._card = Card(gigabytes=config.spool.card_gb, cycles=config.spool.card_cycles)
        self._link = MqttLink(
            broker_address(checked),
            gateway=gateway,
            last_will=encode_status(last_will_of(identity)),
            clock=kept,
            random_unit=chance.random,
        )
        self._sender = Sender(
            identity=identity,
            keeper=self._keeper,
            link=self._link,
            lanes=Lanes(random_unit=chance.random),
            clock=kept,
            inventory=self._acquisition.inventory(),
            devices=self._acquisition.health.statuses,
            trust=self._trust,
            send_s=config.send_s,
            numbers=self._numbers,
            line=line_of(config.hub),
        )
        self._machine = Machine(state_dir)
        self._group = GroupCommit(
            self._keeper,
            kept,
            records=config.spool.commit_records,
            seconds=config.spool.commit_s,
            on_accepted=self._sender.accepted,
        )
        self._appraisal = Appraisal(
            config.devices, health=self._acquisition.health, trust=self._trust, clock=kept, keep=self._group.add
        )
        self._fault_file = FaultFile(state_dir / FAULT_FILE)
        self._door = ControlDoor(
            socket_path(state_dir),
            {
                "status": self._status,
                "read": self._read,
                "write": self._write,
                "faults": self._faults,
                "exchange": self._exchange,
                "line": self._line,
            },
        )

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then deliver what is left, within bounds.

        Raises:
            ExceptionGroup: a part that must not end has ended.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                link = tasks.create_task(self._link.run(self._sender), name="link")
                sender = tasks.create_task(self._sender.run(), name="sender")
                group = tasks.create_task(self._group.run(), name="group-commit")
                door = tasks.create_task(self._door.run(), name="control")
                reading = tasks.create_task(self._acquisition.run(self._appraisal.take), name="acquisition")
                watch = tasks.create_task(self._watch_clock(), name="clock")
                faults = tasks.create_task(self._keep_faults(), name="faults")
                await stop.wait()
                _logger.info("stopping: what was read is made durable and delivered")
                await _ended(reading)
                await _ended(group)
                await self._group.commit()
                await _ended(sender)
                await self._sender.drain(within_s=_DRAIN_S)
                await _ended(link)
                await _ended(door)
                await _ended(faults)
                await _ended(watch)
                self._keep_settled(within_s=0.0)
        finally:
            self._keeper.close()
            await self._acquisition.close()

    def _numbers(self, spool: SpoolState) -> OwnNumbers:
        """How this gateway is, for its status: the machine, the spool, the clock, the link and the buses."""
        sent, ahead_ms = self._sender.counts(), self._trust.hub_ahead_ms
        machine = {
            **self._machine.numbers(),
            "spool_used_bytes": float(spool.bytes_on_disk),
            "spool_limit_bytes": float(self._config.spool.max_mb * _MEGABYTE),
            "disk_written_bytes": float(spool.bytes_written),
            "bytes_sent": float(sent.bytes_sent),
            "uptime_s": round(self._clock.monotonic_s() - self._started_s, 1),
        }
        if ahead_ms is not None:
            machine["clock_offset_ms"] = float(-ahead_ms)
        if sent.last_commit_delay_s is not None:
            machine["commit_delay_s"] = sent.last_commit_delay_s
        wrong, workers = self._acquisition.health.bus_numbers(), self._acquisition.workers
        loads = {bus: worker.numbers() for bus, worker in workers.items()}
        buses = tuple(
            BusStatus(bus=bus, numbers={**loads.get(bus, {}), **wrong.get(bus, {})}) for bus in sorted({*loads, *wrong})
        )
        return OwnNumbers(machine=machine, buses=buses)

    async def _status(self, _: Mapping[str, Any]) -> Told:
        try:
            spool = await self._keeper.state()
        except SpoolError as error:
            raise ControlError(str(error)) from error
        held, sent = self._group.held(), self._sender.counts()
        now_ms = self._clock.now_ms()
        oldest_ms = spool.oldest_uncommitted_ms
        return {
            "gateway": self._config.gateway,
            "site": self._config.site,
            "mode": self._config.mode,
            "version": _version(),
            "uptime_s": round(self._clock.monotonic_s() - self._started_s, 1),
            "link": {
                **asdict(sent),
                "broker": self._config.hub.broker,
                "connected": self._link.is_connected,
                "trouble": self._link.trouble,
            },
            "spool": {
                "epoch": f"{spool.epoch:016x}",
                "accepted_total": spool.accepted_total,
                "final_total": spool.final_total,
                "in_flight": spool.in_flight,
                "oldest_uncommitted_age_s": None if oldest_ms is None else max(0, now_ms - oldest_ms) / 1000,
                "lost": {str(reason): count for reason, count in spool.lost_total.items()},
                "bytes_written": spool.bytes_written,
                "bytes_per_record": spool.bytes_per_record,
                "card_years": self._card.years_at(spool, uptime_s=self._clock.monotonic_s() - self._started_s),
                "bytes_on_disk": spool.bytes_on_disk,
                "bytes_held": spool.bytes_held,
                "is_crowded": spool.is_crowded,
                "held": held.held,
                "dropped_before_acceptance": held.dropped,
                "trouble": held.trouble,
            },
            "clock": {
                "quality": self._trust.moment(self._clock.monotonic_s()).quality.name.lower(),
                "boot_id": self._boot_id,
                "machine_behind_s": self._trust.machine_behind_s,
                "hub_ahead_s": None if self._trust.hub_ahead_ms is None else self._trust.hub_ahead_ms / 1000,
            },
            "buses": {bus: worker.load() for bus, worker in self._acquisition.workers.items()},
            "faults": [fault_line(one) for one in self._acquisition.faults.incidents()[-_NEWEST_FAULTS:]],
            "devices": self._acquisition.health.snapshot(now_ms=now_ms),
        }

    async def _watch_clock(self) -> None:
        """Look at the machine's clock again and again."""
        while True:
            self._clock.hear()
            await self._clock.sleep(_CLOCK_ASKED_S)

    async def _keep_faults(self) -> None:
        """Keep on disk what went wrong, as soon as its aftermath is over."""
        while True:
            await self._clock.sleep(AROUND_S)
            self._keep_settled(within_s=AROUND_S)

    def _keep_settled(self, *, within_s: float) -> None:
        """Keep the settled incidents: rare and small, so that the loop may wait for the disk."""
        settled = self._acquisition.faults.settle(within_s=within_s)
        if not settled:
            return
        try:
            self._fault_file.append([incident_told(one) for one in settled])
        except OSError as error:
            _logger.warning("faults are not kept on disk: %s", error)

    async def _faults(self, _: Mapping[str, Any]) -> Told:
        return {"incidents": [incident_told(one) for one in self._acquisition.faults.incidents()]}

    async def _line(self, request: Mapping[str, Any]) -> Told:
        bus = str(request.get("bus"))
        try:
            return self._acquisition.faults.line(bus)
        except KeyError as error:
            raise ControlError(f"bus {bus!r}: no bus with devices; see the gateway file") from error

    async def _exchange(self, request: Mapping[str, Any]) -> Told:
        try:
            asked = ExchangeRequest.from_told(request)
        except (KeyError, TypeError, ValueError) as error:
            raise ControlError(f"not understood ({error}); is this program newer than the agent?") from error
        try:
            bus = self._acquisition.lane_bus(asked.bus, Lane.BACKGROUND)
        except KeyError as error:
            raise ControlError(f"bus {asked.bus!r}: no Modbus bus with devices; see the gateway file") from error
        return await exchanged(bus, asked)

    async def _read(self, request: Mapping[str, Any]) -> Told:
        device = str(request.get("device"))
        try:
            return await self._acquisition.read(device)
        except UnknownError as error:
            raise ControlError(str(error)) from error

    async def _write(self, request: Mapping[str, Any]) -> Told:
        device, control, value = (str(request.get(key)) for key in ("device", "control", "value"))
        try:
            return await self._acquisition.write(device, control, value)
        except (UnknownError, NotAllowedError) as error:
            raise ControlError(str(error)) from error


def run_gateway(config: Path, *, verbose: bool) -> int:
    """The agent, until it is told to stop; its exit code."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        asyncio.run(_run(checked_in_child(config)))
    except AgentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (SpoolError, ControlError) as error:
        sys.stderr.write(f"sen-edge: {error}\n")
        return 1
    except ExceptionGroup as group:
        known, foreign = group.split((SpoolError, ControlError))
        for one in known.exceptions if known else ():
            sys.stderr.write(f"sen-edge: {one}\n")
        if foreign:
            _logger.critical("a part of the agent has failed; it ends, to be started again", exc_info=foreign)
        return 1
    return 0


async def _run(checked: CheckedGateway) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    agent = Agent(checked, clock=SystemClock(), chance=random.SystemRandom())
    gc.freeze()  # what was made at the start stays: looking through it again and again would be most of collecting
    _logger.info("gateway %s reads %d devices", checked.config.gateway, len(checked.config.devices))
    await agent.run(stop)


def checked_in_child(config: Path) -> CheckedGateway:
    """The gateway file, checked by a process of its own, so that this one stays lean.

    Raises:
        AgentError: with every fault of the file.
    """
    command = [sys.executable, "-m", "edge.configure", str(config)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CHECK_S, check=False)  # noqa: S603 - ourselves
    except subprocess.TimeoutExpired as error:
        raise AgentError(f"{config}: checking it took longer than {_CHECK_S:.0f} s; try again") from error
    if done.returncode:
        raise AgentError(done.stderr.strip())
    return plain_to(CheckedGateway, json.loads(done.stdout))


def broker_address(checked: CheckedGateway) -> BrokerAddress:
    """Where the broker is, from its URL."""
    hub, folder = checked.config.hub, Path(checked.folder)
    parts = urlsplit(hub.broker)
    return BrokerAddress(
        host=parts.hostname or "",
        port=parts.port or _DEFAULT_PORTS[parts.scheme],
        tls=parts.scheme == "mqtts",
        ca_file=None if hub.ca_file is None else folder / hub.ca_file,
        username=hub.username,
        password_file=None if hub.password_file is None else folder / hub.password_file,
        keepalive_s=hub.keepalive_s,
    )


def state_dir_of(checked: CheckedGateway) -> Path:
    """The folder in which a gateway keeps its spool, its socket and its faults."""
    return Path(checked.folder) / checked.config.state_dir


def _made_state_dir(checked: CheckedGateway) -> Path:
    folder = state_dir_of(checked)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        text = f"sen-edge: state_dir {folder}: {error.strerror}; name a folder this user may write"
        raise AgentError(text) from error
    return folder


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _version() -> str:
    try:
        return version("sen")
    except PackageNotFoundError:
        return "0"
