"""What makes a run cheap, and is not what a run tests: most hand messages on instead of coding them to CBOR and back.

Bytes stay bytes: what is written, cut, torn and sent has the length it would have, and other bytes stand for nothing.
Every `CODED_EVERY`-th run does without: the whole way through the product's codec and the database's HTTP client.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

import httpx

from edge.spool import chunks, recovery
from edge.uplink import sender
from hub.ingest import announcements, dead_letters, worker
from hub.series.influx import InfluxSeriesStore, InfluxSettings
from tests.simulation.far_side import Influx
from wire import codec
from wire.batch_items import PackedBatch, batch_items, packed_batch
from wire.records import Batch

CODED_EVERY: Final = 16
_NUMBER_BYTES: Final = 8
_BATCH_BYTES: Final = 110  # of an envelope and the names of a stream
_RECORD_BYTES: Final = 4
_VALUE_BYTES: Final = 8
_MESSAGE_BYTES: Final = 80
_USED_BY: Final[tuple[ModuleType, ...]] = (chunks, recovery, sender, announcements, dead_letters, worker)


@dataclass
class Tokens:
    """Messages by the bytes that stand for them. Each encoding has bytes of its own, as if all differed."""

    known: dict[bytes, Any] = field(default_factory=dict)

    def encode_batch(self, batch: Batch) -> bytes:
        values = sum(len(record.values) for record in batch.records)
        sizes = (
            _BATCH_BYTES,
            _RECORD_BYTES * len(batch.records),
            _VALUE_BYTES * values,
            _RECORD_BYTES * len(batch.losses),
        )
        return self._bytes_of(batch, sum(sizes))

    def encode_message(self, message: object) -> bytes:
        return self._bytes_of(message, _MESSAGE_BYTES)

    def decoder(self, real: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        """Reads what was encoded here, and anything else as the product does."""

        def decode(data: bytes) -> Any:
            found = self.known.get(data)
            return real(data) if found is None else found

        return decode

    def packed_batch(self, data: bytes) -> PackedBatch:
        """The batch that was encoded here with its columns packed; anything else as the product reads it."""
        found = self.known.get(data)
        return codec.decode_packed_batch(data) if found is None else packed_batch(batch_items(found))

    def _bytes_of(self, message: object, length: int) -> bytes:
        number = (len(self.known) + 1).to_bytes(_NUMBER_BYTES, "big")
        data = (number * (length // _NUMBER_BYTES + 1))[:length]
        self.known[data] = message
        return data


@contextmanager
def handed_on() -> Iterator[Callable[[bytes], Batch]]:
    """Messages are handed on from here, by the modules that would code them; gives what reads a batch."""
    tokens = Tokens()
    instead: dict[str, Callable[[Any], Any]] = {
        "encode_batch": tokens.encode_batch,
        **dict.fromkeys(("encode_commit", "encode_status", "encode_inventory"), tokens.encode_message),
        "decode_packed_batch": tokens.packed_batch,
        **{
            name: tokens.decoder(getattr(codec, name))
            for name in ("decode_batch", "decode_commit", "decode_status", "decode_inventory")
        },
    }
    before = [(module, name, getattr(module, name)) for module in _USED_BY for name in instead if hasattr(module, name)]
    try:
        for module, name, _ in before:
            setattr(module, name, instead[name])
        yield instead["decode_batch"]
    finally:
        for module, name, real in before:
            setattr(module, name, real)


class DirectClient(httpx.AsyncClient):
    """Asks the database without the detour by URLs, headers and streams."""

    def __init__(self, influx: Influx) -> None:
        super().__init__(transport=influx, trust_env=False)
        self._influx = influx

    async def post(self, url: Any, *, content: Any = b"", **_: Any) -> httpx.Response:
        return await self._influx.answer(str(url), content)


class DirectStore(InfluxSeriesStore):
    """The product's store, with that client."""

    def __init__(self, settings: InfluxSettings, influx: Influx) -> None:
        super().__init__(settings, influx)
        self._client = DirectClient(influx)
