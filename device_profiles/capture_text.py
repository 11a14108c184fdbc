"""A capture as the text of its file, the inverse of `parse_capture`. Pure."""

import json
from collections.abc import Iterator, Mapping

from device_profiles.capture import Capture, Exchange, ExpectedReading


def capture_text(capture: Capture, *, comment: str = "") -> str:
    """The file's text, one block an exchange; `comment` stands above it.

    Values are written with all their digits; bytes as they stand in the exchange.
    """
    head = [f"# {line}" for line in comment.splitlines()]
    lines = [*head, f"profile: {capture.profile}", "exchanges:"]
    for exchange in capture.exchanges:
        for index, line in enumerate(_lines(exchange)):
            lines.append(f"  {'- ' if index == 0 else '  '}{line}")
    return "\n".join(lines) + "\n"


def _lines(exchange: Exchange) -> Iterator[str]:
    yield from _asked(exchange)
    for key in ("words", "received", "received_text"):
        if text := getattr(exchange, key):
            yield f"{key}: {json.dumps(text)}"
    yield from _expected(exchange)
    if exchange.received or exchange.received_text:
        yield from _readings(exchange)
    yield f"origin: {exchange.origin.value}"


def _asked(exchange: Exchange) -> Iterator[str]:
    """What was asked, and where."""
    for key in ("note", "request", "request_text", "reply"):
        if text := getattr(exchange, key):
            yield f"{key}: {json.dumps(text, ensure_ascii=False)}"
    if exchange.table is not None:
        yield f"table: {exchange.table.value}"
    if exchange.address is not None:
        yield f"address: {exchange.address:#06x}"
    if exchange.sequence:
        yield f"sequence: {exchange.sequence}"


def _expected(exchange: Exchange) -> Iterator[str]:
    """What the registers mean."""
    if exchange.words_dec:
        yield f"words_dec: {list(exchange.words_dec)}"
    for key in ("expect", "orders"):
        if numbers := getattr(exchange, key):
            yield f"{key}: {_numbers(numbers)}"
    if exchange.quality:
        yield f"quality: {_words(exchange.quality)}"
    if exchange.identity:
        yield f"identity: {json.dumps(exchange.identity, ensure_ascii=False)}"
    if exchange.refused is not None:
        yield f"refused: {exchange.refused.value}"
    if exchange.never_sent:
        yield "never_sent: true"


def _readings(exchange: Exchange) -> Iterator[str]:
    if not exchange.readings:
        yield "readings: []"
    else:
        yield "readings:"
        for reading in exchange.readings:
            yield f"  - {{{_reading(reading)}}}"
    if exchange.bad_frames:
        yield f"bad_frames: {exchange.bad_frames}"


def _reading(reading: ExpectedReading) -> str:
    parts = [f"group: {reading.group}", f"values: {_numbers(reading.values)}"]
    if reading.quality:
        parts.append(f"quality: {_words(reading.quality)}")
    if reading.device_time_ms is not None:
        parts.append(f"device_time_ms: {reading.device_time_ms}")
    return ", ".join(parts)


def _numbers(values: Mapping[str, float | None]) -> str:
    return f"{{{', '.join(f'{key}: {_number(number)}' for key, number in values.items())}}}"


def _number(number: float | None) -> str:
    if number is None:
        return "null"
    return str(int(number)) if float(number).is_integer() and abs(number) < 2**53 else repr(float(number))


def _words(words: Mapping[str, str]) -> str:
    return f"{{{', '.join(f'{key}: {word}' for key, word in words.items())}}}"
