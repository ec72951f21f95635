"""Status of dead letters and progress of replays. The letters themselves are on their Kafka topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.state.database import Database, clean

State = Literal["open", "replayed", "edited", "discarded"]


@dataclass(frozen=True, slots=True)
class Fate:
    """State of one letter. `times` counts how often it was resent, `run` is its latest replay."""

    state: State = "open"
    times: int = 0
    run: str = ""
    reason: str = ""


class DeadLetterStatuses:
    """Every method raises TargetDown without a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def fates(self) -> dict[str, Fate]:
        """Status by letter id; a letter without one is open."""
        rows = await self._db.fetch("select id, state, times, run, reason from letters")
        return {row["id"]: Fate(row["state"], row["times"], row["run"], row["reason"]) for row in rows}

    async def sent(self, letter: str, state: Literal["replayed", "edited"], run: str) -> None:
        """Note that a letter was resent."""
        await self._db.execute(
            """insert into letters as l (id, state, times, run) values ($1, $2, 1, $3)
               on conflict (id) do update set state = excluded.state, times = l.times + 1, run = excluded.run,
                      updated_at = clock_timestamp()""",
            letter, state, run,
        )  # fmt: skip
        await self._db.execute(
            "update replays set sent_at = clock_timestamp() where run = $1 and letter = $2", run, letter
        )

    async def discard(self, letter: str, reason: str) -> None:
        """Discard a letter."""
        await self._db.execute(
            """insert into letters (id, state, reason) values ($1, 'discarded', $2)
               on conflict (id) do update set state = 'discarded', reason = excluded.reason,
                      updated_at = clock_timestamp()""",
            letter, clean(reason),
        )  # fmt: skip

    async def begin(self, run: str, letters: Sequence[str]) -> None:
        """Start a replay of these letters, in this order."""
        await self._db.execute(
            """insert into replays (run, position, letter)
               select $1, number, letter from unnest($2::text[]) with ordinality as l (letter, number)""",
            run, list(letters),
        )  # fmt: skip

    async def left(self, run: str) -> list[str]:
        """Letters that a replay has not sent yet, in order."""
        rows = await self._db.fetch(
            "select letter from replays where run = $1 and sent_at is null order by position", run
        )
        return [row["letter"] for row in rows]

    async def skip(self, run: str, letters: Iterable[str]) -> None:
        """Skip these letters."""
        await self._db.execute(
            "update replays set sent_at = clock_timestamp() where run = $1 and letter = any($2::text[])",
            run, list(letters),
        )  # fmt: skip
