"""Levels: the same series as they came, by five minutes and by the hour, kept for different times."""
