"""The server's log: the same statements on Lagoon and on PostgreSQL 15, and the lines that each writes to standard error."""
import json
import os
import re
import threading
import time

import psycopg
import psycopg2
import lagoontest

PREFIX = '%t [%p] %q%u@%d/%a [%i] %e %5l|%-4P|%v '

SETTINGS = {'log_connections': 'on', 'log_disconnections': 'on', 'log_line_prefix': PREFIX}

# name, then what one session does
SCRIPTS = {
    'log_statement': [
        'create table lt (id int primary key, v text)', "set log_statement = 'ddl'", 'select 1', "insert into lt values (1, 'a')",
        'create table lt2 (a int)', 'alter table lt2 add b int', 'truncate lt2', 'select 1 as x into lt4', "comment on table lt2 is 'x'",
        'prepare p1 as insert into lt2 values ($1)', 'explain select 1', 'grant select on lt to public', 'drop table lt4',
        "set log_statement = 'mod'", 'select 2', "insert into lt values (2, 'a')", 'truncate lt2', 'execute p1(5)',
        'explain insert into lt2 values (1)', 'explain analyze insert into lt2 values (1)', "copy lt2 to '/dev/null'", 'begin',
        'commit', "update lt set v = 'b' where id = 1; delete from lt where id = 2",
        'with x as (insert into lt2 values (9) returning 1) select * from x', 'vacuum lt2', 'create view lv as select 1',
        "set log_statement = 'all'", 'select 3', '', '-- nothing', 'select 1/0', 'selct', "select\n'two lines'", 'begin',
        'savepoint a', 'rollback', 'show work_mem', 'deallocate p1', 'select 1 from nowhere', 'commit', 'drop view lv',
        "set log_statement = 'none'", 'drop table lt, lt2'],
    'durations': [
        'set log_duration = on', 'select 4', 'select 1/0', 'set log_duration = off', 'set log_min_duration_statement = 50', 'select 5',
        'select pg_sleep(0.1)', "set log_statement = 'all'", 'select pg_sleep(0.1)', 'reset log_min_duration_statement',
        "set log_statement = 'none'", 'set log_min_duration_sample = 0', 'select 6', 'set log_statement_sample_rate = 0', 'select 7',
        'reset log_min_duration_sample', 'set log_transaction_sample_rate = 1', 'begin', 'select 8', 'commit', 'select 9',
        'set log_transaction_sample_rate = 0', 'select 10', 'set log_min_duration_statement = 0', 'begin', 'select 11',
        'set local log_min_duration_statement = -1', 'select 12', 'commit', 'select 13'],
    'errors': [
        'create table lt (id int primary key, v text check (length(v) < 5))', "insert into lt values (1, 'a')",
        "set log_error_verbosity = 'terse'", "insert into lt values (1, 'dup')", 'select nosuch from lt', "set log_error_verbosity = 'verbose'",
        "insert into lt values (1, 'dup')", 'select nosuch from lt', "set log_error_verbosity = 'default'", "insert into lt values (1, 'dup')",
        "insert into lt values (2, 'too long')", 'select nosuch from lt', "set log_min_error_statement = 'panic'", 'select 1/0',
        "set log_min_error_statement = 'log'", 'select 1/0', 'reset log_min_error_statement', "set log_min_messages = 'notice'",
        'drop table if exists nonesuch', 'reset log_min_messages', 'drop table if exists nonesuch', 'commit', "set log_min_messages = 'error'",
        'commit', "set log_min_messages = 'log'", 'select 1/0', 'set log_duration = on', 'select 1', "set log_min_messages = 'fatal'",
        'select 1', 'set log_duration = off', 'reset log_min_messages', "set log_statement = 'what'", "set log_line_prefix = 'x'",
        'set log_connections = on', 'alter role lagoon set log_connections = on', "alter role lagoon set log_statement = 'much'",
        "alter role lagoon set log_line_prefix = 'x'", 'alter role lagoon set log_nonsense = 1', 'drop table lt'],
}


def lines(path, start):
    """What was written since, one entry a line, with what differs from run to run taken out."""
    text = open(path).read()[start:]
    text = re.sub(r'\n\t', r'\\n', text)
    out = []
    seen = [m[1] for m in re.finditer(r'^\S+ \S+ GMT \[(\d+)\]', text, flags=re.M)]
    for line in text.splitlines():
        m = re.search(r'\[(\d+)\]', line)
        if m and seen.count(m[1]) == 1 and 'connection received' in line:
            continue  # somebody looks whether the port is open
        if '|' not in line or 'connection authenticated' in line or 'LOCATION:' in line or 'CONTEXT:  while ' in line:
            continue
        line = re.sub(r'^\d+-\d+-\d+ \d+:\d+:\d+ GMT', 'TIME', line)
        line = re.sub(r'\[\d+\] ', '[PID] ', line)
        line = re.sub(r' +\d+\|', ' N|', line)
        line = re.sub(r'\| *\d*/?\d* ', '| VXID ', line)
        line = re.sub(r'\d+[.]\d{3} ms', 'MS', line)
        line = re.sub(r'port=\d+', 'port=N', line)
        line = re.sub(r'session time: 0:00:0\d[.]\d{3}', 'session time: T', line)
        line = re.sub(r'[Pp]rocess(.*?) \d+(, \d+)*', lambda m: re.sub(r'\d+', 'PID', m[0]), line)
        line = re.sub(r'queue: \d+', 'queue: PID', line)
        line = re.sub(r'transaction \d+', 'transaction X', line)
        line = re.sub(r'relation \d+ of database \d+', 'relation R of database D', line)
        line = re.sub(r'advisory lock \[\d+,', 'advisory lock [D,', line)
        if 'process PID' in line:
            line = re.sub(r' at character \d+', '', line)
        out.append(line)
    return out


class Server:
    def __init__(self, conninfo, path):
        self.conninfo, self.path = conninfo, path

    def connect(self, extra='', driver=psycopg2):
        c = driver.connect(f'{self.conninfo} {extra}')
        c.autocommit = True
        return c

    def size(self):
        return os.path.getsize(self.path)

    def since(self, start):
        time.sleep(lagoontest.seconds(0.3))
        return lines(self.path, start)


def do(c, sql):
    cur = c.cursor()
    try:
        cur.execute(sql)
        return cur.fetchall() if cur.description else None
    except (psycopg2.Error, psycopg.Error) as e:
        return str(e)


def script(server, name):
    start = server.size()
    c = server.connect(f'application_name={name}')
    for sql in SCRIPTS[name]:
        do(c, sql)
    c.close()
    return server.since(start)


def extended(server, _):
    """Parse, Bind, Execute; parameters, names, portals; a statement that drops itself."""
    start = server.size()
    c = server.connect('application_name=extended', psycopg)
    do(c, 'create table lt (id int primary key, v text)')
    do(c, "set log_statement = 'all'")
    ins = 'insert into lt values (%s, %s)'
    c.execute(ins, (1, "it's"), prepare=False)
    c.execute(ins, (2, None), prepare=True)
    c.execute(ins, (3, 'y'), prepare=True)
    do(c, "set log_statement = 'none'")
    do(c, 'set log_duration = on')
    c.execute(ins, (4, 'x'), prepare=False)
    do(c, 'set log_duration = off')
    do(c, 'set log_min_duration_statement = 0')
    c.execute(ins, (5, 'a long value'), prepare=False)
    do(c, 'set log_parameter_max_length = 3')
    c.execute(ins, (6, 'a long value'), prepare=False)
    do(c, 'set log_parameter_max_length = 0')
    c.execute(ins, (7, 'a long value'), prepare=False)
    do(c, 'reset log_parameter_max_length')
    do(c, 'set log_min_duration_statement = -1')
    for n in (0, -1, 4):
        do(c, f'set log_parameter_max_length_on_error = {n}')
        try:
            c.execute(ins, (7, 'a long value'), prepare=False)
        except psycopg.Error:
            pass
    do(c, 'drop table lt')
    c.close()
    return server.since(start)


def roles(server, _):
    """What a role or a database says is obeyed by its sessions; options of the connection; who may not set."""
    start = server.size()
    c = server.connect('application_name=roles')
    said = []
    for sql in ("create role logr login password 'x'", "alter role logr set log_statement = 'all'",
                'alter database lagoon set log_duration = on'):
        do(c, sql)
    d = server.connect('user=logr password=x')
    for sql in ("select 'of the role'", "set log_statement = 'none'", 'reset log_duration', 'set log_lock_waits = on',
                'set deadlock_timeout = 10', 'set log_temp_files = 0', "alter role logr set log_statement = 'none'",
                "alter role logr set work_mem = 'much'"):
        said.append(do(d, sql))
    d.close()
    for sql in ('alter database lagoon reset all', 'drop role logr'):
        do(c, sql)
    d = server.connect("options='-c log_disconnections=off -c log_statement=all'")
    do(d, "select 'options'")
    d.close()
    c.close()
    return [str(x) for x in said] + server.since(start)


def waits(server, _):
    """log_lock_waits: a row, a table, an advisory lock."""
    a, b = server.connect(), server.connect()
    do(a, 'create table lt (id int primary key, v int); insert into lt values (1, 0), (2, 0)')
    do(b, 'set log_lock_waits = on; set deadlock_timeout = 100')
    start = server.size()
    for hold, want, free in (('begin; update lt set v = 1 where id = 1', 'update lt set v = 2 where id = 1', 'commit'),
                             ('begin; lock table lt', 'select v from lt', 'commit'),
                             ('select pg_advisory_lock(42)', 'select pg_advisory_lock(42)', 'select pg_advisory_unlock_all()')):
        do(a, hold)
        t = threading.Thread(target=do, args=(b, want))
        t.start()
        time.sleep(lagoontest.seconds(0.5))
        do(a, free)
        t.join()
    got = server.since(start)
    do(b, 'select pg_advisory_unlock_all()')
    a.close()
    b.close()
    c = server.connect()
    do(c, 'drop table lt')
    c.close()
    return got


def compare(result, ours, theirs):
    for name, fn in [(n, script) for n in SCRIPTS] + [('extended protocol', extended), ('roles', roles), ('waits', waits)]:
        a, b = fn(ours, name), fn(theirs, name)
        a = [x for x in a if 'disconnection' not in x or name != 'waits']
        b = [x for x in b if 'disconnection' not in x or name != 'waits']
        diff = [f'line {i}:\nPostgreSQL: {y}\nLagoon:     {x}' for i, (x, y) in enumerate(zip(a, b)) if x != y]
        if len(a) != len(b):
            diff.append(f'PostgreSQL: {len(b)} lines, Lagoon: {len(a)}')
        result.check(f'log: {name}, {len(b)} lines', a == b and len(b) > 3, '\n'.join(diff[:6]))


def deadlock(result, server):
    """A deadlock is told with log_lock_waits, however soon it was found."""
    a, b = server.connect(), server.connect()
    do(a, 'create table ld (id int primary key, v int); insert into ld values (1, 0), (2, 0)')
    for c in (a, b):
        do(c, 'set log_lock_waits = on')
    start = server.size()
    do(a, 'begin; update ld set v = 1 where id = 1')
    do(b, 'begin; update ld set v = 1 where id = 2')
    t = threading.Thread(target=do, args=(a, 'update ld set v = 1 where id = 2'))
    t.start()
    time.sleep(lagoontest.seconds(0.3))
    do(b, 'update ld set v = 1 where id = 1')
    do(b, 'rollback')
    t.join()
    do(a, 'rollback; drop table ld')
    got = server.since(start)
    result.check('log: a deadlock', any('detected deadlock while waiting for ShareLock on transaction X after MS' in x for x in got), got)


def checkpoint(result, server):
    c = server.connect()
    start = server.size()
    do(c, 'checkpoint')
    got = [x.split('LOG:  ')[1] for x in server.since(start) if 'checkpoint' in x]
    result.check('log: log_checkpoints', len(got) == 2 and got[0] == 'checkpoint starting: immediate force wait' and
                 re.match(r'checkpoint complete: wrote \d+ buffers \([\d.]+%\); 0 WAL file\(s\) added, .* distance=\d+ kB, estimate=\d+ kB$',
                          got[1]), got)


def refused(result, server):
    """What is not built is refused; what the log is made of is shown."""
    c = server.connect()
    for name in ('log_executor_stats', 'log_parser_stats', 'log_planner_stats', 'log_statement_stats', 'log_replication_commands',
                 'debug_print_plan', 'trace_sort'):
        said = do(c, f'set {name} = on')
        result.check(f'log: {name} is refused', f'parameter "{name}" is not supported' in str(said) and
                     do(c, f'set {name} = off') is None, said)
    result.check('log: the prefix is shown', do(c, 'show log_line_prefix') == [(PREFIX,)])
    result.check('log: the destination is shown', do(c, 'show log_destination') == [('stderr',)])


def members(result, conninfo, path):
    """The same in JSON: PostgreSQL's jsonlog's members."""
    c = psycopg2.connect(f'{conninfo} application_name=members')
    c.autocommit = True
    start = os.path.getsize(path)
    do(c, 'select 1/0')
    do(c, "set log_statement = 'all'")
    do(c, 'select \'"quoted"\' as x')
    pid = c.info.backend_pid
    time.sleep(lagoontest.seconds(0.3))
    got = [x for x in map(json.loads, open(path).read()[start:].splitlines()) if x.get('pid') == pid]
    want = {'msg': 'division by zero', 'error_severity': 'ERROR', 'state_code': '22012', 'statement': 'select 1/0', 'user': 'lagoon',
            'dbname': 'lagoon', 'application_name': 'members', 'backend_type': 'client backend', 'line_num': 1,
            'remote_host': '127.0.0.1', 'level': 'warn', 'module': 'session'}
    result.check('log: JSON members of an error', got and all(got[0].get(k) == v for k, v in want.items()), got)
    result.check('log: JSON of a statement', len(got) == 2 and got[1]['msg'] == 'statement: select \'"quoted"\' as x' and
                 got[1]['error_severity'] == 'LOG' and 'statement' not in got[1], got)
    c.close()
