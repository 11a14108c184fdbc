"""Commit, status and inventory as CBOR items and back. `wire.cddl` gives the order of the fields."""

import math
from collections.abc import Mapping

from wire import items
from wire.batch_items import LOSS_REASONS, key, name, point_items, points
from wire.cbor import Item
from wire.errors import WireError
from wire.identifiers import DeviceId, GatewayId, SiteId
from wire.messages import (
    BusStatus,
    Commit,
    DeviceInventory,
    DeviceStatus,
    EpochStatus,
    GroupInventory,
    Inventory,
    Refusal,
    Refused,
    Status,
)
from wire.records import MAX_EPOCH, MAX_SEQ, MAX_TIME_MS, LossReason, Quality, TimeQuality

MAX_RANGES = 10_000
MAX_DEVICES = 10_000
MAX_GROUPS = 256
MAX_EPOCHS = 10_000
MAX_ERROR_KINDS = 64
MAX_BUSES = 256
MAX_NUMBERS = 64
MAX_TEXT_CHARACTERS = 200
MAX_CREDIT = 1_000_000
MAX_GATEWAYS = 1_000_000
_COMMIT_FIELDS = 7


def commit_items(commit: Commit) -> Item:
    """The items of a commit."""
    ranges: list[Item] = [[first, last] for first, last in commit.final]
    refused: list[Item] = [[one.seq, one.reason.value] for one in commit.refused]
    told: list[Item] = [commit.gateway, commit.epoch, ranges, refused, commit.credit, commit.hub_time_ms]
    return [*told, commit.gateways] if commit.gateways else told


def commit(item: Item) -> Commit:
    """The commit again."""
    if isinstance(item, list) and len(item) == _COMMIT_FIELDS - 1:
        item = [*item, 0]
    gateway, epoch, final, refused, credit, hub_time, gateways = items.fields(item, what="commit", count=_COMMIT_FIELDS)
    return Commit(
        gateway=GatewayId(name(gateway, what="gateway")),
        epoch=items.integer(epoch, what="epoch", maximum=MAX_EPOCH),
        final=tuple(_range(one) for one in items.array(final, what="final", maximum=MAX_RANGES)),
        refused=tuple(_refused(one) for one in items.array(refused, what="refused", maximum=MAX_RANGES)),
        credit=items.integer(credit, what="credit", maximum=MAX_CREDIT),
        hub_time_ms=items.integer(hub_time, what="hub time", maximum=MAX_TIME_MS),
        gateways=items.integer(gateways, what="gateways", maximum=MAX_GATEWAYS),
    )


def status_items(status: Status) -> Item:
    """The items of a status."""
    lost: list[Item] = [[LOSS_REASONS.index(reason), total] for reason, total in status.lost_total.items()]
    epochs: list[Item] = [[epoch.epoch, epoch.accepted_hi] for epoch in status.epochs]
    devices: list[Item] = [
        [device.device, device.quality.value, device.last_good_ms, [[kind, n] for kind, n in device.errors.items()]]
        for device in status.devices
    ]
    return [
        status.gateway,
        status.online,
        status.site,
        status.agent_version,
        status.boot_ms,
        status.time_quality.value,
        [status.accepted_total, status.final_total, status.in_flight, status.oldest_uncommitted_ms],
        lost,
        epochs,
        devices,
        _number_items(status.machine),
        [[bus.bus, _number_items(bus.numbers)] for bus in status.buses],
    ]


def status(item: Item) -> Status:
    """The status again."""
    gateway, online, site, agent, boot, time_quality, totals, lost, epochs, devices, machine, buses = items.fields(
        item, what="status", count=12
    )
    accepted, final, in_flight, oldest = (
        items.optional_integer(total, what="total") for total in items.fields(totals, what="totals", count=4)
    )
    return Status(
        gateway=GatewayId(name(gateway, what="gateway")),
        online=items.boolean(online, what="online"),
        site=SiteId(name(site, what="site")),
        agent_version=items.text(agent, what="agent version", maximum=MAX_TEXT_CHARACTERS),
        boot_ms=items.integer(boot, what="boot time", maximum=MAX_TIME_MS),
        time_quality=items.choice(time_quality, what="time quality", choices=tuple(TimeQuality)),
        accepted_total=accepted,
        final_total=final,
        in_flight=in_flight,
        oldest_uncommitted_ms=oldest,
        lost_total=dict(_lost(one) for one in items.array(lost, what="losses", maximum=len(LOSS_REASONS))),
        epochs=tuple(_epoch(one) for one in items.array(epochs, what="epochs", maximum=MAX_EPOCHS)),
        devices=tuple(_device_status(one) for one in items.array(devices, what="devices", maximum=MAX_DEVICES)),
        machine=_numbers(machine),
        buses=tuple(_bus(one) for one in items.array(buses, what="buses", maximum=MAX_BUSES)),
    )


def inventory_items(inventory: Inventory) -> Item:
    """The items of an inventory."""
    devices: list[Item] = [
        [device.device, device.profile, device.revision, device.bus, [_group_items(group) for group in device.groups]]
        for device in inventory.devices
    ]
    return [inventory.gateway, inventory.site, devices]


def inventory(item: Item) -> Inventory:
    """The inventory again."""
    gateway, site, devices = items.fields(item, what="inventory", count=3)
    return Inventory(
        gateway=GatewayId(name(gateway, what="gateway")),
        site=SiteId(name(site, what="site")),
        devices=tuple(_device_inventory(one) for one in items.array(devices, what="devices", maximum=MAX_DEVICES)),
    )


def _range(item: Item) -> tuple[int, int]:
    first_item, last_item = items.fields(item, what="range", count=2)
    first = items.integer(first_item, what="first of a range", minimum=1, maximum=MAX_SEQ)
    return first, items.integer(last_item, what="last of a range", minimum=first, maximum=MAX_SEQ)


def _refused(item: Item) -> Refused:
    seq, reason = items.fields(item, what="refused", count=2)
    return Refused(
        seq=items.integer(seq, what="refused seq", minimum=1, maximum=MAX_SEQ),
        reason=Refusal(items.integer(reason, what="refusal", minimum=min(Refusal), maximum=max(Refusal))),
    )


def _lost(item: Item) -> tuple[LossReason, int]:
    reason, total = items.fields(item, what="lost", count=2)
    return items.choice(reason, what="loss reason", choices=LOSS_REASONS), items.integer(total, what="lost total")


def _epoch(item: Item) -> EpochStatus:
    epoch, accepted = items.fields(item, what="epoch", count=2)
    return EpochStatus(
        epoch=items.integer(epoch, what="epoch", maximum=MAX_EPOCH),
        accepted_hi=items.integer(accepted, what="accepted", maximum=MAX_SEQ),
    )


def _device_status(item: Item) -> DeviceStatus:
    device, quality, last_good, errors = items.fields(item, what="device status", count=4)
    return DeviceStatus(
        device=DeviceId(name(device, what="device")),
        quality=items.choice(quality, what="quality", choices=tuple(Quality)),
        last_good_ms=items.optional_integer(last_good, what="last good time"),
        errors=dict(_error(one) for one in items.array(errors, what="errors", maximum=MAX_ERROR_KINDS)),
    )


def _error(item: Item) -> tuple[str, int]:
    kind, total = items.fields(item, what="error", count=2)
    return items.text(kind, what="error kind", maximum=MAX_TEXT_CHARACTERS), items.integer(total, what="errors")


def _number_items(numbers: Mapping[str, float]) -> Item:
    return [[name_of_it, float(number)] for name_of_it, number in numbers.items()]


def _numbers(item: Item) -> dict[str, float]:
    return dict(_number(one) for one in items.array(item, what="numbers", maximum=MAX_NUMBERS))


def _number(item: Item) -> tuple[str, float]:
    named, number = items.fields(item, what="number", count=2)
    value = items.number(number, what="number")
    if not math.isfinite(value):
        raise WireError(f"number: expected a finite one, found {value}")
    return key(named, what="name of a number"), value


def _bus(item: Item) -> BusStatus:
    bus, numbers = items.fields(item, what="bus", count=2)
    return BusStatus(bus=items.text(bus, what="bus", maximum=MAX_TEXT_CHARACTERS), numbers=_numbers(numbers))


def _group_items(group: GroupInventory) -> Item:
    return [group.group, group.measurement, float(group.every_s), point_items(group.points)]


def _device_inventory(item: Item) -> DeviceInventory:
    device, profile, revision, bus, groups = items.fields(item, what="device", count=5)
    return DeviceInventory(
        device=DeviceId(name(device, what="device")),
        profile=items.text(profile, what="profile", maximum=MAX_TEXT_CHARACTERS),
        revision=items.integer(revision, what="revision"),
        bus=items.text(bus, what="bus", maximum=MAX_TEXT_CHARACTERS),
        groups=tuple(_group(one) for one in items.array(groups, what="groups", maximum=MAX_GROUPS)),
    )


def _group(item: Item) -> GroupInventory:
    group, measurement, every, layout = items.fields(item, what="group", count=4)
    every_s = items.number(every, what="every_s")
    if not math.isfinite(every_s) or every_s < 0:
        raise WireError(f"every_s: expected seconds, found {every_s}")
    return GroupInventory(
        group=key(group, what="group"),
        measurement=key(measurement, what="measurement"),
        every_s=every_s,
        points=points(layout),
    )
