"""Behaviour of the real Heartland that is not documented.

The connector must work with every combination.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class BehaviourFlags(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    can_cancel_orders: bool = Field(True, description='PUT {"status": "canceled"} cancels an order')
    can_delete_order_lines: bool = Field(True, description="DELETE removes an order line; else 405")
    unique_order_public_id: bool = Field(True, description="A public_id that another order has is rejected")
    recompute_tax: bool = Field(
        True, description="An order's lines are taxed at the account's rate whenever they change"
    )
    validation_status: int = Field(400, description="Status of validation errors: 400 or 422")
    put_answers: bool = Field(True, description="PUT answers with the record; else with an empty body")
    post_location: bool = Field(True, description="POST answers with a Location header")
    custom_replaces: bool = Field(False, description="A nested custom object replaces the old one; else it is merged")
    strict_operators: bool = Field(False, description="A filter operator without $ is rejected; else ignored")
    strict_payments: bool = Field(
        False, description="A payment above the balance is rejected; else only above ten times the total"
    )
    payments_on_closed_orders: bool = Field(False, description="A closed order accepts payments")
    commit_on_open: bool = Field(True, description="An open order commits stock; else only an invoice changes stock")
    camel_case_hooks: bool = Field(True, description="Bodies of item and customer hooks are camelCase")
    hooks_for_invoices: bool = Field(False, description="sales_transaction_completed fires for invoices too")
    hook_attempts: int = Field(5, ge=1, description="Maximum attempts to deliver a hook")
    hook_retry_seconds: float = Field(1.0, ge=0, description="Delay before the second attempt; doubled each time")
    hook_timeout_seconds: float = Field(10.0, gt=0, description="Timeout of a hook's receiver")
    local_offset_hours: int = Field(-5, ge=-12, le=14, description="The stores' UTC offset")
