"""The errors of this package."""


class WireError(ValueError):
    """Bytes or names from outside that do not follow the contract; the text says what, where and why."""


class TooLargeError(WireError):
    """A message of our own that leaves the limits of one payload; the sender makes it of fewer records."""
