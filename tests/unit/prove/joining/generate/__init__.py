"""As `tests/prove/generate/entities`, with one file more."""
