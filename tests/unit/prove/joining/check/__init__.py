"""As `tests/prove/check/entities`, with one file more."""
