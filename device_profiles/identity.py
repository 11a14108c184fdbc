"""Who a Modbus device is: its serial number, firmware and model, as its registers or its identification tell. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from device_profiles.modbus import (
    BASIC_OBJECTS,
    EXTENDED_OBJECTS,
    ONE_OBJECT,
    REGULAR_OBJECTS,
    IdentifyRequest,
    Question,
    ReadRequest,
)
from device_profiles.modbus_model import Identity, IdentityForm, IdentityObject, ModbusDevice

_REGISTER_BITS = 16
_HEAD: Final = 3  # more follows, which object follows, how many objects are here
_MORE: Final = 0xFF
_LAST_BASIC: Final = 2
_LAST_REGULAR: Final = 0x7F


def identity_questions(device: ModbusDevice) -> tuple[Question, ...]:
    """What the device is asked to tell who it is, each question once."""
    registers = [identity_request(fact) for fact in device.identity]
    objects = [object_request(fact) for fact in device.identity_objects]
    return tuple(dict.fromkeys((*registers, *objects)))


def identity_told(device: ModbusDevice, question: Question, values: Sequence[int]) -> dict[str, str]:
    """What the answer to one of these questions tells, by key."""
    if isinstance(question, ReadRequest):
        return {fact.key: identity_text(fact, values) for fact in device.identity if identity_request(fact) == question}
    told = objects_told(values)
    return {
        fact.key: told[fact.number]
        for fact in device.identity_objects
        if fact.number in told and object_request(fact).access == question.access
    }


def identity_following(question: Question, values: Sequence[int]) -> Question | None:
    """The question that the rest needs, where one answer could not hold all objects."""
    if isinstance(question, ReadRequest) or question.access == ONE_OBJECT:
        return None
    more, following = values[:2]
    if more != _MORE or following <= question.first:  # a device that goes back would never end
        return None
    return IdentifyRequest(access=question.access, first=following)


def identity_request(fact: Identity) -> ReadRequest:
    """The request that reads it."""
    return ReadRequest(table=fact.table, address=fact.address, count=fact.registers)


def object_request(fact: IdentityObject) -> IdentifyRequest:
    """The request that asks for it: alone, or for all of its kind."""
    if fact.is_single:
        return IdentifyRequest(access=ONE_OBJECT, first=fact.number)
    if fact.number <= _LAST_BASIC:
        return IdentifyRequest(access=BASIC_OBJECTS)
    return IdentifyRequest(access=REGULAR_OBJECTS if fact.number <= _LAST_REGULAR else EXTENDED_OBJECTS)


def objects_told(values: Sequence[int]) -> dict[int, str]:
    """The objects of an identification, by number; `values` are those of its answer."""
    told: dict[int, str] = {}
    at = _HEAD
    for _ in range(values[_HEAD - 1]):
        number, size = values[at : at + 2]
        told[number] = _text(bytes(values[at + 2 : at + 2 + size]))
        at += 2 + size
    return told


def object_bytes(facts: Sequence[IdentityObject], model: str) -> Mapping[int, bytes]:
    """What a device of that model tells in these objects. For simulators."""
    told = {fact.number: (fact.begins or model) for fact in facts}
    return {number: told[number].encode("latin-1", "replace")[:240] for number in sorted(told)}


def identity_text(fact: Identity, words: Sequence[int]) -> str:
    """What the registers tell, as text: characters without padding, or a decimal number."""
    if fact.form is IdentityForm.NUMBER:
        number = 0
        for word in words:
            number = number << _REGISTER_BITS | word
        return str(number)
    return _text(b"".join(word.to_bytes(2, "big") for word in words))


def identity_words(fact: Identity, text: str) -> tuple[int, ...]:
    """The registers that tell a text, cut to what they can hold; all 1 for a number. For simulators."""
    if fact.form is IdentityForm.NUMBER:
        return (1,) * fact.registers
    raw = text.encode("latin-1", "replace")[: 2 * fact.registers].ljust(2 * fact.registers, b"\0")
    return tuple(int.from_bytes(raw[at : at + 2], "big") for at in range(0, len(raw), 2))


def _text(raw: bytes) -> str:
    text = raw.split(b"\0", 1)[0].decode("latin-1").strip()
    return "".join(letter for letter in text if letter.isprintable())
