"""What every payload is wrapped in: version, kind, size, body, checksum.

A payload is the CBOR array `[version, kind, expanded, body, crc]`: `body` is the CBOR of the message, as it is where
`expanded` is null, else as one zstd frame that expands to `expanded` bytes. `crc` is the CRC-32 of all bytes before
its own four, and these are the last four of the payload.

I1. Nothing is parsed before the checksum is right; nothing is expanded before its size is known to be within limits.
"""

import threading
import zlib
from enum import IntEnum

import zstandard

from wire import cbor, items
from wire.errors import TooLargeError, WireError

VERSION = 1
MAX_PAYLOAD_BYTES = 128 * 1024
# In bytes and not as a ratio to the payload: it is memory that has to be bounded. The largest payload may expand
# eightfold; a small one that expands a thousandfold costs no more than that one does. What columns are spread out into
# afterwards is bounded by counts (`wire.batch_items`).
MAX_EXPANDED_BYTES = 1024 * 1024

# On a body of 6 kB, levels above 12 saved nothing and took twice the time.
_ZSTD_LEVEL = 12
_CRC_BYTES = 4
_FIELDS = 5


class _OfThread(threading.local):
    """A decompressor is dear to make, and may not be in two threads at once."""

    def __init__(self) -> None:
        self.zstd = zstandard.ZstdDecompressor()


_of_thread = _OfThread()


class MessageKind(IntEnum):
    """What a payload holds. 5 and 6 are kept for commands and their replies."""

    BATCH = 1
    COMMIT = 2
    STATUS = 3
    INVENTORY = 4


def wrap(kind: MessageKind, body: bytes) -> bytes:
    """The payload of a message whose CBOR is `body`, compressed where that makes it shorter.

    Raises:
        TooLargeError: the message leaves the limits every reader holds to.
    """
    if len(body) > MAX_EXPANDED_BYTES:
        raise TooLargeError(
            f"{kind.name.lower()}: {len(body)} bytes, more than {MAX_EXPANDED_BYTES}; send less at once"
        )
    compressed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(body)
    plain_payload = _payload(kind, None, body)
    small_payload = _payload(kind, len(body), compressed)
    payload = min(plain_payload, small_payload, key=len)
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise TooLargeError(
            f"{kind.name.lower()}: {len(payload)} bytes, more than {MAX_PAYLOAD_BYTES}; send less at once"
        )
    return payload


def unwrap(kind: MessageKind, payload: bytes) -> bytes:
    """The body of a payload that holds this kind of message.

    Raises:
        WireError: damaged, of another kind or version, or larger than the limits.
    """
    if not _CRC_BYTES < len(payload) <= MAX_PAYLOAD_BYTES:
        raise WireError(f"payload of {len(payload)} bytes: expected at most {MAX_PAYLOAD_BYTES}, and more than none")
    if zlib.crc32(payload[:-_CRC_BYTES]).to_bytes(_CRC_BYTES, "big") != payload[-_CRC_BYTES:]:
        raise WireError(f"payload of {len(payload)} bytes: wrong checksum; it was damaged, or is no payload of Sen")
    envelope = items.array(cbor.load(payload), what="payload", maximum=_FIELDS)
    version = items.integer(envelope[0] if envelope else None, what="payload version")
    if version != VERSION:
        raise WireError(f"payload version {version}: this program reads version {VERSION}; update the older side")
    _, found, expanded, body, crc = items.fields(envelope, what="payload", count=_FIELDS)
    if len(items.data(crc, what="checksum")) != _CRC_BYTES:
        raise WireError("payload: expected its checksum at the end")
    if items.integer(found, what="message kind") != kind:
        raise WireError(f"message kind {found!r}: expected {kind.value} ({kind.name.lower()})")
    return _expanded(items.data(body, what="body"), items.optional_integer(expanded, what="expanded size"))


def _payload(kind: MessageKind, expanded: int | None, body: bytes) -> bytes:
    start = cbor.dump([VERSION, kind.value, expanded, body, bytes(_CRC_BYTES)])[:-_CRC_BYTES]
    return start + zlib.crc32(start).to_bytes(_CRC_BYTES, "big")


def _expanded(body: bytes, size: int | None) -> bytes:
    if size is None:
        return body
    if size > MAX_EXPANDED_BYTES:
        raise WireError(f"body: claims to expand to {size} bytes, more than {MAX_EXPANDED_BYTES}")
    try:
        frame = zstandard.get_frame_parameters(body)
        # A frame that does not say its size gives 2**64 - 1 here, and so is refused with those that lie.
        if frame.content_size != size or frame.dict_id:
            raise WireError(f"body: its zstd frame does not announce the {size} bytes its envelope does")
        expanded: bytes = _of_thread.zstd.decompress(body, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise WireError(f"body: not one zstd frame: {error}") from error
    if len(expanded) != size:
        raise WireError(f"body: expanded to {len(expanded)} bytes, announced {size}")
    return expanded
