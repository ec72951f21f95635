"""Unit of work: results of one record's write that are not stored yet; the next statement stores them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import NeedsReview
from shared.state.atomic_write import AtomicWriter, EffectOutcome, Intent, LinkPair, VersionMark, WriteSet
from shared.state.ledger import Claim, Effect
from shared.state.reviews import ReviewClosing, ReviewOpening
from shared.sync.ownership_check import TakenAt

_UNUSED = "the call was not made"


@dataclass(slots=True)
class UnitOfWork:
    """The work on the record that `about` names.

    `held` are claims whose calls are still to come, `done` the results of calls that were made, `unused` claims whose
    calls turned out not to be needed. `conflicts` are links that contradicted known ones. `taken_at` tells since when
    no other process works on the record.

    Until they are stored, effects that are done count as in doubt: a crash costs a look-up each.
    """

    about: tuple[str, ...]
    writer: AtomicWriter
    taken_at: TakenAt | None = None
    held: dict[Effect, Claim] = field(default_factory=dict)
    done: dict[Effect, Intent] = field(default_factory=dict)
    unused: list[tuple[Effect, Claim]] = field(default_factory=list)
    links: list[LinkPair] = field(default_factory=list)
    conflicts: list[tuple[LinkPair, NeedsReview]] = field(default_factory=list)

    @property
    def is_unstored(self) -> bool:
        """Whether something is still to be stored, or claims are still held."""
        return bool(self.held or self.done or self.unused or self.links)

    async def claim(self, effects: Mapping[Effect, Intent | None]) -> None:
        """Claim those that are not held yet, in one statement with everything that is not stored yet.

        Raises TargetDown; then all is still to be stored.
        """
        missing = {effect: intent for effect, intent in effects.items() if effect not in self.held}
        if missing:
            await self.store(claims=missing)

    async def claimed(self, effect: Effect, intent: Intent | None = None) -> Claim:
        """The claim of this effect, which from now on counts as used; claimed now if it is not held."""
        if effect not in self.held:
            await self.claim({effect: intent})
        return self.held.pop(effect)

    def release(self, effects: Iterable[Effect]) -> None:
        """Give back what is still held of these with the next statement: the calls are not needed after all."""
        for effect in effects:
            claim = self.held.pop(effect, None)
            if claim is not None and claim.state == "new" and effect not in self.done:
                self.unused.append((effect, claim))

    async def last_sent(self, sent_at: datetime) -> datetime:
        """When what was claimed at `sent_at` can last have been sent.

        A former owner's call may have waited long.
        """
        taken_at = await self.taken_at() if self.taken_at is not None else None
        return max(sent_at, taken_at) if taken_at is not None else sent_at

    async def store(
        self,
        *,
        claims: Mapping[Effect, Intent | None] | None = None,
        versions: Sequence[VersionMark] = (),
        openings: Sequence[ReviewOpening] = (),
        closings: Sequence[ReviewClosing] = (),
        give_back: bool = False,
    ) -> None:
        """Store all this in one statement, and hold the claims.

        Raises TargetDown; then all is still to be stored.

        `give_back` frees the claims that are held: those calls are not made.
        """
        outcomes = [EffectOutcome(effect, result) for effect, result in self.done.items()]
        outcomes += [EffectOutcome(effect, None, _UNUSED, claim) for effect, claim in self._freed(give_back)]
        write_set = WriteSet(self.about, claims or {}, outcomes, tuple(self.links), versions, openings, closings)
        if claims or outcomes or self.links or versions or openings or closings:
            answer = await self.writer.write(write_set)
            self.held.update(answer.claims)
            self.conflicts += answer.conflicts
        self.done.clear()
        self.unused.clear()
        self.links.clear()
        if give_back:
            self.held.clear()

    def _freed(self, give_back: bool) -> list[tuple[Effect, Claim]]:
        # What is in doubt stays so: another process's call may have been made.
        held = [(effect, claim) for effect, claim in self.held.items() if claim.state == "new"]
        return [*self.unused, *held] if give_back else self.unused
