"""Bringing panels to a Grafana: what it has, what it should have, the difference. What they show is not known here."""
