-- What was written is told by columns, not by a character before the content hash.
alter table versions
    add column definitions_version integer not null default 0,   -- of the connection's settings it was written with
    add column blocked boolean not null default false,           -- not written: a person must act first
    add column has_open_reviews boolean not null default false;  -- a person was asked something about it
update versions
   set blocked = content_hash like '!%', has_open_reviews = true, content_hash = substr(content_hash, 2)
 where content_hash like '!%' or content_hash like '?%';

-- What a create made is `id` in the ledger, for every vendor.
update effects set result = result || jsonb_build_object('id', result->'fulfilment')
 where system = 'shopify' and state = 'done' and operation like 'fulfilment:%' and result ? 'fulfilment';
