"""Mutation testing of the cores: each is broken in every small way, and its unit tests must notice."""
