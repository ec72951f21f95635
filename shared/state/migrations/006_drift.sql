-- Where the two systems differ, and what was done about it. One row per difference of a record.
create table drift (
    id          bigint generated always as identity primary key,
    connection  text not null,
    entity      text not null,               -- order | payment | fulfilment
    key         text not null,               -- Shopify's order id
    kind        text not null,               -- order_missing, payment_missing, ...
    state       text not null default 'open' check (state in ('open', 'repairing', 'repaired', 'gone', 'ignored', 'review')),
    reason      text not null,
    at_risk     numeric not null default 0,  -- money, in `currency`
    currency    text not null default '',
    repairable  boolean not null,
    details     jsonb not null default '{}',
    undo        jsonb,                       -- what the target held before the repair, and the notice that asked for it
    looks       integer not null default 1,  -- passes that saw it since it opened
    repairs     integer not null default 0,
    first_seen  timestamptz not null,
    last_seen   timestamptz not null,
    unique (connection, entity, key, kind)
);
create index drift_open on drift (connection, last_seen) where state in ('open', 'repairing', 'review');
