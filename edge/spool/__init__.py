"""The gateway's durable store of records not yet committed by the hub."""
