"""The centre: takes batches in, stores the series, keeps the fleet, and shows what is known."""
