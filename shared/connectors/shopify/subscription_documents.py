"""The GraphQL documents about webhook subscriptions."""

from __future__ import annotations

from shared.connectors.shopify.document import Document

LIST_SUBSCRIPTIONS = Document(
    "ListSubscriptions",
    """
query ListSubscriptions($after: String) {
  webhookSubscriptions(first: 50, after: $after) {
    pageInfo { hasNextPage endCursor }
    nodes { id topic uri name format filter includeFields apiVersion { handle } }
  }
}""",
    cost_hint=20,
)

CREATE_SUBSCRIPTION = Document(
    "CreateSubscription",
    """
mutation CreateSubscription($topic: WebhookSubscriptionTopic!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionCreate(topic: $topic, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}""",
)

UPDATE_SUBSCRIPTION = Document(
    "UpdateSubscription",
    """
mutation UpdateSubscription($id: ID!, $subscription: WebhookSubscriptionInput!) {
  webhookSubscriptionUpdate(id: $id, webhookSubscription: $subscription) {
    webhookSubscription { id }
    userErrors { field message }
  }
}""",
)

DELETE_SUBSCRIPTION = Document(
    "DeleteSubscription",
    """
mutation DeleteSubscription($id: ID!) {
  webhookSubscriptionDelete(id: $id) { deletedWebhookSubscriptionId userErrors { field message } }
}""",
)

# They need no scope of their own; each topic needs that of what it tells of.
SUBSCRIPTION_DOCUMENTS = (LIST_SUBSCRIPTIONS, CREATE_SUBSCRIPTION, UPDATE_SUBSCRIPTION, DELETE_SUBSCRIPTION)
# A topic needs the scope of what it tells of; the documents themselves need none.
