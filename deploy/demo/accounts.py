"""Where every record of the demonstration is, counted three times: by spools, by the ledger, in the series store.

The three know nothing of each other.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge.spool.base import SpoolState
from edge.spool.segment_spool import SegmentSpool
from hub.config import open_folder
from hub.kept import make_series
from hub.registry.store import Registry
from hub.series.base import Selection
from wire.identifiers import GatewayId
from wire.records import Mode

_SPOOL_BYTES: Final = 512 * 1024 * 1024
_EPOCH_BITS: Final = 64
# What the hub writes about gateways and itself: these machines run, whatever their devices pretend.
_TRUE_HERE: Final = frozenset({"gateway", "hub"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """The numbers, in records; `series` counts series, `pretending` those of devices that are not `simulated`."""

    accepted: int
    stored: int
    refused: int
    lost: int
    in_flight: int
    series: int
    pretending: int
    ledger_accepted: int
    ledger_stored: int

    @property
    def unexplained(self) -> int:
        """What was accepted and is nowhere; never 0 by definition, for each number comes from elsewhere."""
        return self.accepted - self.stored - self.refused - self.lost - self.in_flight

    @property
    def troubles(self) -> list[str]:
        """Everything that keeps this from being a good end."""
        found = []
        if self.stored == 0:
            found.append("nothing was stored")
        if self.lost:
            found.append(f"{self.lost} records were lost")
        if self.unexplained:
            found.append(f"{self.unexplained} records are unexplained")
        if self.stored != self.ledger_stored:
            found.append(f"the series store holds {self.stored} records, the hub's ledger says {self.ledger_stored}")
        if self.pretending:
            found.append(f"{self.pretending} series do not say that they are simulated")
        return found

    def as_json(self) -> str:
        """The last line of the demonstration."""
        told = {
            "accepted": self.accepted,
            "stored": self.stored,
            "refused": self.refused,
            "lost": self.lost,
            "in_flight": self.in_flight,
            "unexplained": self.unexplained,
            "series": self.series,
        }
        return json.dumps(told)


def spool_state(gateway_folder: Path, gateway: str) -> SpoolState:
    """What a gateway's spool says; its agent must have ended.

    Raises:
        SpoolError: it has not, or the file cannot be read.
    """
    path = gateway_folder / "state" / "spool"
    spool = SegmentSpool.open(
        path,
        gateway=GatewayId(gateway),
        max_bytes=_SPOOL_BYTES,
        random_u64=lambda: secrets.randbits(_EPOCH_BITS),
    )
    try:
        return spool.state()
    finally:
        spool.close()


async def count(hub_folder: Path, spools: Sequence[SpoolState]) -> Accounts:
    """Count everything; hub and gateways must have ended.

    Raises:
        SeriesError: the series store cannot be read.
        RegistryError: the ledger cannot be read.
    """
    hub = open_folder(hub_folder)
    registry = await Registry.open(hub.registry_url)
    try:
        ledger = await registry.ledger.all_accounts()
    finally:
        await registry.close()
    store = make_series(hub)
    try:
        stored = [await store.count_points(account.gateway) for account in ledger]
        series = await store.series(Selection())
    finally:
        await store.close()
    return Accounts(
        accepted=sum(state.accepted_total for state in spools),
        stored=sum(stored),
        refused=sum(account.refused for account in ledger),
        lost=sum(account.lost_total for account in ledger),
        in_flight=sum(state.in_flight for state in spools),
        series=len(series),
        pretending=sum(key.mode is not Mode.SIMULATED for key in series if key.measurement not in _TRUE_HERE),
        ledger_accepted=sum(account.accepted for account in ledger),
        ledger_stored=sum(account.stored for account in ledger),
    )
