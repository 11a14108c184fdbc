"""The registry: sites, gateways, what they read, and the ledger of what became of every record."""
