"""Creates the Heartland order of a Shopify order once, and resolves conflicts of its order number."""

from __future__ import annotations

from shared.connectors.heartland.errors import Refused
from shared.entities.order.heartland.orders import SalesOrder
from shared.entities.order.heartland.orders import create_order as post_order
from shared.entities.order.to_heartland.account import Account
from shared.entities.order.to_heartland.actual import ActualOrderReader
from shared.entities.order.to_heartland.actual_order import ActualOrder
from shared.entities.order.to_heartland.ids import text_id
from shared.entities.order.to_heartland.steps import Body
from shared.limits.call_context import CallContext, PreSendCheck
from shared.state.ledger import Effect
from shared.sync.unit_of_work import UnitOfWork


class OrderCreation:
    """Creates one order.

    `body` is its header; if another order has its number, Shopify's id is appended to it.

    The number that stores see comes from Shopify's order name, which is not unique. So a taken number means either that
    another order has the same name, or that this order was created before the database was lost.
    """

    def __init__(
        self, body: Body, account: Account, order_id: str, reader: ActualOrderReader, context: CallContext
    ) -> None:
        self._body = dict(body)
        self._account = account
        self._order_id = order_id
        self._reader = reader
        self._context = context
        self._adopted = False

    async def run(self, effect: Effect, work: UnitOfWork) -> ActualOrder:
        """Create or adopt the order, and link it. Raises what the client raises."""
        made = await self._account.create_once(effect, self._send, self._find, self._account.lag, work=work)
        heartland_id = int(made.id)
        if made.found or self._adopted:
            actual = await self._reader.read(heartland_id)
            self._reader.link(heartland_id, actual.order.public_id)
            return actual
        self._reader.link(heartland_id, str(self._body["public_id"]))
        header = SalesOrder.model_validate({**self._body, "id": heartland_id})
        return ActualOrder(header, invoiced=False, is_new=True)

    async def _send(self, check: PreSendCheck) -> str | None:
        context = self._context.checked_by(check)
        number = str(self._body["public_id"])
        if self._account.settings.unique_order_public_id or not await self._reader.is_number_taken(number):
            try:
                return text_id(await post_order(self._account.heartland, self._body, context))
            except Refused as refusal:
                if not refusal.names("public_id"):
                    raise
        # The number is taken: by this order, created before the database was lost, or by another.
        existing = await self._find()
        self._adopted = existing is not None
        self._body["public_id"] = f"{number}-{self._order_id}"
        return existing or text_id(await post_order(self._account.heartland, self._body, context))

    async def _find(self) -> str | None:
        return text_id(await self._reader.look_up())
