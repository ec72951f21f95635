"""The proof: a load and faults from a seed, and a checker that reads only what they left behind.

An entity joins by files of its own, which are found where they lie:

    generate/entities/<entity>.py   GENERATOR: what happens to it, what it needs beforehand, its poison, its books
    check/entities/<entity>.py      ENTITY: its road, its facts, what it should be in the end and what differs

Both may be packages. What the fields mean is said in generate/generator.py and check/entity.py; what an entity leaves
out has a default. Nothing else names an entity, the mutants' scenes and their faults aside.
"""
