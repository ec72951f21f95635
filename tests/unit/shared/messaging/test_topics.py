from __future__ import annotations

import re

from shared.entities.table import topics
from shared.messaging.topics import MAX_MESSAGE_BYTES, topic_name


def test_names_use_dots_between_their_parts_and_never_collide_in_metrics() -> None:
    names = [topic.name for topic in topics()]

    assert all(re.fullmatch(r"[a-z]+(\.[a-z_]+)*", name) for name in names)
    assert len({name.replace(".", "_") for name in names}) == len(names)


def test_a_prefix_keeps_installations_apart() -> None:
    assert {topic_name("a.", topic) for topic in topics()}.isdisjoint(topic_name("b.", topic) for topic in topics())


def test_every_topic_takes_the_largest_body_with_room_for_headers() -> None:
    for topic in topics():
        assert int(topic.config()["max.message.bytes"]) > MAX_MESSAGE_BYTES
