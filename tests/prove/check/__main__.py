"""`python -m tests.prove.check build/prove`: checks the evidence of an earlier run again."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.prove.check import check
from tests.prove.evidence import Evidence


def main() -> int:
    report = check(Evidence.load(Path(sys.argv[1] if len(sys.argv) > 1 else "build/prove")))
    print(report.table())
    return 0 if report.verdict == "pass" else 1


if __name__ == "__main__":
    sys.exit(main())
