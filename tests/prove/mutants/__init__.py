"""Mutation tests of the proof: each disables one defence of the product, and the checker must find a violation.

The product has no switches for this: `start` patches a service's classes and then runs it. `table` lists for each
defence the faults that expose its absence and the expected violations. `python -m tests.prove.mutants` runs them.
"""
