"""Our signature against published vectors and against Shopify's own package."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shopify_app.verify.webhook import verify_webhook_req

from shared.connectors.shopify.signature import sign, verify

VECTORS = [
    pytest.param(
        "7008c5f4da4718b9b45d26d3fcbbb157", b'{"foo":"bar"}', "+R9TwYM4mbLTk3hEAOBkpA7zW2lc9vNFmVKs2u2jtyY=",
        id="Shopify's PHP library",
    ),
    pytest.param("hush", b"{}", "UFwgrGBPZilFtmKh8TqcovA78LGYb1BdWu9I4Q2oyRg=", id="empty object"),
    pytest.param(
        "hush",
        '{"id":820982911946154508,"note":"café — rôti","url":"https:\\/\\/a.test\\/x?b=1\\u0026c=2"}'.encode(),
        "Rw/DI0a1r6GLKYHcMqOn6pdCMf8lzVoI+b06rgAxqoA=",
        id="escapes and letters beyond ASCII",
    ),
    pytest.param(
        "shpss_example_secret_0001", b'{"id":1,"total_price":"10.00"}', "H6HB8VmKAR8X6uUoxP9uCP34s04hRsFyogPBuaW15UM=",
        id="a secret of today's form",
    ),
    pytest.param("hush", b'{"id": 1}\n', "R6yHoVylcIvKE9t8oL60QLlGsI2Sw4b5FPg/lrGRffM=", id="space and line feed"),
]  # fmt: skip


def theirs(body: str, header: str, secret: str, old_secret: str = "") -> bool:
    """Shopify's verdict."""
    request = {
        "method": "POST",
        "headers": {"X-Shopify-Hmac-Sha256": header, "X-Shopify-Shop-Domain": "demo.myshopify.com"},
        "body": body,
        "url": "https://bridge.test/webhooks",
    }
    app = {"client_id": "id", "client_secret": secret}
    return bool(verify_webhook_req(request, {**app, "old_client_secret": old_secret} if old_secret else app).ok)


@pytest.mark.parametrize(("secret", "body", "header"), VECTORS)
def test_published_vectors(secret: str, body: bytes, header: str) -> None:
    assert sign(body, secret) == header
    assert verify(body, header, [secret])
    assert not verify(body + b" ", header, [secret])


@pytest.mark.parametrize(("secret", "body", "header"), VECTORS)
def test_shopifys_package_agrees_on_the_vectors(secret: str, body: bytes, header: str) -> None:
    assert theirs(body.decode(), header, secret)
    assert not theirs(body.decode() + " ", header, secret)


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.text(), secret=secrets, other=secrets, header=st.none() | st.text(st.characters(max_codepoint=126)))
def test_shopifys_package_agrees_on_anything(body: str, secret: str, other: str, header: str | None) -> None:
    given_header = sign(body.encode(), secret) if header is None else header

    assert verify(body.encode(), given_header, [secret]) == theirs(body, given_header, secret)
    assert verify(body.encode(), given_header, [other]) == theirs(body, given_header, other)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.text(), new=secrets, old=secrets)
def test_shopifys_package_agrees_during_a_rotation(body: str, new: str, old: str) -> None:
    header = sign(body.encode(), old)

    assert verify(body.encode(), header, [new, old])
    assert theirs(body, header, new, old)
