"""Repairs dead letters with `tillbridge dlq edit`, as an operator would.

The tool's answer is only a first check; the checker decides from the topics and the vendors' final state.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import orjson

from deploy.local.supervisor import with_checkout
from tests.prove.cluster import Cluster
from tests.prove.generate.load import Load
from tests.prove.generate.plan import Json

_SECONDS = 60.0


async def repair_dead_letters(
    cluster: Cluster, load: Load, poison: Sequence[Json], folder: Path
) -> tuple[int, list[str]]:
    """How many dead letters succeeded with their repaired body, and what went wrong with the others."""
    repaired, failures = 0, []
    for one in poison:
        if one["repaired"] is None:
            continue
        # Only now: had the shop had the order earlier, the reconciler would have written it.
        if one["document"]:
            await load.create_unannounced(one["entity"], one["document"])
        name = one["dead_letter"]["ce_id"]
        path = folder / f"repaired-{name}.json"
        path.write_bytes(orjson.dumps(one["repaired"]))
        answer = await _dlq(cluster, "edit", name, "--body-file", str(path), "--actor", "proof", "--json")
        outcomes = list(answer.get("sent", {}).values())
        if outcomes and all(outcome.partition(":")[0] == one["expected_outcome"] for outcome in outcomes):
            repaired += 1
        else:
            failures.append(
                f"dead letter {name} did not end as {one['expected_outcome']} with its repaired body: {answer}"
            )
    return repaired, failures


async def _dlq(cluster: Cluster, *arguments: str) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "dlq", *arguments,
        env=with_checkout(cluster.stack.environ),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 2 * _SECONDS)
    if process.returncode:
        return {"error": err.decode(errors="replace").strip()[-500:]}
    answer: Json = orjson.loads(out)
    return answer
