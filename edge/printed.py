"""What the commands print for a person. Pure."""

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

# What the agent tells is JSON whose shape `edge/app.py` makes.
Told = Mapping[str, Any]

_MS: Final = 1000
_MINUTE_S: Final = 60
_HOUR_MIN: Final = 60
_DAY_H: Final = 24
_KILO: Final = 1000
_MANY_YEARS: Final = 100
_COLUMNS: Final = 80
_CLOCKS: Final = {
    "unsynced": "no time server and no hub vouches for it",
    "estimated": "nobody vouches for it just now, or its witnesses differ",
    "unanchored": "the time is not known yet: values wait for it, up to ten minutes",
}
_BEHIND_WORTH_SAYING_S: Final = 2.0
_NAME_COLUMNS: Final = 29  # the longest group and point of the library


def status_text(status: Told) -> str:
    """The answer to `status`, for an 80-column terminal."""
    spool, link = status["spool"], status["link"]
    oldest_s = spool["oldest_uncommitted_age_s"]
    connection = "connected" if link["connected"] else f"NOT CONNECTED: {link['trouble']}"
    waited = "" if oldest_s is None else f", the oldest for {age_text(oldest_s)}"
    lost = sum(spool["lost"].values())
    carried = (
        f"        {size_text(link['bytes_sent'])} sent, {size_text(link['bytes_received'])} received, and about"
        f" {size_text(link['overhead_bytes_estimated'])} of TCP, IP and keepalive (an estimate)"
    )
    lines = [
        f"gateway {status['gateway']} at {status['site']}, mode {status['mode']}, up {age_text(status['uptime_s'])}",
        f"link    {link['broker']}: {connection}; {link['batches_sent']} batches, {link['commits']} commits",
        carried,
        f"spool   {spool['in_flight']} records wait{waited}",
        f"        accepted {spool['accepted_total']}, final {spool['final_total']}, lost {lost}",
        f"        {size_text(spool['bytes_written'])} written, {size_text(spool['bytes_on_disk'])} on disk",
    ]
    if spool["bytes_per_record"] is not None:
        lines.append(f"        {spool['bytes_per_record']:.0f} bytes written for each record{_card_text(spool)}")
    if spool["trouble"]:
        lines.append(f"        TROUBLE: {spool['trouble']}; {spool['held']} readings wait in memory")
    lines += _clock_lines(status["clock"])
    lines = [part for line in lines for part in wrapped(line, indent=8)]
    lines.extend(part for fault in status.get("faults", ()) for part in wrapped(_fault_text(fault), indent=8))
    for device in status["devices"]:
        lines.append("")
        lines.extend(_device_lines(device))
    return "\n".join(lines)


def _clock_lines(clock: Told) -> list[str]:
    """What is to be said of the clock: nothing where all is well."""
    lines = []
    if clock["quality"] != "synced":
        lines.append(f"clock   {_CLOCKS[clock['quality']]}; values are stored as time_estimated")
    behind_s = clock.get("machine_behind_s")
    if behind_s is not None and abs(behind_s) > _BEHIND_WORTH_SAYING_S:
        side = "behind" if behind_s > 0 else "ahead"
        lines.append(f"clock   this machine's own is {age_text(abs(behind_s))} {side} of the time that is believed")
    return lines


def reading_text(reading: Told) -> str:
    """One device's values beside what came over the wire, for an 80-column terminal."""
    lines = wrapped(f"{reading['device']} ({reading['profile']} on {reading['bus']})", indent=2)
    lines.extend(f"  {_value_text(value)}  {value['quality']}" for value in reading["values"])
    for raw in reading["raw"]:
        lines.extend(wrapped(f"  raw {raw}", indent=6))
    if reading["error"]:
        lines.extend(wrapped(f"  {reading['error']}", indent=2))
    return "\n".join(lines)


def written_text(written: Told) -> str:
    """What became of an order, for an 80-column terminal."""
    state = written["states"].get(f"{written['ordered']:g}")
    ordered = f"{written['ordered']:g}" + (f" ({state})" if state else "")
    line = f"{written['device']} {written['control']} = {ordered}: {written['outcome']}; {written['text']}"
    return "\n".join(wrapped(line, indent=2))


def age_text(seconds: float) -> str:
    """A duration in words a person reads at a glance."""
    minutes, rest_s = divmod(int(seconds), _MINUTE_S)
    if not minutes:
        return f"{seconds:.1f} s"
    hours, minutes = divmod(minutes, _HOUR_MIN)
    if not hours:
        return f"{minutes} min {rest_s} s"
    days, hours = divmod(hours, _DAY_H)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes} min"


def _card_text(spool: Told) -> str:
    years = spool["card_years"]
    return "" if years is None else f": at this pace the card bears it for {years_text(years)}"


def years_text(years: float) -> str:
    """How long a card lasts."""
    return f"{years:.1f} years" if years < _MANY_YEARS else "more than a century"


def size_text(count: int) -> str:
    """Bytes in words a person reads at a glance."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < _KILO:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= _KILO
    return f"{amount:.1f} GB"


def wrapped(line: str, *, indent: int) -> list[str]:
    """A line in as many as the terminal needs; what has no spaces stays in one piece, so that it can be copied."""
    return textwrap.wrap(
        line, _COLUMNS, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ) or [line]


def _fault_text(fault: Told) -> str:
    return f"fault   {moment_text(fault['time_ms'])} {fault['device']}: {fault['kind']}; see sen-edge logs"


def moment_text(time_ms: int) -> str:
    """A UTC moment to the second."""
    return f"{datetime.fromtimestamp(time_ms / _MS, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _device_lines(device: Told) -> list[str]:
    age_s = device["last_answer_age_s"]
    answered = "never answered" if age_s is None else f"answered {age_text(age_s)} ago"
    silent = ", SILENT" if device["silent"] else ""
    lines = wrapped(f"{device['device']} ({device['profile']} on {device['bus']}): {answered}{silent}", indent=2)
    if device["identity"]:
        lines.extend(wrapped("  " + ", ".join(f"{key} {text}" for key, text in device["identity"].items()), indent=4))
    if device["held_back"]:
        lines.append(f"  {device['held_back']} of {sum(device['readings'].values())} readings held back as no news")
    worse = ", ".join(f"{quality} {count}" for quality, count in device["readings"].items() if quality != "good")
    if worse:
        lines.extend(wrapped(f"  readings not good: {worse}", indent=4))
    errors = ", ".join(f"{kind} {count}" for kind, count in device["errors"].items())
    if errors:
        lines.extend(wrapped(f"  errors: {errors}", indent=4))
    if device["trouble"]:
        lines.extend(wrapped(f"  {device['trouble']}", indent=2))
    lines.extend(
        f"  {_value_text(value)}  {age_text(value['age_s']):>11}  {value['quality']}" for value in device["values"]
    )
    return lines


def _value_text(value: Told) -> str:
    name = f"{value['group']}.{value['point']}"
    if len(name) > _NAME_COLUMNS:
        name = f"{name}\n{'':{2 + _NAME_COLUMNS}}"
    number = "-" if value["value"] is None else _number_text(value["value"])
    unit = "" if value["unit"] == "1" else value["unit"]
    return f"{name:{_NAME_COLUMNS}} {number:>13} {unit:5}"


def _number_text(number: float) -> str:
    """All the digits it has: a counter of which the last are left out cannot be checked against the display."""
    return str(number) if isinstance(number, int) else f"{number:.12g}"
