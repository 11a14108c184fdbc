"""The serial line to microcontroller nodes of our own: frames, messages, firmware updates. Nothing lives here yet."""
