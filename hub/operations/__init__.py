"""How the hub and its gateways are: as series, and as alarms for people."""
