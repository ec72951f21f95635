-- Who works on a partition. The epoch rises with every assignment; what is parked or released is checked against it in
-- the same transaction, so that a process that slept through its own replacement changes nothing.
create table owners (
    service   text not null,
    topic     text not null,
    partition integer not null,
    epoch     bigint not null,
    instance  text not null default '',
    taken_at  timestamptz not null default now(),
    primary key (service, topic, partition)
);

-- Due keys are looked for by connection: an outage of one shop parks thousands, and the others' must not wait for them.
create index parked_keys_due_by_connection on parked_keys (service, topic, connection, next_attempt_at)
    where state = 'waiting';
drop index parked_keys_due;
