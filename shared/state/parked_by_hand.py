"""What an operator does with parked keys. The owner of the partition works on: row locks keep the two apart."""

from __future__ import annotations

from shared.state.database import Database, clean


async def retry(db: Database, service: str, topic: str, key: str) -> bool:
    """Make a key due at once, with all its attempts before it, also one that was halted. False if it is not parked.

    Raises TargetDown without a database.
    """
    changed = await db.execute(
        """update parked_keys
              set state = 'waiting', attempts = 0, first_failed_at = clock_timestamp(),
                  next_attempt_at = clock_timestamp()
            where service = $1 and topic = $2 and key = $3""",
        service, topic, clean(key),
    )  # fmt: skip
    return changed > 0


async def drop(db: Database, service: str, topic: str, key: str, through_seq: int) -> bool:
    """Give up what waits for a key up to `through_seq`, which is kept elsewhere. True: nothing is left, the key flows.

    False: more has come meanwhile, and still waits. Raises TargetDown without a database.
    """
    async with db.transaction() as connection:
        place = (service, topic, clean(key))
        # The same lock as the owner takes: what it is appending either waits on here, or finds the key free.
        locked = await connection.fetchrow(
            "select from parked_keys where service = $1 and topic = $2 and key = $3 for update", *place
        )
        if locked is None:
            return True
        await connection.execute(
            "delete from parked where service = $1 and topic = $2 and key = $3 and seq <= $4", *place, through_seq
        )
        status = await connection.execute(
            """delete from parked_keys where service = $1 and topic = $2 and key = $3
                  and not exists (select from parked where service = $1 and topic = $2 and key = $3)""",
            *place,
        )
        return status == "DELETE 1"
