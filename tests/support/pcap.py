"""TCP payloads out of a classic packet capture: Ethernet, IPv4, TCP, in the order they were captured."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_FILE_HEADER, _PACKET_HEADER, _ETHERNET = 24, 16, 14
_IPV4, _TCP = 0x0800, 6


@dataclass(frozen=True)
class Segment:
    """What one packet carried."""

    source: tuple[str, int]
    destination: tuple[str, int]
    payload: bytes


def segments(path: Path) -> Iterator[Segment]:
    """The TCP segments with a payload; each once, also where one was sent twice."""
    data = path.read_bytes()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    seen = set()
    at = _FILE_HEADER
    while at < len(data):
        (length,) = struct.unpack_from(f"{order}I", data, at + 8)
        packet = data[at + _PACKET_HEADER : at + _PACKET_HEADER + length]
        at += _PACKET_HEADER + length
        if struct.unpack_from(">H", packet, 12)[0] != _IPV4 or packet[_ETHERNET + 9] != _TCP:
            continue
        ip = packet[_ETHERNET:]
        (total,) = struct.unpack_from(">H", ip, 2)
        tcp = ip[4 * (ip[0] & 0xF) : total]
        source_port, destination_port, number = struct.unpack_from(">HHI", tcp)
        payload = tcp[4 * (tcp[12] >> 4) :]
        key = (ip[12:20], source_port, destination_port, number, payload)
        if payload and key not in seen:
            seen.add(key)
            yield Segment((_address(ip[12:16]), source_port), (_address(ip[16:20]), destination_port), payload)


def _address(raw: bytes) -> str:
    return ".".join(str(byte) for byte in raw)
