"""What nobody outside knows for certain about the real Heartland. The client must be right under both positions."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Switches(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    can_cancel_orders: bool = Field(True, description='PUT {"status": "canceled"} cancels an order')
    can_delete_order_lines: bool = Field(True, description="DELETE removes an order's line; else 405")
    unique_order_public_id: bool = Field(True, description="Two orders cannot have the same number")
    recompute_tax: bool = Field(
        True, description="An order's lines are taxed at the account's rate whenever they change"
    )
    validation_status: int = Field(400, description="Status of a record that cannot be saved: 400 or 422")
    put_answers: bool = Field(True, description="PUT answers with the record; else with nothing")
    post_location: bool = Field(True, description="POST names the new record in its Location header")
    custom_replaces: bool = Field(
        False, description="A nested custom object replaces the old one; else it is merged in"
    )
    strict_operators: bool = Field(False, description="A filter's operator without $ is refused; else ignored")
    strict_payments: bool = Field(False, description="A payment beyond the balance is refused; else only absurd ones")
    payments_on_closed_orders: bool = Field(False, description="A closed order still takes payments")
    commit_on_open: bool = Field(True, description="An open order commits stock; else only its invoice moves any")
    camel_case_hooks: bool = Field(True, description="Bodies of item and customer hooks are camelCase")
    hooks_for_invoices: bool = Field(False, description="sales_transaction_completed fires for invoices too")
    hook_attempts: int = Field(5, ge=1, description="How often a hook is tried at most")
    hook_retry_seconds: float = Field(1.0, ge=0, description="Wait before a hook's second try; doubled each time")
    hook_timeout_seconds: float = Field(10.0, gt=0, description="How long a hook's receiver may take")
    local_offset_hours: int = Field(-5, ge=-12, le=14, description="The stores' wall clock against UTC")
