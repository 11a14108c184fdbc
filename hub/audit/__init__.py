"""The audit: what the series store holds against what the ledger says it holds."""
