-- What operators do, one row each. Every row holds the hash of the one before it, so that none can be changed or taken
-- out unseen.
create table audit (
    number   bigint primary key,
    at       timestamptz not null,
    actor    text not null,
    action   text not null,                 -- dlq.replay, dlq.discard, parked.retry, ...
    object   text not null,                 -- whose: a letter, a key, a review
    details  jsonb not null default '{}',
    previous text not null,
    hash     text not null
);

-- What became of dead letters. The letters themselves stay on their topic; one without a row is open.
create table letters (
    id         text primary key,            -- <service>:<partition>:<offset> of the dead letter
    state      text not null check (state in ('replayed', 'edited', 'discarded')),
    times      integer not null default 0,  -- how often it was sent again
    run        text not null default '',
    reason     text not null default '',
    updated_at timestamptz not null default now()
);

-- A replay over many letters, so that one that was stopped can go on.
create table replays (
    run      text not null,
    position integer not null,
    letter   text not null,
    sent_at  timestamptz,
    primary key (run, position)
);
