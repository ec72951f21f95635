-- What is known of a connection's webhooks: when all subscriptions were last there, and since when orders may be missing.
create table webhook_watch (
    connection   text primary key,
    good_at      timestamptz,               -- the last look that found all of them, or made them so
    gap_since    timestamptz,               -- orders changed since then are yet to be read; null: none
    gap_cause    text not null default '',
    silent_since timestamptz,               -- webhooks are fewer than usual since; null: they are not
    updated_at   timestamptz not null default now()
);
-- Webhooks received, per hour (UTC). Written by the journal, which reads them anyway.
create table webhook_counts (
    connection text not null,
    hour       timestamptz not null,
    seen       bigint not null,
    last_at    timestamptz not null,
    primary key (connection, hour)
);
