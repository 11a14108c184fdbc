"""The hub put together: the only file that knows its concrete stores and brokers, and the tasks that run it."""

import asyncio
import logging
import random
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

import uvicorn
from fastapi import APIRouter, FastAPI

from hub.api.access import Access
from hub.api.changes import Changes, changes_router
from hub.api.map import maps_of
from hub.api.routes import PREFIX, add_errors, api_router
from hub.api.shown import Running, Shown
from hub.api.views import Presence, presence_of
from hub.audit.auditor import Auditor
from hub.broker.base import Broker, Listener, TlsListener
from hub.broker.child import ChildBroker
from hub.broker.client import HubLink, LinkDown
from hub.broker.embedded import embedded_program
from hub.broker.external import ExternalBroker, door_of
from hub.broker.mosquitto import find_mosquitto, mosquitto_program
from hub.clock import Clock
from hub.config import BrokerKind, ConfigError, HubFolder
from hub.console.routes import add_console
from hub.freshness.heard import Heard
from hub.freshness.writer import FreshnessWriter
from hub.ingest.crash_journal import CrashJournal
from hub.ingest.decide import greeting
from hub.ingest.guards import Guards
from hub.ingest.second_try import SecondTry
from hub.ingest.worker import IngestWorker
from hub.kept import make_levels, only_hub, open_registry, open_series, open_windows
from hub.levels.level import Level
from hub.levels.touched import Windows
from hub.operations.leadership import Alone, Leadership
from hub.operations.memory import own_memory_bytes
from hub.operations.store_trial import StoreTrial
from hub.operations.writer import OperationsWriter
from hub.registry.model import GatewayState, RegistryError
from hub.registry.store import Registry
from hub.series.base import SeriesStore
from hub.series.influx import InfluxSeriesStore
from wire.codec import encode_commit
from wire.topics import Down, Up, down_topic

if TYPE_CHECKING:
    from wire.identifiers import GatewayId

_log = logging.getLogger(__name__)
_LOOK_S: Final = 5.0


def hub_version() -> str:
    """This software's version."""
    try:
        return version("sen")
    except PackageNotFoundError:
        return "not installed"


async def serve(folder: HubFolder, *, clock: Clock, stop: asyncio.Event, started: Callable[[str], None]) -> None:
    """Run the hub until `stop` is set; `started` is told the page's address once everything is up.

    Raises:
        ConfigError: the folder is in use or not writable, or the HTTP address is taken.
        BrokerError: the broker does not start.
        SeriesError: the series store cannot be opened.
        RegistryError: the registry cannot be opened.
    """
    with only_hub(folder), _listening(folder) as door:
        async with (
            open_registry(folder) as registry,
            open_series(folder) as stores,
            open_windows(folder, registry, clock) as touched,
            _running(folder, clock) as broker,
        ):
            hub = _Hub(folder, registry=registry, stores=stores, touched=touched, broker=broker, clock=clock)
            await hub.run(door, stop=stop, started=started)


class _Hub:
    """The running parts and what they are to each other."""

    def __init__(
        self,
        folder: HubFolder,
        *,
        registry: Registry,
        stores: Mapping[Level, SeriesStore],
        touched: Windows,
        broker: Broker,
        clock: Clock,
    ) -> None:
        heard = Heard()
        self._levels = make_levels(
            folder, registry=registry, stores=stores, touched=touched, watchers=[heard.hear], clock=clock
        )
        series = self._levels.series
        workers = folder.config.workers
        self._freshness = FreshnessWriter(
            fleet=registry.fleet, heard=heard, series=series, clock=clock, others_store=workers.shared
        )
        self._leadership = (
            Leadership(registry.lease, holder=secrets.token_hex(16), lease_s=workers.lease_s, clock=clock)
            if workers.shared
            else Alone()
        )
        self._folder = folder
        self._registry = registry
        self._broker = broker
        self._clock = clock
        raw = stores[Level.RAW]
        self._trial = StoreTrial(raw.probe if isinstance(raw, InfluxSeriesStore) else None, clock=clock)
        self._journal = CrashJournal(folder.path / "ingest.journal")
        guards = Guards(journal=self._journal)
        self._worker = IngestWorker(registry=registry, series=series, publish=self._say, clock=clock, guards=guards)
        self._operations = OperationsWriter(
            registry=registry,
            series=series,
            ingest=self._worker.counters,
            is_online=lambda gateway, now_ms: presence_of(gateway, now_ms=now_ms) is Presence.ONLINE,
            memory_bytes=own_memory_bytes,
            clock=clock,
        )
        auditor = self._auditor = Auditor(registry=registry, series=series, clock=clock)
        second_try = SecondTry(
            letters=registry.dead_letters,
            ledger=registry.ledger,
            write=self._worker.write_again,
            handle=self._worker.handle,
            clock=clock,
        )
        self._changes = Changes(
            letters=registry.dead_letters,
            retry=second_try.retry,
            close_breaker=self._worker.close_breaker,
            audit=lambda first, last, repair: auditor.audit(first_day=first, last_day=last, repair=repair),
            now_ms=clock.now_ms,
        )
        self._link = HubLink(
            broker.door,
            hear=self._hear,
            clock=clock,
            chance=random.Random(),  # noqa: S311 - spreads reconnects
            wants_share=workers.shared,
        )
        running = Running(
            version=hub_version(),
            started_ms=clock.now_ms(),
            broker_kind=broker.kind,
            series_kind=folder.config.series.kind.value,
            registry_kind=folder.registry_url.partition("://")[0].partition("+")[0],
            broker_trouble=lambda: self._link.trouble,
            ingest=self._worker.counters,
            store_faults=lambda: self._trial.faults,
            store_found=lambda: self._trial.found,
            leads=lambda: self._leadership.leads,
        )
        self._shown = Shown(registry=registry, series=series, running=running, clock=clock, levels=stores)

    async def run(self, door: socket.socket, *, stop: asyncio.Event, started: Callable[[str], None]) -> None:
        token = self._folder.http_token if self._folder.config.http.needs_token else None
        server = _Server(uvicorn.Config(
            web_app(
                self._shown,
                token=token,
                changes=changes_router(self._changes, token=self._folder.http_token),
                maps=maps_of(self._folder, self._shown),
            ),
            log_config=None, access_log=False, lifespan="off",
            timeout_graceful_shutdown=2, server_header=False,
        ))  # fmt: skip
        async with asyncio.TaskGroup() as tasks:
            lasting = [
                tasks.create_task(self._broker.keep(), name="broker"),
                tasks.create_task(self._link.run(), name="link"),
                tasks.create_task(self._trial.run(self._worker.run), name="ingest"),
                tasks.create_task(self._leadership.run(self._lead), name="leadership"),
                tasks.create_task(self._greet_gateways(), name="fleet"),
            ]
            serving = tasks.create_task(server.serve(sockets=[door]), name="http")
            started(f"http://{_shown_address(door)}")
            await stop.wait()
            server.should_exit = True
            await serving
            for task in lasting:
                task.cancel()
        self._journal.close()

    def _hear(self, topic: str, payload: bytes) -> None:
        """Of several hubs one takes in what gateways say about themselves: the broker has it retained for the next."""
        if self._leadership.leads or (self._link.has_share and topic.endswith(f"/{Up.BATCH}")):
            self._worker.offer(topic, payload)

    async def _lead(self) -> None:
        """What must not be done twice; the hub that led before may have died with statuses in its hands."""
        await self._link.hear_retained()
        async with asyncio.TaskGroup() as tasks:
            for name, part in (
                ("levels", self._levels),
                ("freshness", self._freshness),
                ("operations", self._operations),
                ("audit", self._auditor),
            ):
                tasks.create_task(part.run(), name=name)

    async def _say(self, topic: str, payload: bytes) -> None:
        try:
            await self._link.publish(topic, payload)
        except LinkDown as error:
            _log.debug("not said on %s: %s", topic, error)  # the gateway asks again

    async def _greet_gateways(self) -> None:
        """Hear again what new gateways said before they were registered: the broker has it retained.

        And tell all of them that the hub hears again after it did not: else they wait as long as its silence was.
        """
        known: set[GatewayId] | None = None
        greeted_on = 0
        while True:
            with suppress(RegistryError):  # ingest and health say so
                gateways = await self._registry.fleet.gateways()
                present = {gateway.gateway for gateway in gateways}
                self._worker.serves(len(present))
                if known is not None and present - known:
                    await self._link.hear_retained()
                known = present
                if greeted_on != (connections := self._link.connections):
                    for gateway in gateways:
                        if gateway.state is GatewayState.ACTIVE:
                            await self._greet(gateway.gateway, of=len(present))
                    greeted_on = connections
            await self._clock.sleep(_LOOK_S)

    async def _greet(self, gateway: "GatewayId", *, of: int) -> None:
        word = greeting(gateway, hub_time_ms=self._clock.now_ms(), gateways=of)
        await self._say(down_topic(gateway, Down.COMMIT), encode_commit(word))


def web_app(
    shown: Shown, *, token: str | None, changes: APIRouter | None = None, maps: APIRouter | None = None
) -> Access:
    """The API and the page behind one guard; `changes` are the requests that ask for the token in any case."""
    app = FastAPI(
        title="Sen hub",
        version=hub_version(),
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,  # its page would fetch scripts from the internet
        redoc_url=None,
    )
    app.include_router(api_router(shown))
    for routes in (changes, maps):
        if routes is not None:
            app.include_router(routes)
    add_console(app, shown, token=token)
    add_errors(app)
    return Access(app, token=token)


def make_broker(folder: HubFolder, clock: Clock) -> Broker:
    """The broker `hub.yaml` asks for.

    Raises:
        BrokerError: its URL or its authority's file cannot be used.
        ConfigError: a secret is missing.
    """
    config = folder.config.broker
    if config.kind is BrokerKind.URL:
        password = folder.secret(config.password_file) if config.password_file else None
        ca_file = folder.file(config.ca_file) if config.ca_file else None
        door = door_of(config.url or "", username=config.username, password=password, ca_file=ca_file)
        return ExternalBroker(door, clock)
    listener = _listener(folder)
    make = embedded_program if broker_kind(folder) is BrokerKind.EMBEDDED else mosquitto_program
    return ChildBroker(
        make(listener, folder.broker),
        listener=listener,
        folder=folder.broker,
        hub_password=folder.hub_password,
        clock=clock,
    )


def broker_kind(folder: HubFolder) -> BrokerKind:
    """Which broker it will be, `auto` decided."""
    kind = folder.config.broker.kind
    if kind is not BrokerKind.AUTO:
        return kind
    return BrokerKind.MOSQUITTO if find_mosquitto() else BrokerKind.EMBEDDED


def _listener(folder: HubFolder) -> Listener:
    mqtt = folder.config.mqtt
    if mqtt.is_open and mqtt.tls is None:
        _log.warning("mqtt.host %s without mqtt.tls: passwords cross the network in the clear", mqtt.host)
    if mqtt.tls is None:
        return Listener(host=mqtt.host, port=mqtt.port)
    certificate_file, key_file = folder.file(mqtt.tls.certificate_file), folder.file(mqtt.tls.key_file)
    tls = TlsListener(port=mqtt.tls.port, certificate_file=certificate_file, key_file=key_file)
    return Listener(host=mqtt.host, port=mqtt.port, tls=tls)


@contextmanager
def _listening(folder: HubFolder) -> Iterator[socket.socket]:
    http = folder.config.http
    try:
        family, kind, number, _, address = socket.getaddrinfo(http.host, http.port, type=socket.SOCK_STREAM)[0]
        door = socket.socket(family, kind, number)
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind(address)
    except OSError as error:
        raise ConfigError(
            f"HTTP address {http.host}:{http.port}: {error.strerror}; "
            "end the other program, or set another http.host or http.port in hub.yaml"
        ) from error
    with door:
        yield door


@asynccontextmanager
async def _running(folder: HubFolder, clock: Clock) -> AsyncIterator[Broker]:
    broker = make_broker(folder, clock)
    await broker.start()
    try:
        yield broker
    finally:
        await broker.stop()


class _Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the hub ends in its own order."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _shown_address(door: socket.socket) -> str:
    host, port = door.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
