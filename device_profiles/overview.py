"""What a profile comes to: its points with units, its requests, and the time they take. Pure."""

from collections.abc import Iterator

from device_profiles.compiled import Plain
from device_profiles.derived_model import DerivedPoint
from device_profiles.modbus_model import ModbusDevice, ModbusPoint
from device_profiles.model import DeviceProfile
from device_profiles.plan import GroupPlan, bus_time_us, read_plan
from device_profiles.serial_model import SerialPoint
from wire.quantities import quantity


def overview(profile: DeviceProfile) -> dict[str, Plain]:
    """The overview as plain data, for `--json`. Times are milliseconds on a line at the profile's speed."""
    return {
        "profile": profile.profile,
        "revision": profile.revision,
        "device": f"{profile.device.vendor} {profile.device.model}, {profile.device.kind}",
        "source": ", ".join(filter(None, (profile.source.document, profile.source.section, profile.source.url))),
        "line": f"{profile.line.baud} {profile.line.data_bits}{profile.line.parity}{profile.line.stop_bits}",
        "groups": list(_modbus_groups(profile, profile.modbus) if profile.modbus else _serial_groups(profile)),
    }


def overview_lines(profile: DeviceProfile) -> Iterator[str]:
    """The overview as text."""
    data = overview(profile)
    yield f"{data['profile']} revision {data['revision']}: {data['device']}"
    yield f"source: {data['source']}"
    yield f"line:   {data['line']}"
    for group in _dicts(data["groups"]):
        yield ""
        yield f"{group['group']} ({group['measurement']}, {_rhythm(group)})"
        points = _dicts(group["points"])
        widths = [max(len(str(point[part])) for point in points) for part in ("key", "quantity", "unit", "where")]
        for point in points:
            cells = (str(point[part]) for part in ("key", "quantity", "unit", "where"))
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
        for request in _dicts(group.get("requests", [])):
            yield f"  read {request['table']} {request['address']} x {request['count']}: {request['bus_ms']} ms"
        if "bus_ms" in group:
            yield f"  one poll takes the line for {group['bus_ms']} ms, {group['load_percent']} % of the time"


def _modbus_groups(profile: DeviceProfile, device: ModbusDevice) -> Iterator[Plain]:
    for plan in read_plan(device, baud=profile.line.baud):
        requests = _requests(plan, device, profile.line.baud)
        bus_ms = round(sum(float(str(request["bus_ms"])) for request in requests), 1)
        yield {
            "group": plan.group.name,
            "measurement": plan.group.measurement,
            "kind": "sample",
            "every_s": plan.group.every_s,
            "points": [
                *(_point(point.key, point.quantity, _register(point)) for point in plan.group.points),
                *(_point(point.key, point.quantity, _origin(point)) for point in plan.group.derived),
            ],
            "requests": [dict(request) for request in requests],
            "bus_ms": bus_ms,
            "load_percent": round(bus_ms / plan.group.every_s / 10, 2),
        }


def _requests(plan: GroupPlan, device: ModbusDevice, baud: int) -> list[dict[str, Plain]]:
    return [
        {
            "table": str(request.table),
            "address": f"{request.address:#06x}",
            "count": request.count,
            "bus_ms": round(bus_time_us(request, turnaround_ms=device.turnaround_ms, baud=baud) / 1000, 1),
        }
        for request in plan.requests
    ]


def _serial_groups(profile: DeviceProfile) -> Iterator[Plain]:
    for group in profile.serial.groups if profile.serial else ():
        yield {
            "group": group.name,
            "measurement": group.measurement,
            "kind": str(group.kind),
            "every_s": group.every_s,
            "points": [
                *(_point(point.key, point.quantity, _place(point)) for point in group.points),
                *(_point(point.key, point.quantity, _origin(point)) for point in group.derived),
            ],
        }


def _point(key: str, name: str, place: str) -> Plain:
    return {"key": key, "quantity": name, "unit": quantity(name).unit, "where": place}


def _register(point: ModbusPoint) -> str:
    what = f"bit {point.bit}" if point.bit is not None else str(point.type or "bit")
    return f"{point.table} {point.address:#06x} {what}"


def _place(point: SerialPoint) -> str:
    if point.block_number:
        return "number of the block"
    if point.flag is not None:
        return f"flag {point.flag}"
    units = f" in {' or '.join(unit.text for unit in point.units)}" if point.units else ""
    if point.label is not None:
        return f"label {point.label}{units}"
    item = f"item {point.tag} " if point.tag is not None else ""
    bits = f" bit {point.bit}" if point.bit is not None else ""
    return f"{item}at {point.at} {point.type or point.form}{bits}{units}"


def _origin(point: DerivedPoint) -> str:
    return f"{point.form} of {', '.join(point.of)}"


def _rhythm(group: dict[str, Plain]) -> str:
    if group["kind"] == "event":
        return "each event"
    return f"every {group['every_s']:g} s" if group["every_s"] else "each frame"


def _dicts(value: Plain) -> list[dict[str, Plain]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
