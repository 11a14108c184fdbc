"""What the library covers: each profile, the document behind it, and the real bytes that it reads as printed. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from device_profiles.capture import Capture, Exchange, Origin, check_capture
from device_profiles.model import DeviceProfile
from device_profiles.serial_model import SerialDevice, SerialMode

# Where the measurement of a profile's first group puts it, in the order of the document.
CLASSES: Final[Mapping[str, str]] = {
    "air_quality": "Air and rooms",
    "noise": "Noise",
    "weather": "Weather",
    "soil": "Soil",
    "water": "Water",
    "traffic": "Traffic",
    "power": "Power and energy",
    "energy": "Power and energy",
    "inputs": "Inputs, outputs and counters",
    "position": "Position and heading",
    "camera": "Cameras",
    "housekeeping": "Other",
}
_REAL: Final = (Origin.CAPTURE, Origin.MANUAL, Origin.CODE)
_HEAD: Final = """\
# The device library

Every profile that comes with the project, with the document it was written from and the bytes that check it. This page
is printed by `sen-profile coverage`; a test compares it with the library.

An example is a request, a reply, some registers or a piece of a stream. It comes from a device (recorded), a document
(printed in it), or the code of others (a driver or its tests); what was computed from the rules of the document counts
apart, because it shows only that the profile says what it means. An example that is damaged, or a request that is never
sent (Modbus does not allow it, or its function is not spoken), counts where it is refused. Each is read in the tests:
values and qualities of a reply; of a request alone its frame, and the order that it is.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """One profile: its examples by origin, how many of the real ones are read as they say, how many are refused so."""

    profile: DeviceProfile
    examples: Mapping[Origin, int]
    real_read: int
    real_refused: int

    @property
    def real(self) -> int:
        """Examples that were not computed."""
        return sum(self.examples[origin] for origin in _REAL)

    @property
    def device_class(self) -> str:
        """The heading it stands under: that of its first group of measurements."""
        return CLASSES[self.profile.groups[0].measurement]

    @property
    def protocol(self) -> str:
        """How the device speaks, in a word or two."""
        serial = self.profile.serial
        return "Modbus" if serial is None else _serial_protocol(serial)


def coverage(profile: DeviceProfile, capture: Capture) -> Coverage:
    """What the capture of a profile shows."""
    broken = {item.path[1] for item in check_capture(profile, capture) if len(item.path) > 1}
    real = [(index in broken, exchange) for index, exchange in enumerate(capture.exchanges) if exchange.origin in _REAL]
    return Coverage(
        profile=profile,
        examples=Counter(exchange.origin for exchange in capture.exchanges),
        real_read=sum(not is_broken for is_broken, _ in real),
        real_refused=sum(not is_broken and _is_refused(exchange) for is_broken, exchange in real),
    )


def coverage_document(rows: Sequence[Coverage]) -> str:
    """The document, in Markdown."""
    return "\n".join([_HEAD, *_totals(rows), *_chapters(rows)]) + "\n"


def _totals(rows: Sequence[Coverage]) -> Iterator[str]:
    origins: Counter[Origin] = sum((Counter(row.examples) for row in rows), Counter())
    real = sum(row.real for row in rows)
    yield "| | |"
    yield "|---|---:|"
    yield f"| Profiles | {len(rows)} |"
    yield f"| with real examples | {sum(row.real > 0 for row in rows)} |"
    yield f"| Real examples that are read as printed | {sum(row.real_read for row in rows)} of {real} |"
    yield f"| recorded from a device | {origins[Origin.CAPTURE]} |"
    yield f"| printed in a document | {origins[Origin.MANUAL]} |"
    yield f"| in the code of others | {origins[Origin.CODE]} |"
    yield f"| damaged or never sent, and refused | {sum(row.real_refused for row in rows)} |"
    yield f"| Computed examples | {origins[Origin.COMPUTED]} |"


def _chapters(rows: Iterable[Coverage]) -> Iterator[str]:
    by_class: dict[str, list[Coverage]] = {name: [] for name in CLASSES.values()}
    for row in rows:
        by_class[row.device_class].append(row)
    for name, members in by_class.items():
        if not members:
            continue
        yield f"\n## {name}\n"
        yield "| Profile | Device | Protocol | Source | Recorded | Printed | Code | Computed | Real, read as printed |"
        yield "|---|---|---|---|---:|---:|---:|---:|---:|"
        for row in sorted(members, key=lambda member: member.profile.profile):
            yield f"| {' | '.join(_cells(row))} |"


def _cells(row: Coverage) -> Iterator[str]:
    device = row.profile.device
    yield f"`{row.profile.profile}`"
    yield _plain(f"{device.vendor} {device.model}, {device.kind}")
    yield row.protocol
    yield _source(row.profile)
    for origin in (*_REAL, Origin.COMPUTED):
        yield str(row.examples[origin])
    yield f"{row.real_read} of {row.real}"


def _source(profile: DeviceProfile) -> str:
    source = profile.source
    document = f"[{_plain(source.document)}]({source.url})" if source.url else _plain(source.document)
    return ", ".join(filter(None, (document, _plain(source.section))))


def _plain(text: str) -> str:
    """Text that stands in a cell as it is."""
    return text.replace("|", "\\|").replace("<", "&lt;")


def _serial_protocol(device: SerialDevice) -> str:
    if device.sentences is not None:
        form = "NMEA 0183"
    elif device.blocks is not None:
        form = "blocks of labels"
    elif device.lines is not None:
        form = "lines of text"
    else:
        form = "binary frames"
    return f"{form}, {'asked' if device.mode is SerialMode.REQUEST else 'by itself'}"


def _is_refused(exchange: Exchange) -> bool:
    return exchange.refused is not None or exchange.never_sent or exchange.bad_frames > 0
