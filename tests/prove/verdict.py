"""proof.json: the checker's findings and the run's figures in one object, and how it is shown."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.prove.check import check
from tests.prove.history import read_mutations, read_rows
from tests.prove.resumes import percentile
from tests.prove.run import Ran

Json = dict[str, Any]
RESUME_SECONDS = 10.0
_LISTED = 20


def proof(ran: Ran, resume_seconds: float = RESUME_SECONDS) -> Json:
    """What the checker found, and whether the run passes: it also has to come to rest, and soon after each fault."""
    report = check(ran.evidence)
    evidence = ran.evidence
    spans = [span for of_kind in evidence.resumes.values() for span in of_kind]
    resumed = round(percentile(spans, 0.95), 2)
    complaints = [*report.complaints, *ran.complaints, *([f"no rest: {ran.unrest}"] if ran.unrest else [])]
    if resumed > resume_seconds:
        complaints.append(f"work resumed {resumed} s (p95) after a fault, {resume_seconds:.0f} s are allowed")
    return {
        "seed": evidence.seed,
        "minutes": evidence.minutes,
        "events": sum(row.happened for row in read_mutations(evidence.history)),
        "kills": evidence.kills,
        "faults": evidence.faults,
        "in_doubt": evidence.in_doubt,
        "lost": report.lost,
        "duplicated": report.duplicated,
        "reordered": report.reordered,
        "disagreeing": report.disagreeing,
        "dlq_expected": report.dlq_expected,
        "dlq_actual": report.dlq_actual,
        "resume_seconds_p95": resumed,
        "verdict": "fail" if complaints else "pass",
        "complaints": complaints,
        "resumes": len(spans),
        "resume_seconds": {kind: _spread(spans) for kind, spans in sorted(evidence.resumes.items())},
        "until_written_seconds": {kind: _spread(spans) for kind, spans in sorted(evidence.written.items())},
        "waiting_for_a_person": _listed(report.waiting_for_a_person),
        "parked_at_the_end": _listed(report.parked),
        "letters_repairable": report.dlq_repairable,
        "memory_mb": memory(evidence.memory),
        **ran.figures,
    }


def _listed(names: Sequence[str]) -> Json:
    return {"count": len(names), "which": list(names[:_LISTED])}


def _spread(spans: list[float]) -> Json:
    """How many, and how long in seconds."""
    return {"count": len(spans), "median": round(percentile(spans, 0.5), 2), "longest": round(max(spans), 2)}


def memory(path: Path) -> Json:
    """Megabytes of each process in the first and the last third of the run, on the average."""
    by_process: defaultdict[str, list[int]] = defaultdict(list)
    for row in read_rows(path):
        by_process[row["process"]].append(row["rss"])
    return {name: {"first": _mean(rss[: len(rss) // 3 or 1]), "last": _mean(rss[-(len(rss) // 3 or 1) :])}
            for name, rss in by_process.items()}  # fmt: skip


def _mean(values: list[int]) -> float:
    return round(sum(values) / len(values) / 1_000_000, 1)


def write(report: Json, path: Path) -> None:
    path.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def show(report: Json) -> None:
    table = Table("", "", show_header=False, title=f"proof: {report['verdict']}")
    for name, value in report.items():
        if name not in ("complaints", "memory_mb", "restarts", "resume_seconds", "until_written_seconds"):
            table.add_row(name, json.dumps(value) if isinstance(value, dict) else str(value))
    console = Console()
    console.print(table)
    for complaint in report["complaints"]:
        console.print(f"FAILED: {complaint}", style="red", markup=False)
