"""The proof is itself tested: one defence at a time is switched off, and the checker has to notice.

The product has no switch for that. `start` patches a service's classes and then runs it; `table` says which faults
bring the weakness to light and what the checker must find; `python -m tests.prove.mutants` runs them all.
"""
