"""Talking to devices: one physical line or link shared by many, and what can go wrong on it."""
