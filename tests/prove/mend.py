"""Poisoned records are repaired with the operator's own tool, as a person would; what can be, runs clean then.

Whether they did is the checker's to say, from the topics and the books: what the tool tells is only a second opinion.
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


async def mend(cluster: Cluster, load: Load, poison: Sequence[Json], folder: Path) -> tuple[int, list[str]]:
    """How many letters ran clean with their repaired body, and what went wrong with the others."""
    clean, complaints = 0, []
    for one in poison:
        if one["repaired"] is None:
            continue
        # Not before: the reconciler, too, would bring over what the shop has.
        if one["document"]:
            await load.place(one["entity"], one["document"])
        name = one["letter"]["ce_id"]
        path = folder / f"repaired-{name}.json"
        path.write_bytes(orjson.dumps(one["repaired"]))
        said = await _dlq(cluster, "edit", name, "--body-file", str(path), "--actor", "proof", "--json")
        outcomes = list(said.get("sent", {}).values())
        if outcomes and all(outcome.partition(":")[0] == one["ends"] for outcome in outcomes):
            clean += 1
        else:
            complaints.append(f"the dead letter {name} did not run clean with its repaired body: {said}")
    return clean, complaints


async def _dlq(cluster: Cluster, *arguments: str) -> Json:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.cli", "dlq", *arguments,
        env=with_checkout(cluster.stack.environ),
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await asyncio.wait_for(process.communicate(), 2 * _SECONDS)
    if process.returncode:
        return {"error": err.decode(errors="replace").strip()[-500:]}
    said: Json = orjson.loads(out)
    return said
