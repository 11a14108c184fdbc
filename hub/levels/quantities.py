"""What the fields of a gateway's devices are: by its inventory, and where that is silent by their names."""

from hub.levels.fold import QuantityOf, quantity_of_key
from hub.registry.fleet import Fleet
from hub.series.base import SeriesKey
from wire.identifiers import GatewayId
from wire.quantities import QUANTITIES, Quantity


class InventoryQuantities:
    """Looks into the registry."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def of_gateway(self, gateway: str) -> QuantityOf:
        """How to find the quantity of each series of one gateway.

        Raises:
            RegistryError: the registry cannot answer.
        """
        told: dict[tuple[str, str, str], Quantity | None] = {
            (device.device, group.group, point.key): QUANTITIES.get(point.quantity)
            for device in await self._fleet.devices(GatewayId(gateway))
            for group in device.groups
            for point in group.points
        }

        def quantity_of(series: SeriesKey) -> Quantity | None:
            known = (series.device, series.group, series.field)
            return told[known] if known in told else quantity_of_key(series.field)

        return quantity_of
