"""Ingest: from a message on the broker to stored points, a ledger entry and a commit."""
