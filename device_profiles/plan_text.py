"""A bus's load for a person: each request, what each device costs, and whether the periods hold. Pure."""

from collections.abc import Iterator

from device_profiles.bus_load import BusLoad, GroupLoad, advice, arithmetic
from device_profiles.modbus import ReadRequest, Request, WriteRequest


def plan_lines(load: BusLoad, *, with_requests: bool) -> Iterator[str]:
    """The load of one bus as lines of text, with the sum at the end.

    Args:
        load: of one bus.
        with_requests: whether each request is told, or only how many there are.
    """
    width = max((len(f"{group.device} {group.group}") for group in load.groups), default=0)
    for group in load.groups:
        size = sum(turn.wire_bytes for turn in group.turns)
        yield (
            f"  {f'{group.device} {group.group}':{width}}  every {group.period_s:g} s: {len(group.turns)} requests, "
            f"{size} bytes, {1000 * group.work_s:.4g} ms, {_percent(group.share)}"
        )
        if with_requests:
            yield from _requests(group)
    devices = load.devices()
    if len(devices) > 1:
        yield "  devices: " + ", ".join(f"{name} {_percent(share)}" for name, share in devices.items())
    yield sum_line(load)


def sum_line(load: BusLoad) -> str:
    """How full the bus is, and whether the periods hold."""
    return f"  {arithmetic(load)}; {verdict(load)}"


def verdict(load: BusLoad) -> str:
    """Whether the periods hold, and what to do if not."""
    if load.holds:
        return "every period holds"
    if load.is_possible:
        return "there is time for all, but a long request may make a short period late now and then"
    return f"this cannot be held: {advice(load)}"


def _requests(group: GroupLoad) -> Iterator[str]:
    for turn in group.turns:
        yield f"    {_told(turn.request)}: {turn.wire_bytes} bytes, {1000 * turn.seconds:.4g} ms"


def _told(request: Request) -> str:
    if isinstance(request, ReadRequest):
        return f"read {request.table} {request.address:#06x} x {request.count}"
    if not isinstance(request, WriteRequest):
        return f"function {request.function:d}"
    if not request.values:
        return f"write nothing to {request.address:#06x}"
    return f"write {request.address:#06x} = {', '.join(map(str, request.values))}"


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
