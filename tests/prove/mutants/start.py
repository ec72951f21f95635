"""`python -m tests.prove.mutants.start "park lock" services.shopify_writer`: runs a service without one defence."""

from __future__ import annotations

import runpy
import sys

from tests.prove.mutants.defences import DEFENCES


def main() -> None:
    defence, module = sys.argv[1:3]
    DEFENCES[defence]()
    sys.argv = [module]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
