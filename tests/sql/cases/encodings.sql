-- Encodings as functions know them (of clients: tests/clients wire), and properties of indexes
select i, pg_encoding_to_char(i), pg_encoding_max_length(i) from generate_series(-1, 42) i;
select n, pg_char_to_encoding(n) from unnest(array['utf-8', 'Unicode', 'latin1', 'ISO-8859-15', 'win', 'koi8', 'nope', '', 'sjis', 'WIN-1252']) n;
select convert_to('käse', 'latin1'), convert_to('käse', 'utf8'), convert_to('käse €', 'win1252'), convert_to('日本', 'euc_jp'), convert_to('日本', 'sjis'), convert_to('жук', 'koi8r'), convert_to('한', 'uhc');
select convert_from('\x6be47365', 'latin1'), convert_from('\xc6fccbdc', 'euc_jp'), convert_from('\x93fa967b', 'sjis'), convert_from('\xd6d5cb', 'koi8r'), convert_from('\x80', 'win1252');
select convert('\x6be47365', 'latin1', 'utf8'), convert('\x6bc3a47365', 'utf8', 'latin1'), convert('\xff', 'sql_ascii', 'sql_ascii');
select convert_to('€', 'latin1');
select convert_from('\x6be4', 'utf8');
select convert_from('\x61', 'nope');
select convert_to('a', 'nope');
select convert('\x61', 'nope', 'utf8');
select convert('\x61', 'utf8', 'nope');
select convert('\xff', 'utf8', 'latin1');
select length('\x6be47365', 'latin1'), length('\x6bc3a47365', 'utf8'), length('\x93fa967b', 'sjis'), length('\xff01', 'sql_ascii');
select length('\xff', 'utf8');
select length('\x61', 'nope');
select convert_from(null, 'utf8'), convert_to('a', null);
create table enc (a int primary key, b text, c int);
create unique index enc_b on enc (b desc, (c + 1) nulls first) include (c);
select p, pg_indexam_has_property(403, p), pg_index_has_property('enc_b', p), pg_index_column_has_property('enc_b', 1, p), pg_index_column_has_property('enc_b', 2, p),
  pg_index_column_has_property('enc_b', 3, p), pg_index_column_has_property('enc_b', 4, p), pg_index_column_has_property('enc_b', 0, p), pg_index_has_property('enc', p)
from unnest(array['can_order', 'can_unique', 'can_multi_col', 'can_exclude', 'can_include', 'clusterable', 'index_scan', 'bitmap_scan', 'backward_scan', 'asc', 'DESC', 'nulls_first', 'nulls_last',
  'orderable', 'distance_orderable', 'returnable', 'search_array', 'search_nulls', 'nope']) p;
select pg_partition_root('enc'), pg_index_column_has_property(1, 1, 'asc');
select has_server_privilege('nope', 'usage');
select has_foreign_data_wrapper_privilege(current_user, 'nope', 'usage');
select has_server_privilege(1, 'usage');
drop table enc;
-- a schema that is missing is what is missing
drop table nowhere.t;
drop table if exists nowhere.t, public.nothing;
drop view nowhere.v;
drop index if exists nowhere.i;
drop type nowhere.t;
drop domain if exists nowhere.d;
drop type if exists public.nothing;
alter table nowhere.t add a int;
truncate nowhere.t;
copy nowhere.t to stdout;
select * from nowhere.t;
