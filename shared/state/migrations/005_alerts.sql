-- What an operator should know of. One row per trouble: raised again it counts up, and once resolved it may open anew.
create table alerts (
    id         bigint generated always as identity primary key,
    connection text not null,
    kind       text not null,
    entity     text not null,
    key        text not null,
    service    text not null,
    severity   text not null check (severity in ('info', 'warning', 'critical')),
    reason     text not null,
    details    jsonb not null default '{}',
    state      text not null default 'open' check (state in ('open', 'resolved')),
    times      integer not null default 1,     -- how often it was raised since it opened
    opened_at  timestamptz not null,
    last_at    timestamptz not null,
    unique (connection, kind, entity, key)
);
create index alerts_open on alerts (last_at) where state = 'open';
