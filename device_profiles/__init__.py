"""What a device is: the profile language, its parser and lint, the pure reading of its bytes, and the library."""
