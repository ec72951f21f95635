"""The demo day as the command line follows it."""

from __future__ import annotations

import aiohttp
import pytest

from services.cli.demo_day import DemoDay, Progress
from services.cli.run import fast_settings, headline


@pytest.mark.parametrize(
    ("progress", "sentence"),
    [
        pytest.param(Progress(0), "", id="no orders were wished for"),
        pytest.param(
            Progress(2, sent=2, parcels=1), "first day: 2 of 2 orders sent, 0 done, 1 parcels", id="under way"
        ),
        pytest.param(
            Progress(2, 2, 2, 1, over=True),
            "first day done: 2 orders in Heartland, 1 shipments back in Shopify",
            id="over",
        ),
        pytest.param(Progress(2, problem="no station", over=True), "the demo orders stopped: no station", id="stopped"),
    ],
)
def test_the_headline_says_how_the_day_goes(progress: Progress, sentence: str) -> None:
    assert progress.headline() == sentence


def test_without_a_sandbox_there_is_no_headline() -> None:
    assert headline(None) == ""


async def test_a_sandbox_that_does_not_answer_ends_the_day_with_the_reason() -> None:
    day = DemoDay("http://127.0.0.1:1", 3)

    async with aiohttp.ClientSession() as session:
        await day.follow(session)

    assert day.progress.over
    assert day.progress.problem


def test_with_the_sandbox_there_is_no_need_to_be_careful_about_rates() -> None:
    assert fast_settings({})["HEARTLAND_REQUESTS_PER_SECOND"] == "0"
    assert "HEARTLAND_REQUESTS_PER_SECOND" not in fast_settings({"HEARTLAND_REQUESTS_PER_SECOND": "4"})
    assert fast_settings({"HEARTLAND_API_TOKEN": "real"}) == {}
