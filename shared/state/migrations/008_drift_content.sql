-- What the record said when it was last seen to differ: a repair that was overtaken by a change has not failed.
alter table drift add column content text not null default '';
