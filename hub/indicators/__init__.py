"""Indicators: numbers that are computed from stored series by a formula with a version and a source."""
