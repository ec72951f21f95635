"""Like `tests/prove/generate/entities`, with one more entity."""
