"""`make capabilities`: runs every test marked as evidence, writes docs/capabilities.md, prints the counts.

Exits with 1 if a test of a claimed capability fails or none of them runs; the document then stays as it is.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping

from tests.capabilities.catalogue import DOCUMENT, ROOT, Proofs, counts, read_proofs, read_table, render


def run_marked(workers: str) -> dict[str, bool]:
    """Test function -> whether it passed."""
    results = ROOT / "build" / "capabilities.json"
    results.parent.mkdir(exist_ok=True)
    results.unlink(missing_ok=True)
    options = ["-q", "-m", "capability", "-n", workers, "--dist", "loadfile", "--no-loadscope-reorder"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.capabilities.results", *options],
        cwd=ROOT,
        env={**os.environ, "RESULTS": str(results)},
        check=False,
    )
    passed: dict[str, bool] = json.loads(results.read_text(encoding="utf-8")) if results.exists() else {}
    return passed


def unproven(proofs: Proofs, passed: Mapping[str, bool]) -> list[str]:
    """One line for each claimed capability with a failed test, or of which no test ran."""
    failed = [
        f"{id_} is claimed, but {test} failed"
        for id_, tests in proofs.items()
        for test in tests
        if not passed.get(test, True)
    ]
    not_run = [
        f"{id_} is claimed, but none of its tests ran"
        for id_, tests in proofs.items()
        if passed.keys().isdisjoint(tests)
    ]
    return failed + not_run


def main() -> int:
    table, proofs = read_table(), read_proofs()
    errors = [
        f"a test claims {id_}, which is not in tests/capabilities/table.yaml"
        for id_ in proofs.keys() - {r.id for r in table}
    ]
    errors = errors or unproven(proofs, run_marked(os.environ.get("WORKERS", "4")))
    if errors:
        print("\n".join(errors), file=sys.stderr)
        return 1
    DOCUMENT.write_text(render(table, proofs), encoding="utf-8")
    print(f"capabilities: {counts(table, proofs)}; {DOCUMENT.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
