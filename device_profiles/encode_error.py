"""The error of whatever writes frames and requests. Pure."""


class EncodeError(ValueError):
    """A frame or a request that cannot be made; the text says which and why."""
