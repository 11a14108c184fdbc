"""Setting a database up for the hub: a place for every level, retention, and rights no wider than needed."""
