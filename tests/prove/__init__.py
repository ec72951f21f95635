"""The proof: load and fault injection from one seed, and a checker that reads only the recorded evidence.

An entity adds two files and one line in each package's `__init__.py`:

    generate/entities/<entity>.py   GENERATOR: its changes, seed data, poison records and how to read its final state
    check/entities/<entity>.py      ENTITY: its topics and stages, its unique facts, its expected and actual final state

Either may be a package. generate/generator.py and check/entity.py document the fields; all but a few have defaults.
Nothing else names an entity, except the scenarios and faults of the mutants.
"""
