"""Sites, gateways and what they read, in the registry's database."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from hub.registry.database import Database
from hub.registry.ledger_store import record_accepted
from hub.registry.model import Device, Gateway, GatewayState, RegistryError, Site, UnknownGateway
from hub.registry.tables import DEVICE, DEVICE_GROUP, GATEWAY, POINT, SITE, UNKNOWN_GATEWAY
from wire.identifiers import DeviceId, GatewayId, SiteId, check_identifier
from wire.messages import BusStatus, DeviceInventory, GroupInventory, Inventory, Status
from wire.records import LossReason, PointLayout, Quality, TimeQuality

# Names are chosen by whoever speaks: beyond this many unknown ones, new names are not kept.
_MAX_UNKNOWN = 1000


class Fleet:
    """Who is there. Every method is one transaction, durable when it returns."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save_site(self, site: Site) -> None:
        """Add the site, or change it.

        Raises:
            WireError: its name may not name a site.
            RegistryError: the database did not take it.
        """
        check_identifier(site.site, what="site")
        values = asdict(site)
        async with self._database.write() as connection:
            changed = await connection.execute(update(SITE).where(SITE.c.site == site.site).values(values))
            if not changed.rowcount:
                await connection.execute(insert(SITE).values(values))

    async def sites(self) -> list[Site]:
        """All sites, by identifier."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(SITE).order_by(SITE.c.site))).mappings().all()
        return [Site(**row) for row in rows]

    async def register(self, gateway: GatewayId, *, site: SiteId | None, now_ms: int) -> None:
        """Take the gateway in; one that is registered already is moved to the site and keeps its state.

        Raises:
            WireError: its name may not name a gateway.
            RegistryError: the site is not there, or the database did not take it.
        """
        check_identifier(gateway, what="gateway")
        async with self._database.write() as connection:
            if site is not None:
                known = await connection.scalar(select(SITE.c.site).where(SITE.c.site == site))
                if known is None:
                    raise RegistryError(f"site {site!r} is not in the registry: add it first")
            await connection.execute(delete(UNKNOWN_GATEWAY).where(UNKNOWN_GATEWAY.c.gateway == gateway))
            moved = await connection.execute(update(GATEWAY).where(GATEWAY.c.gateway == gateway).values(site=site))
            if not moved.rowcount:
                row = {"gateway": gateway, "site": site, "state": GatewayState.ACTIVE.value, "registered_ms": now_ms}
                await connection.execute(
                    insert(GATEWAY).values(row | {"online": False, "agent_version": "", "lost_total": "{}"})
                )

    async def set_state(self, gateway: GatewayId, state: GatewayState) -> None:
        """Block a gateway, or let it in again.

        Raises:
            RegistryError: the gateway is not registered.
        """
        async with self._database.write() as connection:
            changed = await connection.execute(
                update(GATEWAY).where(GATEWAY.c.gateway == gateway).values(state=state.value)
            )
            if not changed.rowcount:
                raise RegistryError(f"gateway {gateway!r} is not registered: register it first")

    async def gateways(self) -> list[Gateway]:
        """All registered gateways, by identifier."""
        async with self._database.read() as connection:
            rows = (await connection.execute(select(GATEWAY).order_by(GATEWAY.c.gateway))).mappings().all()
        return [_gateway(row) for row in rows]

    async def gateway(self, gateway: GatewayId) -> Gateway | None:
        """One registered gateway, or None."""
        async with self._database.read() as connection:
            found = await connection.execute(select(GATEWAY).where(GATEWAY.c.gateway == gateway))
            row = found.mappings().one_or_none()
        return None if row is None else _gateway(row)

    async def states(self, gateways: Collection[GatewayId]) -> dict[GatewayId, GatewayState]:
        """The states of those of these gateways that are registered."""
        query = select(GATEWAY.c.gateway, GATEWAY.c.state).where(GATEWAY.c.gateway.in_(gateways))
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
        return {GatewayId(gateway): GatewayState(state) for gateway, state in rows}

    async def unknown_gateways(self) -> list[UnknownGateway]:
        """The names that spoke without being registered, the latest first."""
        query = select(UNKNOWN_GATEWAY).order_by(UNKNOWN_GATEWAY.c.last_seen_ms.desc(), UNKNOWN_GATEWAY.c.gateway)
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        return [UnknownGateway(**row) for row in rows]

    async def note_unknown(self, messages: Mapping[GatewayId, int], *, now_ms: int) -> None:
        """Remember that these unregistered names sent so many messages; at most a thousand names are kept."""
        async with self._database.write() as connection:
            for gateway, count in messages.items():
                await _note_unknown(connection, gateway, count, now_ms)

    async def record_status(self, status: Status, *, now_ms: int) -> None:
        """Keep what a registered gateway says about itself and its devices.

        A last will has no numbers: the last ones stay.
        """
        async with self._database.write() as connection:
            await connection.execute(
                update(GATEWAY).where(GATEWAY.c.gateway == status.gateway).values(_status_columns(status, now_ms))
            )
            await record_accepted(connection, status.gateway, status.epochs)
            for device in status.devices:
                at = (DEVICE.c.gateway == status.gateway) & (DEVICE.c.device == device.device)
                await connection.execute(
                    update(DEVICE)
                    .where(at)
                    .values(
                        quality=device.quality.value,
                        last_good_ms=device.last_good_ms,
                        errors=json.dumps(device.errors),
                    )
                )

    async def record_inventory(self, inventory: Inventory) -> None:
        """Keep what a registered gateway reads, in place of what it read before."""
        async with self._database.write() as connection:
            at = DEVICE.c.gateway == inventory.gateway
            health = {row["device"]: row for row in (await connection.execute(select(DEVICE).where(at))).mappings()}
            await connection.execute(delete(DEVICE).where(at))
            for device in inventory.devices:
                await _insert_device(connection, inventory.gateway, device, health.get(device.device))

    async def devices(self, gateway: GatewayId | None = None) -> list[Device]:
        """The devices of one gateway, or of all, by gateway and device."""
        keys = (DEVICE_GROUP.c.gateway, DEVICE_GROUP.c.device, DEVICE_GROUP.c.group)
        devices = select(DEVICE).order_by(DEVICE.c.gateway, DEVICE.c.device)
        groups = select(DEVICE_GROUP).order_by(*keys)
        points = select(POINT).order_by(POINT.c.gateway, POINT.c.device, POINT.c.group, POINT.c.position)
        if gateway is not None:
            devices = devices.where(DEVICE.c.gateway == gateway)
            groups = groups.where(DEVICE_GROUP.c.gateway == gateway)
            points = points.where(POINT.c.gateway == gateway)
        async with self._database.read() as connection:
            device_rows = (await connection.execute(devices)).mappings().all()
            group_rows = (await connection.execute(groups)).mappings().all()
            point_rows = (await connection.execute(points)).mappings().all()
        return _devices(device_rows, group_rows, point_rows)


async def _note_unknown(connection: AsyncConnection, gateway: GatewayId, count: int, now_ms: int) -> None:
    changed = await connection.execute(
        update(UNKNOWN_GATEWAY)
        .where(UNKNOWN_GATEWAY.c.gateway == gateway)
        .values(last_seen_ms=now_ms, messages=UNKNOWN_GATEWAY.c.messages + count)
    )
    known = await connection.scalar(select(func.count()).select_from(UNKNOWN_GATEWAY)) or 0
    if not changed.rowcount and known < _MAX_UNKNOWN:
        row = {"gateway": gateway, "first_seen_ms": now_ms, "last_seen_ms": now_ms, "messages": count}
        await connection.execute(insert(UNKNOWN_GATEWAY).values(row))


async def _insert_device(
    connection: AsyncConnection, gateway: GatewayId, device: DeviceInventory, health: RowMapping | None
) -> None:
    known = {"quality": None, "last_good_ms": None, "errors": "{}"}
    if health is not None:
        known = {column: health[column] for column in known}
    row = {"gateway": gateway, "device": device.device}
    facts = {"profile": device.profile, "revision": device.revision, "bus": device.bus}
    await connection.execute(insert(DEVICE).values(row | facts | known))
    for group in device.groups:
        at = row | {"group": group.group}
        await connection.execute(
            insert(DEVICE_GROUP).values(at | {"measurement": group.measurement, "every_s": group.every_s})
        )
        points = [at | {"position": position} | asdict(point) for position, point in enumerate(group.points)]
        if points:
            await connection.execute(insert(POINT), points)


def _status_columns(status: Status, now_ms: int) -> dict[str, object]:
    columns: dict[str, object] = {
        "first_seen_ms": func.coalesce(GATEWAY.c.first_seen_ms, now_ms),
        "last_seen_ms": now_ms,
        "status_ms": now_ms,
        "online": status.online,
        "reported_site": status.site,
        "agent_version": status.agent_version,
        "boot_ms": status.boot_ms,
    }
    if status.accepted_total is not None:
        columns |= {
            "time_quality": status.time_quality.value,
            "accepted_total": status.accepted_total,
            "final_total": status.final_total,
            "in_flight": status.in_flight,
            "oldest_uncommitted_ms": status.oldest_uncommitted_ms,
            "lost_total": json.dumps({reason.value: count for reason, count in status.lost_total.items()}),
            "machine": json.dumps(dict(status.machine)),
            "buses": json.dumps([[bus.bus, dict(bus.numbers)] for bus in status.buses]),
        }
    return columns


def _gateway(row: RowMapping) -> Gateway:
    lost = {LossReason(reason): int(count) for reason, count in json.loads(row["lost_total"]).items()}
    quality = None if row["time_quality"] is None else TimeQuality(row["time_quality"])
    read = {
        "state": GatewayState(row["state"]),
        "lost_total": lost,
        "time_quality": quality,
        "machine": json.loads(row["machine"]),
        "buses": tuple(BusStatus(bus=bus, numbers=numbers) for bus, numbers in json.loads(row["buses"])),
    }
    return Gateway(**{**row, **read})


def _devices(
    devices: Collection[RowMapping], groups: Collection[RowMapping], points: Collection[RowMapping]
) -> list[Device]:
    layouts: dict[tuple[str, str, str], list[PointLayout]] = {}
    for row in points:
        layout = PointLayout(key=row["key"], quantity=row["quantity"], unit=row["unit"])
        layouts.setdefault((row["gateway"], row["device"], row["group"]), []).append(layout)
    held: dict[tuple[str, str], list[GroupInventory]] = {}
    for row in groups:
        group = GroupInventory(
            group=row["group"],
            measurement=row["measurement"],
            every_s=row["every_s"],
            points=tuple(layouts.get((row["gateway"], row["device"], row["group"]), ())),
        )
        held.setdefault((row["gateway"], row["device"]), []).append(group)
    return [
        Device(
            gateway=GatewayId(row["gateway"]),
            device=DeviceId(row["device"]),
            profile=row["profile"],
            revision=row["revision"],
            bus=row["bus"],
            groups=tuple(held.get((row["gateway"], row["device"]), ())),
            quality=None if row["quality"] is None else Quality(row["quality"]),
            last_good_ms=row["last_good_ms"],
            errors=json.loads(row["errors"]),
        )
        for row in devices
    ]
