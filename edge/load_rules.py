"""A gateway file whose periods a bus cannot hold is refused, with the arithmetic."""

from collections.abc import Iterator, Mapping

from device_profiles.bus_load import BusLoad, GroupLoad, advice, arithmetic, modbus_load
from device_profiles.fault_words import Broken
from device_profiles.model import DeviceProfile
from device_profiles.yaml_tree import Tree, YamlTree
from edge.config import BusKind, CheckedGateway
from edge.device_rules import kind_of
from edge.named_profiles import NamedProfiles

_LINES = (BusKind.MODBUS_RTU, BusKind.MODBUS_RTU_OVER_TCP)


def load_rules(tree: YamlTree, profiles: NamedProfiles) -> Iterator[Broken]:
    """Each line has time for the requests of its devices, even if all of them answer at once."""
    for path, bus in tree.mappings("buses"):
        if kind_of(bus) not in _LINES:
            continue
        groups: list[GroupLoad] = []
        for _, device in tree.mappings("devices"):
            name = device.get("profile")
            if device.get("bus") != bus.get("bus") or not isinstance(name, str) or name not in profiles.names:
                continue
            profile = profiles.get(name)
            if profile is not None:
                groups += _loads(bus, device, profile)
        load = BusLoad(tuple(groups))
        if not load.is_possible:
            yield Broken(path=path, found=f"periods that no order can hold: {arithmetic(load)}", expected=advice(load))


def _loads(bus: Mapping[str, Tree], device: Mapping[str, Tree], profile: DeviceProfile) -> tuple[GroupLoad, ...]:
    said, baud = device.get("every_s"), bus.get("baud")
    periods_s = {
        key: float(value)
        for key, value in (said.items() if isinstance(said, dict) else ())
        if isinstance(value, int | float) and value > 0
    }
    if profile.modbus is None:
        return ()
    speed = baud if isinstance(baud, int) and baud > 0 else profile.line.baud
    return modbus_load(str(device.get("device")), profile.modbus, periods_s, baud=speed)


def bus_loads(checked: CheckedGateway, *, response_ms: int = 0) -> dict[str, BusLoad]:
    """The load of each Modbus bus of a gateway file that was found to be good."""
    found: dict[str, list[GroupLoad]] = {}
    buses = {bus.bus: bus for bus in checked.config.buses}
    for device in checked.config.devices:
        profile, bus = checked.profiles[device.profile], buses[device.bus]
        if profile.modbus is not None:
            found.setdefault(bus.bus, []).extend(
                modbus_load(
                    device.device,
                    profile.modbus,
                    device.every_s,
                    baud=bus.baud or profile.line.baud,
                    response_ms=response_ms,
                    is_network=bus.kind is BusKind.MODBUS_TCP,
                )
            )
    return {bus: BusLoad(tuple(groups)) for bus, groups in found.items()}
