import pytest

from device_profiles.checks import CheckKind, check_bytes, check_size_bytes

# A u-blox NAV-PVT message between its sync bytes and its check.
NAV_PVT = """
01 07 5C 00 C8 C2 3A 1C E4 07 0A 17 0B 21 0F 37 11 00 00 00 38 CE 00 00 03 01 0A 0F 6C 28 AA FE
C3 EC DB 1F B3 27 01 00 4F 6A 00 00 9A 18 00 00 A5 1F 00 00 1B 00 00 00 FC FF FF FF 0B 00 00 00
1B 00 00 00 CA C1 0B 00 CB 02 00 00 AD 97 3B 00 87 00 00 00 E0 4A 23 00 00 00 00 00 00 00 00 00
"""


@pytest.mark.parametrize(
    ("kind", "data", "check"),
    [
        (CheckKind.CRC16_MODBUS, "01 04 00 00 00 02", "71 CB"),
        (CheckKind.CRC16_XMODEM_BE, "25 35 0A 07 06 70", "60 BA"),
        (CheckKind.CRC16_XMODEM_LE, "25 35 0A 07 06 70", "BA 60"),
        (CheckKind.CRC16_MCRF4XX, "01 10 01 80 01 F0 04 02 23 10 64 00 03", "0B 54"),
        (CheckKind.CRC8_1C, "67 01 00 00 0F C1 92 05 8D 09 39 01 5C 0A 00 01 19 80 43 C0 02 16 04", "FC"),
        (CheckKind.SUM8, "06 00 06 00 58 D9", "3D"),
        (CheckKind.SUM8_ZERO, "86 02 7C 42 00 00 00", "BA"),
        (CheckKind.SUM8_INVERTED, "00 03 00", "FC"),
        (
            CheckKind.FLETCHER8,
            NAV_PVT,
            "D5 70",
        ),
        (
            CheckKind.SUM16_BE,
            "42 4D 00 14 00 01 00 01 00 01 00 01 00 01 00 01 00 00 00 00 00 51",
            "00 FA",
        ),
    ],
)
def test_a_check_of_bytes_gives_its_published_vector(kind: CheckKind, data: str, check: str) -> None:
    assert check_bytes(kind, bytes.fromhex(data)) == bytes.fromhex(check)


@pytest.mark.parametrize(
    ("kind", "data", "check"),
    [
        (CheckKind.CRC_WXT3, "0r2,Ta=22.7C,Ua=55.5P,Pa=1004.7H", "@Fn"),
        (CheckKind.CRC16_XMODEM_HEX4, "123456789", "31C3"),
        (CheckKind.XOR8_HEX, "Q,229,002.74,M,00,", "16"),
        (CheckKind.XOR8_HEX, "GPRMC,,V,,,,,,,,,,N", "53"),
        (CheckKind.SUM_HEX4, "AB", "0083"),
        (CheckKind.SUM_DEC4, "AB", "0131"),
    ],
)
def test_a_check_of_text_gives_its_published_vector(kind: CheckKind, data: str, check: str) -> None:
    assert check_bytes(kind, data.encode()) == check.encode()


# The check words that CRC catalogues give for "123456789", and plain sums of it.
@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (CheckKind.CRC16_MODBUS, "37 4B"),
        (CheckKind.CRC16_XMODEM_BE, "31 C3"),
        (CheckKind.CRC16_MCRF4XX, "91 6F"),
        (CheckKind.SUM16_LE, "DD 01"),
        (CheckKind.XOR8, "31"),
        (CheckKind.FLETCHER8, "DD 15"),
    ],
)
def test_a_check_gives_the_catalogues_value(kind: CheckKind, check: str) -> None:
    assert check_bytes(kind, b"123456789") == bytes.fromhex(check)


@pytest.mark.parametrize("kind", list(CheckKind))
def test_a_check_has_one_size(kind: CheckKind) -> None:
    assert {len(check_bytes(kind, bytes(range(count)))) for count in range(0, 255, 17)} == {check_size_bytes(kind)}
