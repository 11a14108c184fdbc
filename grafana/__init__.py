"""Dashboards and alert rules as code, built from the quantities of `wire`. Nothing lives here yet."""
