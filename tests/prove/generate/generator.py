"""How an entity joins the load: its changes, what they need beforehand, what is poison, and what is left at the end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from tests.prove.generate.plan import Control, Done, Json, Placed, Planned, Raw
from tests.prove.generate.poison import Kind

# Of a seed, so many orders and so many seconds.
Planner = Callable[[int, int, float], list[Planned]]
# None while it has to wait for what the system does.
CarryOut = Callable[[Planned, Placed, Control], Awaitable[Done | None]]
# The id and the name of a subject: what both sides have of it.
Read = Callable[[str, str, Control, Raw], Awaitable[Json]]


@dataclass(frozen=True)
class Generator:
    """`subject` is whose lives its changes belong to: its own, or those of what it hangs on. `plural` is as the checker
    calls them.
    """

    name: str
    plural: str
    subject: str
    plan: Planner
    carry_out: CarryOut
    # What the sandbox is given before the load begins: paths and bodies.
    stock: Callable[[], Iterable[tuple[str, Json]]] = tuple
    kinds: tuple[Kind, ...] = ()
    # Tells the shop, and nobody else, of the document whose poisoned record is about to be repaired.
    place: Callable[[Json, Control], Awaitable[tuple[Placed, Done]]] | None = None
    # Its subject's row in the books; one that hangs on another is in the other's.
    read: Read | None = None
