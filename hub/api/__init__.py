"""The JSON API: what the hub knows, as it stands, with age, mode and quality."""
