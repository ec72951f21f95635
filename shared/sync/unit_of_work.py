"""What one order's writing has learnt and not noted yet: noted together, with the next statement that is due anyway."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from shared.errors import NeedsReview
from shared.state.atomic_write import AtomicWriter, EffectOutcome, LinkPair, VersionMark, WriteSet
from shared.state.ledger import Claim, Effect
from shared.sync.ownership_check import TakenAt

_UNUSED = "the call was not made"


@dataclass(slots=True)
class UnitOfWork:
    """`done` are creates and the ids they made, `held` claims whose calls are still to come, `unused` those that were
    held for nothing.

    Until they are noted, the done ones are in doubt: a crash costs a look-up each.
    """

    about: tuple[str, ...]
    done: list[tuple[Effect, int]] = field(default_factory=list)
    links: list[LinkPair] = field(default_factory=list)
    held: dict[Effect, Claim] = field(default_factory=dict)
    unused: list[tuple[Effect, Claim]] = field(default_factory=list)
    taken_at: TakenAt | None = None

    def link(self, pair: LinkPair) -> None:
        self.links.append(pair)

    def take(self, effect: Effect) -> Claim | None:
        """The claim held for this effect, which from now on counts as used."""
        return self.held.pop(effect, None)

    def release(self, effects: Iterable[Effect]) -> None:
        """Of these, what is still held and was ours to send is not needed after all."""
        settled = {effect for effect, _ in self.done}
        for effect in effects:
            claim = self.held.pop(effect, None)
            if claim is not None and claim.state == "new" and effect not in settled:
                self.unused.append((effect, claim))

    async def since(self, sent_at: datetime) -> datetime:
        """When what was claimed at `sent_at` can last have been sent: a former owner's call may have waited long."""
        taken_at = await self.taken_at() if self.taken_at is not None else None
        return max(sent_at, taken_at) if taken_at is not None else sent_at

    async def write(
        self,
        notes: AtomicWriter,
        *,
        claims: Iterable[Effect] = (),
        versions: Sequence[VersionMark] = (),
        give_back: bool = False,
    ) -> list[tuple[LinkPair, NeedsReview]]:
        """Note all this in one statement and hold the claims. Returns the links that contradict known ones.

        `give_back` frees what is held: those calls are not made. Raises TargetDown; then all is still pending.
        """
        wanted = tuple(claims)
        outcomes = [EffectOutcome(effect, {"id": made}) for effect, made in self.done]
        unused = list(self.unused)
        if give_back:
            # What is in doubt stays so: somebody else's call may have been made.
            unused += [(effect, claim) for effect, claim in self.held.items() if claim.state == "new"]
        outcomes += [EffectOutcome(effect, None, _UNUSED, claim) for effect, claim in unused]
        if not (wanted or outcomes or self.links or versions):
            return []
        noted = await notes.write(WriteSet(self.about, wanted, outcomes, tuple(self.links), versions))
        self.done.clear()
        self.unused.clear()
        self.links.clear()
        if give_back:
            self.held.clear()
        self.held.update(zip(wanted, noted.claims, strict=True))
        return noted.conflicts
