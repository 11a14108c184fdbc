"""Freshness: what arrives, against what was promised."""
