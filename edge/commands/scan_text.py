"""What `sen-edge scan` prints for a person, and for the gateway file. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from device_profiles.point_model import Line
from edge.config import BusConfig
from edge.diagnosis.fit import Fit
from edge.diagnosis.overheard import Overheard
from edge.diagnosis.ports import PortFacts
from edge.diagnosis.scan import Asking, FoundUnit, Presence
from edge.diagnosis.survey import Attempt, Survey, Surveyed, line_text
from edge.printed import age_text, wrapped

_NO_PORTS: Final = "no serial port: is the adapter plugged in? `dmesg | tail` tells what the system saw"


_UNKNOWN: Final = "  # no profile of the library fits: `sen-profile new` begins one"
_NOT_ASKED: Final = "  # without --no-profiles a scan tells what it may be"


def ports_text(ports: Sequence[PortFacts], users: Mapping[str, str]) -> str:
    """Every port: who may open it, who has it, which bus of the gateway file it is."""
    lines = []
    for port in ports:
        lines.append(port.name)
        if port.device != port.name:
            lines.append(f"  is now {port.device}")
        lines.append(f"  {'may be opened' if port.may_open else 'MAY NOT BE OPENED by this user'} ({port.owners})")
        lines.extend(f"  in use by {one.program} (process {one.pid})"[:80] for one in port.holders)
        bus = users.get(port.device)
        lines.append(f"  bus {bus} of the gateway file" if bus else "  no bus of the gateway file")
    return "\n".join(lines) if lines else _NO_PORTS


def attempts_text(place: str, attempts: Sequence[Attempt], *, units: int) -> str:
    """What is going to be tried, and how long it takes at most."""
    whole = age_text(sum(one.seconds for one in attempts))
    if len(attempts) == 1:
        return f"{place} at {line_text(attempts[0].line)}: {units} addresses, about {whole} where nobody answers"
    tried = ", ".join(f"{line_text(one.line)} ({one.seconds:.0f} s)" for one in attempts)
    head = f"{place}: {units} addresses at each of {len(attempts)} settings, {whole} at most, until one answers:"
    return "\n".join([*wrapped(head, indent=2), *wrapped(f"  {tried}", indent=2)])


def others_text(place: str, line: Line, *, units: int) -> str:
    """How to ask the addresses that were left out while the settings were a guess."""
    command = f"sen-edge scan --port {place} --baud {line.baud} --parity {line.parity.value}"
    return f"\nonly the {units} likeliest addresses were asked; all of them:\n  {command}"


def asking_text(asking: Asking) -> str:
    """Where a scan is."""
    return f"{asking.what}: {asking.done} of {asking.of} addresses asked, {asking.found} found"


def survey_text(survey: Survey) -> str:
    """Who was found with these settings, and what each may be."""
    if survey.trouble is not None:
        return "\n".join(wrapped(f"{line_text(survey.line)}: {survey.trouble}", indent=2))
    if not survey.units:
        return f"{line_text(survey.line)}: nobody answered"
    lines = [f"{line_text(survey.line)}: {len(survey.units)} found"]
    for one in survey.units:
        lines.extend(_unit_lines(one))
    return "\n".join(lines)


def file_lines(bus: BusConfig, survey: Survey, *, is_recognised: bool) -> str:
    """The lines to put into the gateway file; where nobody was recognised, because nobody tried, without profiles."""
    where = _place_keys(bus, survey.line)
    lines = ["", "for the gateway file:", "buses:", f"  - {{bus: {bus.bus}, kind: {bus.kind}, {where}}}", "devices:"]
    for one in survey.units:
        if one.unit.presence is Presence.GARBLED:
            lines.append(f"  # unit {one.unit.unit}: answers are damaged; `sen-edge doctor` looks for the cause")
            continue
        profile = one.fits[0].profile if one.fits else "vendor/model"
        name = f"{profile.split('/')[1] if one.fits else 'device'}-{one.unit.unit}"
        hint = "" if one.fits else _UNKNOWN if is_recognised else _NOT_ASKED
        lines.append(f"  - {{device: {name}, bus: {bus.bus}, profile: {profile}, unit: {one.unit.unit}}}{hint}")
    return "\n".join(lines)


def overheard_text(one: Overheard) -> str:
    """What was heard with these settings, and what it may come from."""
    if one.trouble is not None:
        said = one.trouble
    elif not one.heard_bytes:
        said = "silence"
    else:
        what = "bytes" if one.fits else "bytes that no profile explains"
        said = f"{one.heard_bytes} {what}: {one.shown}"
    return "\n".join([*wrapped(f"{line_text(one.line)}: {said}", indent=4), *_fit_lines(one.fits)])


def speaking_file_lines(bus: BusConfig, one: Overheard) -> str:
    """The lines to put into the gateway file for a device that speaks by itself."""
    profile = one.fits[0].profile
    where = f"{{bus: {bus.bus}, kind: {bus.kind}, {_place_keys(bus, one.line)}}}"
    device = f"{{device: {profile.split('/')[1]}-1, bus: {bus.bus}, profile: {profile}}}"
    return "\n".join(["", "for the gateway file:", "buses:", f"  - {where}", "devices:", f"  - {device}"])


def _place_keys(bus: BusConfig, line: Line) -> str:
    """Where a bus goes, as the keys of the gateway file."""
    if bus.kind.is_port:
        return f"port: {bus.port}, baud: {line.baud}, parity: {line.parity.value}, stop_bits: {line.stop_bits}"
    return f"host: {bus.host}" + (f", tcp_port: {bus.tcp_port}" if bus.tcp_port else "")


def _unit_lines(one: Surveyed) -> list[str]:
    return [*wrapped(f"unit {one.unit.unit}: {_presence_text(one.unit)}", indent=4), *_fit_lines(one.fits)]


def _fit_lines(fits: Sequence[Fit]) -> list[str]:
    return [
        line
        for place, fit in enumerate(fits, start=1)
        for line in wrapped(f"    {place}. {fit.profile}: {fit.reason}", indent=7)
    ]


def _presence_text(unit: FoundUnit) -> str:
    after = f" after {unit.latency_s * 1000:.0f} ms" if unit.latency_s else ""
    late = ", late: a slow device" if unit.is_late else ""
    return f"{unit.note}{after}{late}"
