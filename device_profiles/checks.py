"""Check values of serial protocols: one function a kind, from the covered bytes to the bytes that must follow. Pure.

The published test vector of each stands in the tests.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType


class CheckKind(StrEnum):
    """How a check is calculated and sent.

    crc16_modbus: poly 8005 reflected, init FFFF, low byte first. crc16_xmodem_be / _le: poly 1021, init 0, high / low
    byte first; crc16_xmodem_hex4: the same as four upper-case hex digits. crc16_mcrf4xx: poly 1021 reflected, init
    FFFF, low byte first. crc8_1c: poly 1C, init 0. crc_wxt3: Vaisala's three characters. fletcher8: UBX, CK_A CK_B.
    sum8, sum16_be, sum16_le: the sum of the bytes. sum8_zero: what makes the sum 0 (two's complement). sum8_inverted:
    the bitwise inverse of the sum. xor8: all bytes XORed; xor8_hex: the same as two upper-case hex digits. sum_hex4,
    sum_dec4: the sum as four hex or decimal digits.
    """

    CRC16_MODBUS = "crc16_modbus"
    CRC16_XMODEM_BE = "crc16_xmodem_be"
    CRC16_XMODEM_LE = "crc16_xmodem_le"
    CRC16_XMODEM_HEX4 = "crc16_xmodem_hex4"
    CRC16_MCRF4XX = "crc16_mcrf4xx"
    CRC8_1C = "crc8_1c"
    CRC_WXT3 = "crc_wxt3"
    FLETCHER8 = "fletcher8"
    SUM8 = "sum8"
    SUM16_BE = "sum16_be"
    SUM16_LE = "sum16_le"
    SUM8_ZERO = "sum8_zero"
    SUM8_INVERTED = "sum8_inverted"
    XOR8 = "xor8"
    XOR8_HEX = "xor8_hex"
    SUM_HEX4 = "sum_hex4"
    SUM_DEC4 = "sum_dec4"


def check_bytes(kind: CheckKind, covered: bytes) -> bytes:
    """The check value of the covered bytes, as it is sent."""
    return _FUNCTIONS[kind](covered)


def check_size_bytes(kind: CheckKind) -> int:
    """How many bytes a check of this kind takes in a frame."""
    return _SIZES[kind]


def xor_of(covered: bytes) -> int:
    """All bytes XORed."""
    # A whole-number XOR of halves is a fast way to XOR many bytes; lines here are short, so a plain loop serves.
    total = 0
    for byte in covered:
        total ^= byte
    return total


def _reflected_table(poly: int) -> tuple[int, ...]:
    table: list[int] = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (poly if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _plain_table(poly: int, width: int) -> tuple[int, ...]:
    top, mask = 1 << (width - 1), (1 << width) - 1
    table: list[int] = []
    for byte in range(256):
        crc = byte << (width - 8)
        for _ in range(8):
            crc = (crc << 1 ^ (poly if crc & top else 0)) & mask
        table.append(crc)
    return tuple(table)


_TABLE_A001 = _reflected_table(0xA001)
_TABLE_8408 = _reflected_table(0x8408)
_TABLE_1021 = _plain_table(0x1021, 16)
_TABLE_1C = _plain_table(0x1C, 8)


def _crc_reflected(covered: bytes, table: tuple[int, ...], crc: int) -> int:
    for byte in covered:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def _crc_xmodem(covered: bytes) -> int:
    crc = 0
    for byte in covered:
        crc = (crc << 8 & 0xFFFF) ^ _TABLE_1021[crc >> 8 ^ byte]
    return crc


def _crc8_1c(covered: bytes) -> bytes:
    crc = 0
    for byte in covered:
        crc = _TABLE_1C[crc ^ byte]
    return bytes((crc,))


def _crc_wxt3(covered: bytes) -> bytes:
    crc = _crc_reflected(covered, _TABLE_A001, 0)
    return bytes((0x40 | crc >> 12, 0x40 | (crc >> 6 & 0x3F), 0x40 | (crc & 0x3F)))


def _fletcher8(covered: bytes) -> bytes:
    first = second = 0
    for byte in covered:
        first = (first + byte) & 0xFF
        second = (second + first) & 0xFF
    return bytes((first, second))


_FUNCTIONS: Mapping[CheckKind, Callable[[bytes], bytes]] = MappingProxyType({
    CheckKind.CRC16_MODBUS: lambda covered: _crc_reflected(covered, _TABLE_A001, 0xFFFF).to_bytes(2, "little"),
    CheckKind.CRC16_XMODEM_BE: lambda covered: _crc_xmodem(covered).to_bytes(2, "big"),
    CheckKind.CRC16_XMODEM_LE: lambda covered: _crc_xmodem(covered).to_bytes(2, "little"),
    CheckKind.CRC16_XMODEM_HEX4: lambda covered: b"%04X" % _crc_xmodem(covered),
    CheckKind.CRC16_MCRF4XX: lambda covered: _crc_reflected(covered, _TABLE_8408, 0xFFFF).to_bytes(2, "little"),
    CheckKind.CRC8_1C: _crc8_1c,
    CheckKind.CRC_WXT3: _crc_wxt3,
    CheckKind.FLETCHER8: _fletcher8,
    CheckKind.SUM8: lambda covered: bytes((sum(covered) & 0xFF,)),
    CheckKind.SUM16_BE: lambda covered: (sum(covered) & 0xFFFF).to_bytes(2, "big"),
    CheckKind.SUM16_LE: lambda covered: (sum(covered) & 0xFFFF).to_bytes(2, "little"),
    CheckKind.SUM8_ZERO: lambda covered: bytes((-sum(covered) & 0xFF,)),
    CheckKind.SUM8_INVERTED: lambda covered: bytes((~sum(covered) & 0xFF,)),
    CheckKind.XOR8: lambda covered: bytes((xor_of(covered),)),
    CheckKind.XOR8_HEX: lambda covered: b"%02X" % xor_of(covered),
    CheckKind.SUM_HEX4: lambda covered: b"%04X" % (sum(covered) & 0xFFFF),
    CheckKind.SUM_DEC4: lambda covered: b"%04d" % (sum(covered) % 10_000),
})  # fmt: skip
_SIZES = MappingProxyType({kind: len(function(b"")) for kind, function in _FUNCTIONS.items()})
