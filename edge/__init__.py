"""The gateway agent: reads devices, keeps every record until the hub has committed it, and says how it is."""
