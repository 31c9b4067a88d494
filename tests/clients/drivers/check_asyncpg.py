"""asyncpg: binary protocol, types, prepared statements, cursors, COPY, errors, listen where there is one."""
import asyncio
import datetime
import decimal
import os
import uuid

import asyncpg


async def main(check):
    conn = await asyncpg.connect(os.environ['DSN'])
    await conn.execute('drop table if exists ap')
    await conn.execute('create table ap (id int primary key, t text, n numeric, ts timestamptz, d date, i interval, '
                       'u uuid, b bytea, a int[], j jsonb, f float8, ok bool)')
    row = (1, 'é', decimal.Decimal('1.50'), datetime.datetime(2020, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
           datetime.date(2000, 2, 29), datetime.timedelta(days=1, seconds=2), uuid.UUID(int=5), b'\x00\x01', [1, None, 3],
           '{"a": [1]}', 1.5, True)
    await conn.execute('insert into ap values ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)', *row)
    got = await conn.fetchrow('select * from ap where id = $1', 1)
    check('a row of every type comes back', tuple(got) == row, repr(tuple(got)))
    await conn.executemany('insert into ap (id, t) values ($1, $2)', [(i, 'x') for i in range(2, 100)])
    check('executemany', await conn.fetchval('select count(*) from ap') == 99)
    async with conn.transaction():
        n = 0
        async for r in conn.cursor('select id from ap order by id', prefetch=10):
            n += 1
        check('cursor', n == 99)
    try:
        await conn.execute('insert into ap (id) values (1)')
        check('unique violation', False)
    except asyncpg.UniqueViolationError as e:
        check('unique violation', e.constraint_name == 'ap_pkey', e.constraint_name)
    try:
        async with conn.transaction():
            await conn.execute('insert into ap (id) values (1000)')
            async with conn.transaction():
                await conn.execute('insert into ap (id) values (1001)')
                raise ValueError
    except ValueError:
        pass
    check('nested transaction rolled back', await conn.fetchval('select count(*) from ap where id >= 1000') == 0)
    n = await conn.copy_records_to_table('ap', records=[(i, 'c') for i in range(2000, 2100)], columns=['id', 't'])
    check('copy in', n == 'COPY 100', n)
    st = await conn.prepare('select $1::int + $2::int')
    check('prepared', await st.fetchval(2, 3) == 5)
    got = await conn.fetchval('select array_agg(x order by x) from unnest($1::text[]) x', ['b', 'a'])
    check('arrays of text', got == ['a', 'b'], repr(got))
    await conn.set_type_codec('json', encoder=str, decoder=str, schema='pg_catalog')
    check('type codec is introspected', True)
    await conn.execute('drop table ap')
    await conn.close()
    pool = await asyncpg.create_pool(os.environ['DSN'], min_size=2, max_size=4)
    got = await asyncio.gather(*[pool.fetchval('select $1::int', i) for i in range(20)])
    check('pool', got == list(range(20)))
    await pool.close()


def run(check):
    asyncio.run(main(check))
