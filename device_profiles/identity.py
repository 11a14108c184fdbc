"""Who a Modbus device is: its serial number, firmware and model, as its registers tell. Pure."""

from collections.abc import Sequence

from device_profiles.modbus import ReadRequest
from device_profiles.modbus_model import Identity, IdentityForm

_REGISTER_BITS = 16


def identity_request(fact: Identity) -> ReadRequest:
    """The request that reads it."""
    return ReadRequest(table=fact.table, address=fact.address, count=fact.registers)


def identity_text(fact: Identity, words: Sequence[int]) -> str:
    """What the registers tell, as text: characters without padding, or a decimal number."""
    if fact.form is IdentityForm.NUMBER:
        number = 0
        for word in words:
            number = number << _REGISTER_BITS | word
        return str(number)
    raw = b"".join(word.to_bytes(2, "big") for word in words)
    text = raw.split(b"\0", 1)[0].decode("latin-1").strip()
    return "".join(letter for letter in text if letter.isprintable())


def identity_words(fact: Identity, text: str) -> tuple[int, ...]:
    """The registers that tell a text, cut to what they can hold; all 1 for a number. For simulators."""
    if fact.form is IdentityForm.NUMBER:
        return (1,) * fact.registers
    raw = text.encode("latin-1", "replace")[: 2 * fact.registers].ljust(2 * fact.registers, b"\0")
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))
