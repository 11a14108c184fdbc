"""Writing what a profile allows to be written: the order, and whether the device obeyed. Pure.

I1. Nothing outside what the profile allows becomes an order.
"""

import struct

from device_profiles.decode import raw_number
from device_profiles.modbus import ReadRequest, WriteRequest
from device_profiles.modbus_model import Command, Control, ModbusDevice, ModbusPoint, order
from device_profiles.numbers import NumberError, encode_number
from device_profiles.point_model import unscaled, value_of

_REGISTER_BYTES = 2
DO = "do"
_HALF = 0.500001  # of a step: what is ordered is rounded to one


class ControlError(ValueError):
    """A value that may not, or cannot, be written; the text says which and why."""


def order_named(device: ModbusDevice, key: str) -> Control | Command | None:
    """What a gateway file or a person calls by this key."""
    return next((one for one in device.orders if one.key == key), None)


def states_of(named: Control | Command) -> dict[str, str]:
    """The names of what may be ordered, by number as text."""
    return {"1": DO} if isinstance(named, Command) else {f"{code:g}": name for code, name in named.states.items()}


def check_said(command: Command, text: str) -> None:
    """Refuse a value: a command takes none but the word for "do it".

    Raises:
        ControlError: it is something else.
    """
    if text.strip().lower() != DO:
        raise ControlError(f"command {command.key}: found {text!r}, expected {DO!r}: there is nothing to set")


def number_said(control: Control, text: str) -> float:
    """The number that a person means: in the unit of the control's quantity, or the name of a state.

    Raises:
        ControlError: it is neither.
    """
    for code, name in control.states.items():
        if text.strip().lower() == name.lower():
            return float(code)
    try:
        return float(text)
    except ValueError:
        names = f" or one of {', '.join(control.states.values())}" if control.states else ""
        raise ControlError(f"control {control.key}: found {text!r}, expected a number{names}") from None


def write_request(control: Control, number: float) -> WriteRequest:
    """The order that sets a control.

    Args:
        control: of a profile.
        number: in the unit of its quantity, or the code of a state.

    Raises:
        ControlError: the profile does not allow it, or the register cannot hold it.
    """
    if control.states and number not in control.states:
        allowed = ", ".join(f"{code} ({name})" for code, name in control.states.items())
        raise ControlError(f"control {control.key}: found {number:g}, expected one of {allowed}")
    low, high = control.minimum, control.maximum
    if (low is not None and number < low) or (high is not None and number > high):
        raise ControlError(f"control {control.key}: found {number:g}, expected {low} to {high}")
    raw = unscaled(number, control)
    if control.type is None:
        if raw not in {0, 1}:
            raise ControlError(f"control {control.key}: found {number:g}, expected 0 or 1")
        return order(control.table, control.address, (int(raw),))
    try:
        data = encode_number(raw, control.type, control.order)
    except NumberError as error:
        raise ControlError(f"control {control.key}: {error}") from error
    padded = data.rjust(_REGISTER_BYTES * len(control_registers(control)), b"\0")
    return order(control.table, control.address, struct.unpack(f">{len(padded) // _REGISTER_BYTES}H", padded))


def read_back_request(control: Control) -> ReadRequest:
    """The request that shows whether the device obeyed."""
    shown = _shown(control)
    return ReadRequest(table=shown.table, address=shown.address, count=shown.span)


def shown_number(control: Control, words: tuple[int, ...]) -> float | None:
    """What the device shows, in the unit of the control's quantity; None where it shows nothing."""
    return value_of(raw_number(_shown(control), words), control).number


def is_obeyed(control: Control, number: float, words: tuple[int, ...]) -> bool:
    """Whether what was read back is what was ordered, to the resolution of the register."""
    shown = shown_number(control, words)
    return shown is not None and abs(shown - number) <= abs(control.scale) * _HALF


def control_registers(control: Control) -> range:
    """The addresses that the control is written to."""
    return range(control.address, control.address + _as_point(control).span)


def _shown(control: Control) -> ModbusPoint:
    point = _as_point(control)
    address = control.address if control.read_back is None else control.read_back
    table = control.read_back_table or control.table
    return ModbusPoint(
        key=point.key, quantity=point.quantity, table=table, address=address, type=point.type, order=point.order
    )


def _as_point(control: Control) -> ModbusPoint:
    return ModbusPoint(
        key=control.key,
        quantity=control.quantity,
        table=control.table,
        address=control.address,
        type=control.type,
        order=control.order,
    )
