"""Builds, prints and writes build/proof.json: the checker's findings and the run's figures."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from tests.prove.check import check
from tests.prove.history import read_mutations, read_rows
from tests.prove.recovery import percentile
from tests.prove.run import RunResult

Json = dict[str, Any]
RESUME_SECONDS = 8.0
# Where another fault hinders the same work meanwhile: faults of a vendor last up to 15 s.
OVERLAPPED_SECONDS = 20.0
_LISTED = 20
# The figures that are printed; proof.json has more.
MEANINGS: Final = {
    "seed": "of load and fault schedule",
    "minutes": "duration of the load",
    "events": "changes that shop and store made",
    "faulted_calls": "vendor calls and webhooks affected by a fault",
    "kills": "kill -9, by service",
    "faults": "injected faults, by kind",
    "in_doubt": "writes whose outcome was unknown for a time",
    "lost": "acknowledged events without a final outcome",
    "duplicated": "orders, payments, lines or shipments written twice",
    "reordered": "changes of a key written out of order",
    "disagreeing": "differences between the vendors at the end",
    "dlq_expected": "poison records published",
    "dlq_actual": "dead letters found",
    "dlq_repairable": "dead letters to be edited and replayed",
    "dlq_repaired": "of those, how many succeeded",
    "awaiting_review": "records left to a person",
    "parked_at_end": "keys still parked",
    "resume_seconds_p95": "from the end of a fault until waiting work resumes",
    "resume_seconds_overlapped_p95": "the same, where another fault affected that work meanwhile",
    "measured_faults": "faults behind which work was waiting, those overlapped by others included",
    "quiescence_seconds": "from the last fault until no work was pending",
    "broker": "",
    "database": "",
}


def proof(result: RunResult, resume_seconds: float = RESUME_SECONDS) -> Json:
    """The report. A run passes if no guarantee is violated, no work stays pending, and it recovers fast enough."""
    report = check(result.evidence)
    evidence = result.evidence
    spans, overlapped = _spans(evidence.resume_seconds), _spans(evidence.resume_seconds_overlapped)
    resumed, hindered = round(percentile(spans, 0.95), 2), round(percentile(overlapped, 0.95), 2)
    failures = [
        *report.failures,
        *result.failures,
        *([f"still pending at the end: {result.pending}"] if result.pending else []),
    ]
    if resumed > resume_seconds:
        failures.append(f"work resumed {resumed} s (p95) after a fault; allowed are {resume_seconds:.0f} s")
    if hindered > max(OVERLAPPED_SECONDS, resume_seconds):
        allowed = f"allowed are {OVERLAPPED_SECONDS:.0f} s"
        failures.append(f"work resumed {hindered} s (p95) after a fault that others overlapped; {allowed}")
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
        "resume_seconds_overlapped_p95": hindered,
        "verdict": "fail" if failures else "pass",
        "failures": failures,
        "measured_faults": len(spans) + len(overlapped),
        "resume_seconds": _by_kind(evidence.resume_seconds),
        "resume_seconds_overlapped": _by_kind(evidence.resume_seconds_overlapped),
        "resume_seconds_to_write": _by_kind(evidence.resume_seconds_to_write),
        "awaiting_review": _listed(report.awaiting_review),
        "parked_at_end": _listed(report.parked),
        "dlq_repairable": report.dlq_repairable,
        "memory_mb": memory(evidence.memory),
        "dlq_repaired": 0,
        **result.figures,
    }


def _spans(by_kind: Mapping[str, list[float]]) -> list[float]:
    return [span for of_kind in by_kind.values() for span in of_kind]


def _listed(names: Sequence[str]) -> Json:
    return {"count": len(names), "which": list(names[:_LISTED])}


def _by_kind(spans: Mapping[str, list[float]]) -> Json:
    return {kind: _spread(of_kind) for kind, of_kind in sorted(spans.items())}


def _spread(spans: list[float]) -> Json:
    """How many faults were measured; median and longest recovery in seconds."""
    return {"count": len(spans), "median": round(percentile(spans, 0.5), 2), "longest": round(max(spans), 2)}


def memory(path: Path) -> Json:
    """Mean resident memory of each process, in megabytes, in the first and the last third of the run."""
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
    table = Table("figure", "value", "meaning", title=f"proof: {report['verdict']}")
    for name, meaning in MEANINGS.items():
        value = report[name]
        table.add_row(name, json.dumps(value) if isinstance(value, dict) else str(value), meaning)
    console = Console()
    console.print(table)
    for failure in report["failures"]:
        console.print(f"FAILED: {failure}", style="red", markup=False)
