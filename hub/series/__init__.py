"""Series: one small interface, several databases behind it."""
