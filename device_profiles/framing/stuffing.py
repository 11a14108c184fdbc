"""Byte stuffing: bytes that may not stand in a frame, said by two others. Pure.

I1. `unstuffed(stuffed(x)) == x` for every x, and `stuffed(x)` holds none of the escaped bytes but the escape itself.
"""

from device_profiles.serial_framings import Stuffing, hex_bytes


def stuffed(plain: bytes, stuffing: Stuffing) -> bytes:
    """The bytes to send for what stands between header and tail."""
    escape = hex_bytes(stuffing.escape)
    codes = {hex_bytes(byte)[0]: escape + hex_bytes(code) for byte, code in stuffing.codes.items()}
    return b"".join(codes.get(byte, bytes((byte,))) for byte in plain)


def unstuffed(raw: bytes, stuffing: Stuffing) -> bytes | None:
    """What the bytes between header and tail mean; None where an escape is followed by no code."""
    escape = hex_bytes(stuffing.escape)
    first, *rest = raw.split(escape)
    codes = {hex_bytes(code)[0]: hex_bytes(byte) for byte, code in stuffing.codes.items()}
    out = [first]
    for part in rest:
        if not part or part[0] not in codes:
            return None
        out += [codes[part[0]], part[1:]]
    return b"".join(out)
