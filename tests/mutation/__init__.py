"""Mutation testing of the pure cores: each mutant changes one syntax node, and the unit tests must fail."""
