"""A device that speaks by itself is recognised by what it says, and noise is nobody."""

import random
from pathlib import Path

import pytest

from device_profiles.capture import Exchange
from device_profiles.library import load_all, load_capture
from edge.diagnosis.overheard import shown_bytes, speaking, stream_fits
from tests.edge.test_simulated_devices import simulated
from tests.support.edge_files import sen_edge

LIBRARY = load_all([])
# One byte proves nothing: such a radar is named by a person.
NAMED = sorted(set(speaking(LIBRARY)) - {"hikvision/cs-r"})
# Frames of the same form and check: which of them it is, the values tell a person.
ALIKE = {"plantower/pms5003t": "plantower/pms5003"}


def said(exchange: Exchange) -> bytes:
    return bytes.fromhex(exchange.received) or exchange.received_text.encode("latin-1")


@pytest.mark.parametrize("profile", NAMED)
def test_what_a_device_of_the_library_says_names_its_profile(profile: str) -> None:
    good = [said(one) for one in load_capture(profile).exchanges if one.readings and not one.bad_frames]
    assert good
    fits = stream_fits((good * 3)[:6], LIBRARY)
    assert profile in {fit.profile for fit in fits}
    assert fits[0].profile == ALIKE.get(profile, profile)
    assert fits[0].samples


def test_noise_fits_nobody() -> None:
    chance = random.Random(1)
    for _ in range(30):
        assert not stream_fits([chance.randbytes(60) for _ in range(3)], LIBRARY)


def test_text_is_shown_as_text_and_the_rest_as_hex() -> None:
    assert shown_bytes(b"$GPRMC,1\r\n") == "'$GPRMC,1\\r\\n'"
    assert shown_bytes(bytes(30)).endswith("00 ...")


def test_a_scan_that_listens_names_the_device_and_its_speed_and_writes_the_lines(tmp_path: Path) -> None:
    port = tmp_path / "dust"
    with simulated("nova/sds011", "--pty", str(port), "--every", "0.5"):
        heard = sen_edge("scan", "--port", str(port), "--listen")
        as_json = sen_edge("scan", "--port", str(port), "--listen", "--json")
    assert heard.code == 0, heard.err
    assert "1. nova/sds011" in heard.out
    assert f"{{bus: line-1, kind: serial, port: {port}, baud: 9600, parity: N, stop_bits: 1}}" in heard.out
    assert "{device: sds011-1, bus: line-1, profile: nova/sds011}" in heard.out
    assert as_json.told["heard"][-1]["fits"][0]["profile"] == "nova/sds011"


def test_a_silent_line_says_how_to_go_on(tmp_path: Path) -> None:
    port = tmp_path / "meter"
    with simulated("eastron/sdm120", "--pty", str(port), "--unit", "1"):
        heard = sen_edge("scan", "--port", str(port), "--listen", "--baud", "9600")
    assert heard.code == 1
    assert "9600 8N1: silence" in heard.out
    assert "--guess` asks Modbus devices" in heard.err
