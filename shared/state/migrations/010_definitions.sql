-- What a merchant chose for a connection, in versions: nothing published is ever changed.
create table definitions (
    connection   text not null,
    version      integer not null check (version > 0),
    settings     jsonb not null,              -- by vendor and entity; nothing secret
    author       text not null,
    reason       text not null,
    published_at timestamptz not null default now(),
    primary key (connection, version)
);

-- Settings used to be one flat object, of which unknown keys were ignored: those are left behind.
create function pg_temp.chosen(settings jsonb, keys text[]) returns jsonb language sql as
$$ select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(settings) where key = any (keys) $$;

insert into definitions (connection, version, settings, author, reason)
select name, 1,
       jsonb_build_object(
           'heartland',
           pg_temp.chosen(settings, '{empty_refusals, read_lag_seconds}') || jsonb_build_object(
               'order',
               pg_temp.chosen(settings, '{source_location_id, source_location, station_id, ship_from_location_id,
                   shipping_method_id, sales_rep, order_prefix, order_id_field, line_id_field, transaction_id_field,
                   note_field, placeholder_sku, tip_sku, duty_sku, fee_sku, rounding_sku, discount_sku, payment_types,
                   can_cancel_order, can_delete_order_line, payments_within_balance, unique_order_public_id,
                   tax_recomputed}'),
               'fulfilment',
               pg_temp.chosen(settings, '{tracking_number_field, carrier_field, tracking_url_field}')),
           'shopify',
           pg_temp.chosen(settings, '{metafield_namespace}') || jsonb_build_object(
               'order', pg_temp.chosen(settings, '{read_back}'),
               'fulfilment', pg_temp.chosen(settings, '{notify_customer, location_map}'))),
       'migration', 'the settings as they were'
  from connections;

alter table connections
    add column definitions_version integer,
    add foreign key (name, definitions_version) references definitions (connection, version);
update connections set definitions_version = 1;
alter table connections alter column definitions_version set not null, drop column settings;

-- What was written so far was written with these settings.
update versions set definitions_version = 1 where connection in (select name from connections);
