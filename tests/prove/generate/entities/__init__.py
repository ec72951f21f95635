"""One file per entity, found by itself: each defines a `GENERATOR`."""

from __future__ import annotations

from typing import Final

from tests.prove.generate.generator import Generator
from tests.prove.registry import found

GENERATORS: Final[tuple[Generator, ...]] = found(__name__, "GENERATOR")
