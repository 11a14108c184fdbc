"""The alert rules, one file a subject."""
