"""Settings of services that consume from Kafka."""

from __future__ import annotations

from pydantic import Field

from shared.messaging.record import ConsumerOptions
from shared.runtime.settings import Settings as Common


class GroupSettings(Common):
    """Settings of every member of a consumer group."""

    session_timeout_seconds: float = Field(
        30.0, gt=0, description="Kafka session timeout: after it, a silent replica loses its partitions, in seconds"
    )


class ConsumerSettings(GroupSettings):
    """Settings of every service that consumes with lanes."""

    lane_attempts: int = Field(3, ge=1, description="Attempts of an event before its key is parked")
    park_schedule_seconds: str = Field(
        "60,300,900,3600",
        pattern=r"^\d+(\.\d+)?(,\d+(\.\d+)?)*$",
        description="Waits of a parked key before each further attempt, in seconds",
    )
    retry_check_seconds: float = Field(1.0, gt=0, description="How often due parked keys are looked for, in seconds")
    outage_park_seconds: float = Field(
        20.0,
        ge=0,
        description="How long a vendor must be down before waiting work is parked in the database, in seconds",
    )
    dead_letter_stop_share: float = Field(
        0.5,
        gt=0,
        le=1,
        description="A service stops if more than this share of its last 200 events are dead letters, which indicates "
        "our own fault",
    )
    max_hops: int = Field(12, ge=3, description="An event with more hops than this is in a loop and gets a review")
    loop_writes_per_minute: int = Field(
        15,
        ge=1,
        description="A record that is written more often than this is in a loop: it is parked with a review",
    )

    def consumer_options(self, concurrency: int) -> ConsumerOptions:
        """The options of a consumer that works on so many keys at a time."""
        return ConsumerOptions(
            concurrency=concurrency,
            lane_attempts=self.lane_attempts,
            park_schedule=tuple(float(seconds) for seconds in self.park_schedule_seconds.split(",")),
            retry_check_seconds=self.retry_check_seconds,
            outage_park_seconds=self.outage_park_seconds,
            dead_letter_share=self.dead_letter_stop_share,
            max_hops=self.max_hops,
            loop_writes=self.loop_writes_per_minute,
            session_timeout_seconds=self.session_timeout_seconds,
        )
