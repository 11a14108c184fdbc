"""The one error of this package."""


class WireError(ValueError):
    """Bytes or names from outside that do not follow the contract; the text says what, where and why."""
