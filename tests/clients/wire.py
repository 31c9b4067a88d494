"""The wire protocol message by message: the same bytes go to PostgreSQL and to Lagoon, and what comes back is the same:
types of messages, their order and all their fields (but OIDs of users' objects, process ids, and where in the source
an error arose). Drivers that read strictly end where one that reads loosely, as libpq, would not notice."""
import base64
import hashlib
import hmac
import os
import re
import socket
import struct

import lagoontest

PATIENCE = lagoontest.seconds(10)
QUIET = 0.15  # PostgreSQL has said all when it says nothing for so long


# --- what a client sends ---

def cstr(s):
    return s.encode() + b'\0'


def msg(kind, body=b''):
    return kind.encode() + struct.pack('!i', len(body) + 4) + body


def query(sql):
    return msg('Q', cstr(sql))


def parse(sql, name='', types=()):
    return msg('P', cstr(name) + cstr(sql) + struct.pack('!h', len(types)) + b''.join(struct.pack('!I', t) for t in types))


def shorts(values):
    return struct.pack('!h', len(values)) + b''.join(struct.pack('!h', v) for v in values)


def bind(params=(), portal='', name='', formats=(), results=()):
    body = cstr(portal) + cstr(name) + shorts(formats) + struct.pack('!h', len(params))
    for p in params:
        p = p.encode() if isinstance(p, str) else p
        body += struct.pack('!i', -1) if p is None else struct.pack('!i', len(p)) + p
    return msg('B', body + shorts(results))


def execute(portal='', rows=0):
    return msg('E', cstr(portal) + struct.pack('!i', rows))


def describe(kind, name=''):
    return msg('D', kind.encode() + cstr(name))


def close(kind, name=''):
    return msg('C', kind.encode() + cstr(name))


def data(b):
    return msg('d', b)


def fail(text):
    return msg('f', cstr(text))


SYNC, FLUSH, DONE, BYE = msg('S'), msg('H'), msg('c'), msg('X')


def run(sql, params=(), types=(), formats=(), results=(), rows=0):
    """Parse, Bind, Describe, Execute, Sync in one go, as most drivers do."""
    return parse(sql, types=types) + bind(params, formats=formats, results=results) + describe('P') + execute(rows=rows) + SYNC


# --- a connection ---

class Closed(Exception):
    pass


class Wire:
    def __init__(self, port):
        self.sock = socket.create_connection(('127.0.0.1', port), timeout=PATIENCE)
        self.buf = b''

    def send(self, b):
        try:
            self.sock.sendall(b)
        except OSError as e:
            raise Closed() from e

    def read(self, n, patience=PATIENCE):
        while len(self.buf) < n:
            self.sock.settimeout(patience)
            try:
                got = self.sock.recv(65536)
            except ConnectionError as e:
                raise Closed() from e
            if not got:
                raise Closed()
            self.buf += got
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def message(self, patience=PATIENCE):
        head = self.read(5, patience)
        size = struct.unpack('!i', head[1:])[0]
        return chr(head[0]), self.read(size - 4)

    def startup(self, version=0x30000, **params):
        body = struct.pack('!i', version) + b''.join(cstr(k) + cstr(v) for k, v in params.items()) + b'\0'
        self.send(struct.pack('!i', len(body) + 4) + body)

    def scram(self, password):
        """RFC 5802 after AuthenticationSASL was read."""
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f'n=,r={nonce}'
        first = b'n,,' + bare.encode()
        self.send(msg('p', cstr('SCRAM-SHA-256') + struct.pack('!i', len(first)) + first))
        server = self.message()[1][4:].decode()
        f = dict(x.split('=', 1) for x in server.split(','))
        salted = hashlib.pbkdf2_hmac('sha256', password.encode(), base64.b64decode(f['s']), int(f['i']))

        def mac(k, s):
            return hmac.new(k, s, 'sha256').digest()

        key = mac(salted, b'Client Key')
        final = f'c=biws,r={f["r"]}'
        proof = bytes(a ^ b for a, b in zip(key, mac(hashlib.sha256(key).digest(), f'{bare},{server},{final}'.encode())))
        self.send(msg('p', f'{final},p={base64.b64encode(proof).decode()}'.encode()))
        self.message()  # AuthenticationSASLFinal

    def login(self, env, **params):
        """What is said after the authentication, up to ReadyForQuery."""
        self.startup(**{'user': env['PGUSER'], 'database': env['PGDATABASE'], **params})
        said = []
        while True:
            kind, body = self.message()
            if kind == 'R' and body[:4] == struct.pack('!i', 10):
                self.scram(env['PGPASSWORD'])
            elif kind != 'R':
                said.append((kind, body))
            if kind == 'Z' or kind == 'E':
                return said


# --- what a server says, as text ---

def fields(body):
    """An error's or notice's, but for file, line and routine."""
    out = []
    for f in body.rstrip(b'\0').split(b'\0'):
        if f and chr(f[0]) not in 'FLR':
            out.append(f.decode(errors='backslashreplace'))
    return re.sub(r'pg_temp_\d+', 'pg_temp', ' | '.join(out))


def oid(n):
    return str(n) if n < 16384 else 'user'


def row_description(body):
    n, at, out = struct.unpack('!h', body[:2])[0], 2, []
    for _ in range(n):
        end = body.index(b'\0', at)
        table, col, typ, size, mod, fmt = struct.unpack('!IhIhih', body[end + 1:end + 19])
        out.append(f'{body[at:end].decode(errors="backslashreplace")} {"table" if table else "-"}.{col} {oid(typ)} {size} {mod} {fmt}')
        at = end + 19
    return '; '.join(out)


def shown(kind, body):
    if kind in 'EN':
        return f'{kind} {fields(body)}'
    if kind == 'T':
        return f'T {row_description(body)}'
    if kind == 't':
        return f't {[oid(t) for t in struct.unpack(f"!{(len(body) - 2) // 4}I", body[2:])]}'
    if kind == 'K':
        return 'K'
    if kind == 'A':
        return f'A {body[4:]!r}'
    return f'{kind} {body!r}'


def talk(port, env, steps, counts):
    """Sends the steps; of each what the server said. counts: how many messages to wait for at each step, None when the
    server is to be heard until it is quiet."""
    said = []
    w = Wire(port)
    try:
        w.login(env)
        for i, step in enumerate(steps):
            w.send(step)
            here = []
            said.append(here)
            try:
                while True:
                    due = counts is not None and len(here) < counts[i]
                    here.append(shown(*w.message(PATIENCE if due else QUIET)))
            except TimeoutError:
                pass
    except Closed:
        said.append(['closed'])
    w.sock.close()
    return said


def binary_params():
    """One of each type whose binary form is fixed by the protocol's users."""
    return {
        'bool': (16, b'\1'), 'bytea': (17, b'\0\xff'), 'char': (18, b'x'), 'name': (19, b'abc'),
        'int8': (20, struct.pack('!q', -5)), 'int2': (21, struct.pack('!h', 7)), 'int4': (23, struct.pack('!i', 70000)),
        'text': (25, 'käse'.encode()), 'oid': (26, struct.pack('!I', 4000000000)), 'json': (114, b'{"a":1}'),
        'float4': (700, struct.pack('!f', 1.5)), 'float8': (701, struct.pack('!d', -2.25)),
        'inet': (869, bytes([2, 24, 0, 4, 10, 1, 2, 3])), 'macaddr': (829, bytes(range(6))),
        'int4[]': (1007, struct.pack('!iiIiiii', 1, 0, 23, 1, 1, 4, 9)), 'bpchar': (1042, b'ab '), 'varchar': (1043, b'v'),
        'date': (1082, struct.pack('!i', 8000)), 'time': (1083, struct.pack('!q', 3600000001)),
        'timestamp': (1114, struct.pack('!q', 1)), 'timestamptz': (1184, struct.pack('!q', -1)),
        'interval': (1186, struct.pack('!qii', 1000000, 2, 3)), 'timetz': (1266, struct.pack('!qi', 1000000, -3600)),
        'bit': (1560, struct.pack('!i', 3) + b'\xa0'), 'varbit': (1562, struct.pack('!i', 9) + b'\xff\x80'),
        'numeric': (1700, struct.pack('!hhhhhh', 2, 0, 0, 2, 12, 3400)), 'uuid': (2950, bytes(range(16))),
        'jsonb': (3802, b'\1{"a": [1]}'), 'jsonpath': (4072, b'\1$.a'), 'pg_lsn': (3220, struct.pack('!Q', 99)),
    }


T = 'create temp table w (id int primary key, v text not null, n numeric(8,2)); '
ROWS = "insert into w select i, 'v' || i, i * 1.5 from generate_series(1, 5) i; "
WITH = query(T + ROWS)
CUR = 'select id, v from w order by id'

SCENARIOS = {
    # simple queries
    'one of each': [query(s) for s in (
        'select 1', 'select', '', ';;', '-- nothing', 'select 1; ; select 2', "set application_name = 'x'", 'show application_name',
        "set timezone = 'Europe/Berlin'; set datestyle = 'SQL, DMY'; set standard_conforming_strings = off; set intervalstyle = 'iso_8601'",
        "set client_encoding = 'LATIN1'", "select 'ä'", 'reset all', 'begin', 'begin', 'select 1/(select 0)', 'select 1', 'savepoint a', 'rollback',
        'rollback', 'commit', "notify a, 'b'", 'listen a', "notify a, 'b'", "select pg_notify('a', '')", 'values (1, null), (2, $$x$$)',
        'create temp table z (a int)', 'insert into z values (1), (2)', 'update z set a = a', 'delete from z returning a', 'truncate z',
        'copy z to stdout', 'explain (costs off) select 1', 'prepare p as select $1::int', 'execute p(3)', 'deallocate p',
        'begin; declare c cursor for select generate_series(1, 3)', 'fetch 2 from c', 'move 1 in c', 'fetch c', 'close c', 'end',
        'discard all', 'vacuum', 'create table pg_temp.x as select 1 a', 'select * into temp y from x', 'lock table x', 'do_not_know')],
    'several statements are one transaction': [query(s) for s in (
        T + "insert into w values (1, 'a'); select 1/(select 0); select 2", 'select * from w', T + "begin; insert into w values (1, 'a'); commit; select 1/(select 0)",
        'select * from w', "insert into w values (2, 'b'); rollback; select count(*) from w", "savepoint x; select 1", 'begin; select 1; commit; select 2',
        'insert into w values (9, null)', "insert into w values (1, 'again')", "select 1; begin; insert into w values (7,'q'); rollback; select id from w order by 1")],
    'errors have their fields': [WITH] + [query(s) for s in (
        'selec 1', 'select nope', 'select * from nope', 'select 1 +', "select 'a'::int", "select * from w where v = 5", 'select f(1)',
        "insert into w values (1, 'x')", 'insert into w values (8, null)', 'insert into w (nope) values (1)', 'select w.id from w group by v',
        "select '2020-13-01'::date", 'select 1 from w, w', 'alter table w add check (id > 3)', 'drop table w, nope', "select 'abc", 'select $1',
        'select ((1)', "set statement_timeout = 'x'", 'set nope = 1', 'create table w (a int, a int)', "select E'\\xff'",
        "select ''::json", "select '{\"a\":'::jsonb", 'select 1 order by 2', 'insert into w select 1', 'drop schema nope', 'select 1 limit -1')],
    'notices': [query(s) for s in ('drop table if exists nope, nope2', 'create table if not exists pg_temp.n (a int)', 'create table if not exists pg_temp.n (a int)',
                                   'rollback', 'begin; begin; end; end', 'set local timezone = 0', 'drop table if exists a.b')],
    # extended queries
    'parse, describe': [parse('select $1::int + $2, $3', types=(0, 20)) + describe('S') + SYNC, parse('select 1', 'a') + parse('select 2', 'a') + SYNC,
                        describe('S', 'a') + SYNC, describe('S', 'b') + SYNC, describe('P', 'b') + SYNC, close('S', 'a') + close('S', 'a') + close('P', 'zz') + SYNC,
                        describe('S', 'a') + SYNC, parse('insert into nope values ($1)') + describe('S') + SYNC, parse('select 1; select 2') + SYNC,
                        parse('') + describe('S') + bind() + describe('P') + execute() + SYNC, parse('begin') + describe('S') + SYNC,
                        parse('show timezone') + describe('S') + SYNC, parse('explain select 1') + describe('S') + SYNC,
                        parse('selec') + describe('S') + bind() + execute() + FLUSH, SYNC, parse('select $1') + describe('S') + SYNC,
                        parse('select $2::int') + describe('S') + SYNC, parse('values ($1), (2)') + describe('S') + SYNC],
    'bind and execute': [WITH, run('select id, v from w where id = $1', ['3']), run('select id from w where id > $1 order by 1', ['1'], rows=2), run('select 1', ['x']),
                         run('select $1::int', []), run('select $1::int', ['x']), run('select $1::int', [b'\0\0\0'], formats=(1,)), run('select $1::int, $2::int', ['1', '2'], formats=(0, 0, 0)),
                         run('select $1::int, 2', [b'\0\0\0\5'], formats=(1,), results=(1,)), run('select 1, 2', results=(1, 0)), run('select 1', results=(0, 1)),
                         run('select 1', results=(7,)), run("insert into w values ($1, $2) returning *", ['10', 'x']), run("insert into w values ($1, $2) returning *", ['10', 'x']),
                         run('update w set v = $1', [None]), run('delete from w where id = any($1)', ['{1,2}']), run('select $1::text', [b'\xff\xfe']), run('select $1::text', ['a\0b']),
                         run('begin'), run('select 1/(select $1::int)', ['0']), run('select 1'), run('rollback'), run('copy w to stdout'), run('fetch all from nope'), run('select count(*) from w')],
    'portals': [WITH, query('begin'), parse(CUR, 's') + bind(portal='p', name='s') + execute('p', 2) + FLUSH, execute('p', 2) + FLUSH, describe('P', 'p') + execute('p', 2) + SYNC,
                execute('p') + SYNC, query('rollback'), query('begin'), bind(portal='p', name='s') + bind(portal='p', name='s') + SYNC, query('rollback'), query('begin'),
                bind(portal='p', name='s') + execute('p', 1) + close('P', 'p') + execute('p', 1) + SYNC, query('rollback'), bind(portal='p', name='s') + SYNC, execute('p') + SYNC,
                query('begin'), bind(portal='p', name='s') + execute('p', 1) + SYNC, query('fetch 2 from p'), query('close p'), execute('p', 1) + SYNC, query('rollback'),
                query('begin; declare c cursor for ' + CUR), describe('P', 'c') + execute('c', 2) + SYNC, query('fetch 1 from c'), query('commit'),
                query('begin'), bind(portal='p', name='s') + execute('p', 5) + execute('p', 5) + SYNC, query('commit'),
                query('begin'), parse("insert into w select 100 + g, 'x' from generate_series(1, 3) g returning id") + bind() + execute('', 1) + FLUSH, execute('', 1) + FLUSH, SYNC,
                query('select count(*) from w'), query('rollback'), close('S', 's') + SYNC, bind(name='s') + SYNC],
    'an error skips to Sync': [WITH, run('select 1/(select 0)') + run('select 2'), parse('select 1/(select 0)') + bind() + execute() + parse('select 3') + bind() + execute() + FLUSH, query('select 4') + SYNC, query('select 5'),
                               parse('insert into w values (50, $$x$$)') + bind() + execute() + parse('select 1/(select 0)') + bind() + execute() + SYNC, query('select count(*) from w'),
                               parse('insert into w values (51, $$x$$)') + bind() + execute() + SYNC + parse('select 1/(select 0)') + bind() + execute() + SYNC, query('select count(*) from w'),
                               parse('begin') + bind() + execute() + parse('select nope') + bind() + execute() + SYNC, run('select 1'), run('commit')],
    'a pipeline': [WITH, b''.join(run('select $1::int * 2', [str(i)]) for i in range(5)), b''.join(parse(f'select {i}') + bind() + execute() for i in range(4)) + SYNC, SYNC + SYNC,
                   parse("set application_name = 'y'") + bind() + execute() + parse('show application_name') + bind() + execute() + SYNC],
    'a statement outlives what it read': [query(T + ROWS), parse('select * from w where id = $1', 's') + SYNC, bind(['1'], name='s') + execute() + SYNC, query('alter table w add x int'),
                                          bind(['1'], name='s') + execute() + SYNC, query('alter table w drop x'), bind(['1'], name='s') + execute() + SYNC, query('drop table w'),
                                          bind(['1'], name='s') + execute() + SYNC, query('deallocate s'), bind(['1'], name='s') + SYNC, query('prepare s as select $1::text'),
                                          describe('S', 's') + bind(['q'], name='s') + execute() + SYNC, query("execute s('x')"), query('discard plans'), query('deallocate all'), describe('S', 's') + SYNC],
    # COPY
    'copy in': [WITH, query('copy w from stdin'), data(b'20\ta\t1\n') + data(b'21\tb') + data(b'\t\\N\n') + DONE, query('copy w(id, v) from stdin csv'), data(b'22,"x,y"\n') + data(b'') + DONE,
                query('copy w from stdin'), fail('enough'), query('copy w from stdin'), data(b'20\ta\t1\n') + DONE, query('copy w from stdin'), data(b'x\ta\t1\n'), data(b'30\ta\t1\n') + DONE,
                query('copy w from stdin; select 1'), data(b'31\ta\t1\n\\.\n') + DONE, query('copy w from stdin'), data(b'32\ta\n') + DONE, query('copy w from stdin'), data(b'33\ta\t1\t2\n') + DONE,
                query('copy w from stdin'), FLUSH + SYNC + data(b'34\ta\t1\n') + DONE, query('copy w from stdin'), query('select 1'), SYNC, query('copy w(v) from stdin'), data(b'x\n') + DONE,
                query('copy nope from stdin'), DONE, query('copy w from stdin binary'), data(b'PGCOPY\n\xff\r\n\0' + struct.pack('!ii', 0, 0) + struct.pack('!hiiii', 3, 4, 60, -1, -1)) + DONE,
                query('copy w(id, v) from stdin binary'), data(b'PGCOPY\n\xff\r\n\0' + struct.pack('!ii', 0, 0) + struct.pack('!hiii', 2, 4, 61, 1) + b'z' + struct.pack('!h', -1)) + DONE,
                query('select id, v from w order by 1'), query('begin'), query('copy w from stdin'), fail('no'), query('rollback')],
    'copy in, extended': [WITH, parse('copy w from stdin') + bind() + describe('P') + execute() + SYNC, data(b'40\ta\t1\n') + DONE + SYNC, run('copy w from stdin'), data(b'x\n') + DONE + SYNC,
                          parse('copy w from stdin') + bind() + execute() + SYNC, fail('no') + SYNC, query('select count(*) from w')],
    'copy out': [WITH] + [query(s) for s in ('copy w to stdout', 'copy w to stdout csv header', 'copy (select 1, null, $$a\tb$$) to stdout', 'copy w to stdout binary', 'copy nope to stdout',
                                             'copy w to stdout; select 1; copy w(id) to stdout', 'copy (insert into w values (70, $$x$$) returning id) to stdout')] + [run('copy w to stdout binary')],
    # text of other encodings, and what is no text
    'client_encoding': [query('set client_encoding = latin1; ' + T), msg('Q', b"select 'k\xe4se', length('k\xe4se')\0"), msg('Q', b"insert into w values (1, '\xfc') returning v as \xe9\0"),
                        run('select $1::text', [b'\xdf']), run('select $1::text', [b'\xdf'], types=(25,), formats=(1,), results=(1,)), query("select U&'\\20ac'"), query("select chr(8364) from w"),
                        query('copy w from stdin'), data(b'2\tx\xe4\t1\n') + DONE, query('copy w to stdout'), query('copy w(v) to stdout binary'), query('copy w (v) to stdout (encoding utf8)'),
                        query("copy w from stdin (encoding 'win1251')"), data(b'3\t\xc6\t1\n') + DONE, query('copy w to stdout'), msg('Q', b'select n\xf6pe\0'),
                        query('set client_encoding = utf8'), query('select * from w'), query('set client_encoding = sjis'), msg('Q', "select '\u8868', length('\u8868')".encode('cp932') + b'\0'), query("set client_encoding = 'nope'"), query('set client_encoding = mule_internal'),
                        query('set client_encoding = sql_ascii'), msg('Q', b"select 'k\xc3\xa4se'\0"), msg('Q', b"select 'k\xe4se'\0"), query("set names 'win1252'"), query('show client_encoding'), msg('Q', b"select '\x80', length('\x80')\0")],
    'bytes that are no UTF-8': [WITH, msg('Q', b"select '\xff'\0"), msg('Q', b"select 'a\xc3'\0"), msg('Q', b"select '\xed\xa0\x80'\0"), msg('Q', b"select 1 as \xe4\0"), parse('x') + SYNC, msg('P', b'\0select \'\xff\'\0\0\0') + SYNC,
                                query('copy w from stdin'), data(b'70\ta\xff\t1\n') + DONE, query('copy w from stdin'), data(b'71\ta\\xff\t1\n') + DONE, query('copy w from stdin csv'), data(b'72,a\xe4,1\n') + DONE,
                                query('copy w from stdin'), data(b'73\ta\0b\t1\n') + DONE, query('copy w from stdin'), data(b'74\ta\xc3') + data(b'\xa4\t1\n') + DONE, query('select v from w where id > 69'),
                                run('select $1', [b'\xc0\x80'], types=(25,)), run('select $1', [b'\xf5\x80\x80\x80'], types=(1043,), formats=(1,)), run("select convert_from($1, 'utf8')", [b'\xff'], types=(17,), formats=(1,))],
    # types in binary
    **{f'binary {name}': [run(f'select $1::{name}, pg_typeof($1)', [value], types=(t,), formats=(1,), results=(1,)), run(f'select $1::{name}', [value[:-1] if len(value) > 1 else b''], types=(t,), formats=(1,), results=(0,)),
                          run(f'select $1::{name}', [value + b'\0'], types=(t,), formats=(1,), results=(0,)), run(f'select $1::{name}', [None], types=(t,), formats=(1,), results=(1,))]
       for name, (t, value) in binary_params().items()},
    # what breaks the protocol
    'an unknown message': [msg('?')],
    'a query without its end': [msg('Q', b'select 1')],
    'a bind without its end': [parse('select 1') + msg('B', b'\0\0\0\0'), SYNC],
    'a password out of turn': [msg('p', b'x\0')],
    'the end': [BYE],
}


def startup(port, env):
    """What a server says before a session is let in."""
    said = []

    def hear(w):
        try:
            while True:
                kind, body = w.message(QUIET * 4)
                said.append(shown(kind, body) if kind != 'R' else 'R')
                if kind == 'R':
                    break
        except (Closed, TimeoutError):
            said.append('end')
        w.sock.close()

    w = Wire(port)
    w.send(struct.pack('!ii', 8, 80877103))  # SSLRequest
    said.append(repr(w.read(1)))
    w.sock.close()
    for version in (0x30001, 0x30002, 0x3270f):
        w = Wire(port)
        w.startup(version, user=env['PGUSER'], database=env['PGDATABASE'])
        hear(w)
    w = Wire(port)
    w.startup(0x40000, user=env['PGUSER'])
    hear(w)
    w = Wire(port)
    w.startup(0x30000, user=env['PGUSER'], database=env['PGDATABASE'], **{'_pq_.x': '1'})
    hear(w)
    w = Wire(port)
    w.startup(0x30000, database=env['PGDATABASE'])
    hear(w)
    return said


def logins(port, env):
    """What a server says to a session that it lets in, or does not after the password."""
    out = []
    for params in ({}, {'application_name': 'a', 'options': '-c geqo=off -c search_path=x'}, {'client_encoding': 'latin1', 'DateStyle': 'German'}, {'options': '-c nope=1'}, {'database': 'nope'},
                   {'nope': '1'}, {'timezone': 'Mars'}, {'options': '--work-mem=1MB -c'}, {'replication': 'off'}):
        w = Wire(port)
        try:
            said = [shown(*m) for m in w.login(env, **params)]
        except Closed:
            said = ['closed']
        # the time zone is the server's; a version begins with PostgreSQL's
        out.append([re.sub(r"(server_version\\x00\d+).*", r'\1', s) for s in said])
        w.sock.close()
    return out


def test_wire(cluster, result):
    postgres = lagoontest.Postgres()
    pg, lg = postgres.env(), cluster.psql_env(1)
    pg_port, lg_port = postgres.port, cluster.instance_port(1)

    def same(name, theirs, ours):
        result.check(f'wire: {name}', theirs == ours, '\n'.join(f'PostgreSQL {a}\nLagoon     {b}' for a, b in pairs(theirs, ours) if a != b))

    same('startup', startup(pg_port, pg), startup(lg_port, lg))
    same('login', logins(pg_port, pg), logins(lg_port, lg))
    for name, steps in SCENARIOS.items():
        theirs = talk(pg_port, pg, steps, None)
        ours = talk(lg_port, lg, steps, [len(s) for s in theirs] + [0] * len(steps))
        same(name, theirs, ours)
    postgres.close()


def pairs(theirs, ours):
    n = max(len(theirs), len(ours))
    return zip(theirs + [None] * (n - len(theirs)), ours + [None] * (n - len(ours)))
