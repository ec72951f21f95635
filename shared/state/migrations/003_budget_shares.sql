-- What each process wants of a rate limit that several share, as parts of the whole. Rows live for seconds and are
-- written every second: nothing is lost with them, so they are not logged.
create unlogged table budget_shares (
    connection text not null,
    system     text not null,
    instance   text not null,             -- one process
    live       double precision not null,
    repair     double precision not null,
    backfill   double precision not null,
    seen_at    timestamptz not null,
    primary key (connection, system, instance)
) with (fillfactor = 50);
