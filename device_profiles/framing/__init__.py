"""Bytes of a serial line to whole frames whose checks hold: one module a kind of framing. Pure."""
