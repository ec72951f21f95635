"""Shopify client for a dry run: sends queries, records mutations and answers them with made-up data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.connectors.shopify.client import ShopifyClient
from shared.connectors.shopify.document import Document
from shared.limits.call_context import CallContext

Json = dict[str, Any]


@dataclass
class DryRunClient:
    """`answers` are made-up payloads by the name of a mutation. `calls` are the recorded mutations."""

    real: ShopifyClient
    answers: Mapping[str, Json]
    calls: list[Json] = field(default_factory=list)

    async def execute(self, document: Document, variables: Mapping[str, Any], context: CallContext) -> Json:
        """The real answer of a query, the made-up one of a mutation. Raises what the real client raises."""
        if not document.mutates:
            return await self.real.execute(document, variables, context)
        self.calls.append({"method": "mutation", "path": document.name, "body": dict(variables)})
        return self.answers[document.name]
