"""Like `tests/prove/check/entities`, with one more entity."""
