-- Composite keys start with the connection: nothing of one shop can meet another's.

create table connections (
    name          text primary key,
    sealed        bytea not null,              -- credentials, AES-256-GCM, bound to the name
    settings      jsonb not null default '{}', -- locations, payment types, capability flags: nothing secret
    active        boolean not null default true,
    created_at    timestamptz not null default now(),
    updated_at    timestamptz not null default now()
);

create table links (
    connection          text not null,
    entity              text not null,
    shopify_id          text not null,
    heartland_id        text not null,
    heartland_public_id text not null default '',
    linked_at           timestamptz not null default now(),
    primary key (connection, entity, shopify_id),
    unique (connection, entity, heartland_id)
);

create table effects (
    connection  text not null,
    effect_id   text not null,
    system      text not null,                 -- heartland | shopify
    entity      text not null,
    key         text not null,                 -- the aggregate
    operation   text not null,                 -- order:create, payment:create, ...
    state       text not null check (state in ('sent', 'done', 'failed')),
    attempts    integer not null default 1,
    sent_at     timestamptz not null default now(),
    done_at     timestamptz,
    result      jsonb,
    reason      text,
    primary key (connection, effect_id)
) with (fillfactor = 80);
create index effects_by_key on effects (connection, entity, key);
create index effects_in_doubt on effects (sent_at) where state = 'sent';

create table versions (
    connection   text not null,
    entity       text not null,
    key          text not null,
    target       text not null,
    version      timestamptz not null,
    content_hash text not null,
    updated_at   timestamptz not null default now(),
    primary key (connection, entity, key, target)
) with (fillfactor = 80);

create table parked_keys (
    service         text not null,
    topic           text not null,
    partition       integer not null,
    key             text not null,             -- <connection>|<aggregate id>
    connection      text not null,
    entity          text not null,
    state           text not null default 'waiting' check (state in ('waiting', 'halted')),
    reason          text not null,
    error_class     text not null,
    waits_for       text,
    attempts        integer not null default 0,
    first_failed_at timestamptz not null default now(),
    last_failed_at  timestamptz not null default now(),
    next_attempt_at timestamptz not null,
    primary key (service, topic, key)
);
create index parked_keys_due on parked_keys (service, next_attempt_at) where state = 'waiting';
create index parked_keys_waits on parked_keys (service, waits_for) where waits_for is not null;

create table parked (
    seq         bigint generated always as identity primary key,
    service     text not null,
    topic       text not null,
    partition   integer not null,
    "offset"    bigint not null,
    key         text not null,
    headers     jsonb not null,
    body        bytea not null,
    parked_at   timestamptz not null default now(),
    unique (service, topic, partition, "offset"),
    foreign key (service, topic, key) references parked_keys on delete cascade
);
create index parked_by_key on parked (service, topic, key, seq);

create table reviews (
    id          bigint generated always as identity primary key,
    connection  text not null,
    kind        text not null,
    entity      text not null,
    key         text not null,
    title       text not null,
    advice      text not null,
    details     jsonb not null default '{}',
    state       text not null default 'open' check (state in ('open', 'resolved', 'decided')),
    opened_at   timestamptz not null default now(),
    updated_at  timestamptz not null default now(),
    unique (connection, kind, entity, key)
);

create table cursors (
    connection text not null,
    feed       text not null,
    position   jsonb not null,
    updated_at timestamptz not null default now(),
    primary key (connection, feed)
);

create table journal (
    id           bigint generated always as identity primary key,
    event_id     text not null,
    trace_id     text not null,
    connection   text not null,
    entity       text not null,
    key          text not null,
    service      text not null,
    outcome      text not null,
    attempts     integer not null,
    source_time  timestamptz,
    started_at   timestamptz not null,
    finished_at  timestamptz not null,
    order_number text not null default '',
    shopify_id   text not null default '',
    heartland_id text not null default '',
    detail       text not null default '',
    lineage      text[] not null default '{}',
    unique (event_id, service, outcome, finished_at)
);
create index journal_by_key on journal (connection, entity, key, finished_at);
create index journal_by_number on journal (order_number) where order_number <> '';
create index journal_by_heartland on journal (heartland_id) where heartland_id <> '';
create index journal_recent on journal (finished_at);
