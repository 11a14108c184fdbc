"""From the spool to the hub: what to send next, and what the hub's commit lets us forget."""
