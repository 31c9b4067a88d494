"""Random SQL as trees, so that a failing statement can be made smaller.

A Node has parts (text or Nodes), the SQL type of what it yields where it is an expression, and says how it may shrink:
`simple` texts that may stand in its place, whether it may be left out of its list. `shrinks()` yields smaller
statements, one change each."""
import random

# Values that columns hold: few, so that joins and groups meet; edges among them.
VALUES = {
    'bool': ['t', 'f'],
    'int2': ['0', '1', '-1', '7', '2', '3', '32767'],
    'int4': ['0', '1', '-1', '2', '7', '5', '12', '-3', '100', '2147483647'],
    'int8': ['0', '1', '-1', '12', '7', '3', '4294967296', '-9223372036854775808'],
    'float4': ['0', '1.5', '-2.25', '7', '1e10', 'NaN'],
    'float8': ['0', '1.5', '-2.25', '7', '1e100', '0.5', '-Infinity', 'NaN'],
    'numeric': ['0', '1.50', '-7.25', '7', '3', '12345678901234567890.5', '0.0001', 'NaN'],
    'text': ['', 'a', 'b', 'Hello World', 'äöü€', "x'y\\z", '12', ' pad ', 'abc', 'ABC', 'a_b%c'],
    'varchar': ['', 'abc', 'a', 'Zeta', '7'], 'bpchar': ['a', 'ab', 'b', ''], 'name': ['abc', 'Some Name'],
    'bytea': ['', '\\x00ff10', '\\xdeadbeef', '\\x61'],
    'date': ['2000-01-01', '1999-02-28', '2024-02-29', '2024-03-01', 'infinity', '0044-03-15 BC'],
    'time': ['00:00', '23:59:59.999999', '12:34:56'], 'timetz': ['12:34:56+02', '00:00-08', '10:00+00'],
    'timestamp': ['2000-01-01 00:00', '1969-12-31 23:59:59.5', '2024-02-29 12:00', '2024-03-01', '-infinity'],
    'timestamptz': ['2000-01-01 00:00+00', '2024-02-29 12:00+05:30', '2024-07-01 10:11:12.5+00', 'infinity'],
    'interval': ['0', '1 day', '02:00', '-1 mon 2 days 03:04:05.6', '1 year'],
    'jsonb': ['{"a": 1, "b": [1, 2]}', '[1, "x", null]', '"s"', '1.50', '{}', '[]', '{"a": {"b": null}}', 'null'],
    'uuid': ['00000000-0000-0000-0000-000000000000', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
    'inet': ['10.1.2.3/8', '192.168.1.7', '::1', '2001:db8::/32'], 'macaddr': ['08:00:2b:01:02:03'],
    'varbit': ['', '101', '1010101'], 'bit': ['101'],
    '_int4': ['{}', '{1,2,3}', '{{1,2},{3,4}}', '{NULL,1}', '[0:1]={5,6}'],
    '_text': ['{}', '{a,b}', '{NULL,"x y"}', '{abc}'], '_float8': ['{}', '{1.5,2}'], '_int8': ['{1,2}', '{}'],
}
COLUMNS = ['bool', 'int2', 'int4', 'int4', 'int8', 'float8', 'float4', 'numeric', 'numeric', 'text', 'text', 'varchar',
           'bpchar', 'bytea', 'date', 'time', 'timestamp', 'timestamptz', 'interval', 'jsonb', 'uuid', 'inet', '_int4',
           '_text', 'varbit', 'timetz']
JOINABLE = [('int2', 'int4', 'int8', 'numeric', 'float8', 'float4'), ('text', 'varchar', 'bpchar'),
            ('date', 'timestamp', 'timestamptz')]
UNSORTABLE = {'json', 'point', 'xid'}
NUMBERS = ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8')


def literal(rnd, t):
    if rnd.random() < 0.06:
        return Node(f'NULL::{t}', t=t)
    v = rnd.choice(VALUES[t]).replace("'", "''")
    return Node(f"'{v}'::{t}", t=t, simple=[f'NULL::{t}'])


class Node:
    def __init__(self, *parts, t=None, simple=(), gone=False, sep=None, least=0):
        self.parts = list(parts)
        self.t = t
        self.simple = list(simple)
        self.gone = gone    # may be left out where it stands (its text becomes empty)
        self.sep = sep      # a list: parts are joined by this, and any but `least` may go
        self.least = least

    def __str__(self):
        return (self.sep or '').join(str(p) for p in self.parts)

    def size(self):
        return len(str(self))

    def _same_type(self, want):
        for p in self.parts:
            if isinstance(p, Node):
                if p.t == want and want:
                    yield p
                else:
                    yield from p._same_type(want)

    def shrinks(self):
        """Pairs (do, undo) that make the tree smaller in place, larger changes first."""
        for i, p in enumerate(self.parts):
            if not isinstance(p, Node):
                continue
            old = self.parts[i]
            choices = []
            if p.gone and p.parts:
                choices.append(Node())
            if p.t and len(str(p)) > len(p.simple[0] if p.simple else f'NULL::{p.t}'):
                choices.append(Node(f'NULL::{p.t}', t=p.t))
            choices += [Node(s, t=p.t) for s in p.simple if len(s) < p.size()]
            if p.t:
                choices += [c for c in p._same_type(p.t)][:4]
            for c in choices:
                yield (lambda i=i, c=c: self.parts.__setitem__(i, c)), \
                      (lambda i=i, old=old: self.parts.__setitem__(i, old))
            if self.sep is not None and len(self.parts) > self.least:
                rest = self.parts[:i] + self.parts[i + 1:]
                whole = self.parts

                def do(rest=rest):
                    self.parts = rest

                def undo(whole=whole):
                    self.parts = whole
                yield do, undo
        for p in self.parts:
            if isinstance(p, Node):
                yield from p.shrinks()


class Table:
    def __init__(self, name, cols, key):
        self.name, self.cols, self.key = name, cols, key   # cols [(name, type)]


class Scope:
    """What expressions may name: (text of the reference, type)."""

    def __init__(self, refs, outer=None):
        self.refs = refs
        self.outer = outer

    def pick(self, rnd, t):
        here = [r for r, ty in self.refs if ty == t]
        if self.outer and (not here or rnd.random() < 0.2):
            out = self.outer.pick(rnd, t)
            if out:
                return out
        return rnd.choice(here) if here else None


class Gen:
    def __init__(self, seed, calls, tables=()):
        self.rnd = random.Random(seed)
        self.calls = calls       # {type: [(template with {}, [argument types], risky)]}
        self.tables = list(tables)
        self.n = 0
        self.no_sub = 0

    def alias(self):
        self.n += 1
        return f'a{self.n}'

    # --- schema and data ---

    def schema(self, prefix):
        rnd, out = self.rnd, []
        for i in range(rnd.randint(2, 4)):
            name = f'{prefix}{i}'
            cols = [('k', 'int4')] + [(f'c{j}', rnd.choice(COLUMNS)) for j in range(rnd.randint(2, 7))]
            defs = ['k int4 primary key']
            for cn, ct in cols[1:]:
                d = f'{cn} {self.column_type(ct)}'
                if rnd.random() < 0.12:
                    d += f" default {literal(rnd, ct)}"
                if ct in NUMBERS and rnd.random() < 0.05:
                    d += f' check ({cn} is null or {cn} > -100000000 or {cn} <= 0)'
                defs.append(d)
            if rnd.random() < 0.2 and self.tables:
                defs.append(f'r int4 references {rnd.choice(self.tables).name} on delete '
                            + rnd.choice(['cascade', 'set null', 'no action']))
                cols.append(('r', 'int4'))
            out.append(f'create table {name} ({", ".join(defs)})')
            t = Table(name, cols, 'k')
            out += self.indexes(t)
            out += self.fill(t)
            self.tables.append(t)
            if rnd.random() < 0.4:
                out.append(f'analyze {name}')
        return out

    def column_type(self, t):
        if t == 'numeric':
            return self.rnd.choice(['numeric', 'numeric(24,4)'])
        if t == 'varchar':
            return self.rnd.choice(['varchar', 'varchar(12)'])
        if t == 'bpchar':
            return 'char(4)'
        return t

    def indexes(self, t):
        rnd, out = self.rnd, []
        sortable = [(n, ty) for n, ty in t.cols if ty not in UNSORTABLE]
        for _ in range(rnd.randint(0, 3)):
            keys = [n + rnd.choice(['', '', ' desc', ' nulls first', ' desc nulls last'])
                    for n, _ in rnd.sample(sortable, min(len(sortable), rnd.randint(1, 3)))]
            texts = [n for n, ty in t.cols if ty == 'text']
            if texts and rnd.random() < 0.2:
                keys[0] = f'lower({rnd.choice(texts)})'
            where = ''
            if rnd.random() < 0.2:
                where = f' where {rnd.choice(sortable)[0]} is not null'
            out.append(f'create index on {t.name} ({", ".join(keys)}){where}')
        return out

    def fill(self, t):
        rnd, rows = self.rnd, []
        for k in range(rnd.choice([0, 3, 10, 40, 40])):
            vals = [str(k)]
            for n, ty in t.cols[1:]:
                v = literal(rnd, ty) if n != 'r' else 'null'
                vals.append('null' if rnd.random() < 0.1 else str(v))
            rows.append(f'({", ".join(vals)})')
        return [f'insert into {t.name} values {", ".join(rows)}'] if rows else []

    # --- expressions ---

    def expr(self, t, scope, depth, agg=None):
        """An expression of type t. agg: a scope inside aggregates' arguments, where those are allowed."""
        rnd = self.rnd
        if depth <= 0 or rnd.random() < 0.25:
            ref = scope.pick(rnd, t)
            if ref and rnd.random() < 0.85:
                return Node(ref, t=t)
            return literal(rnd, t)
        roll = rnd.random()
        if agg and roll < 0.3:
            return self.aggregate(t, agg, depth)
        if roll < 0.08:
            n = Node(*[Node(' WHEN ', self.expr('bool', scope, depth - 1, agg), ' THEN ',
                            self.expr(t, scope, depth - 1, agg), gone=i > 0) for i in range(rnd.randint(1, 2))])
            return Node('(CASE', n, ' ELSE ', self.expr(t, scope, depth - 1, agg), ' END)', t=t)
        if roll < 0.13:
            f = 'coalesce' if t in UNSORTABLE else rnd.choice(['coalesce', 'coalesce', 'greatest', 'least', 'nullif'])
            return Node(f + '(', self.expr(t, scope, depth - 1, agg), ', ', self.expr(t, scope, depth - 1, agg), ')',
                        t=t)
        if roll < 0.18 and not agg and self.no_sub < 2:
            return self.scalar_sub(t, scope, depth)
        if t == 'bool':
            return self.predicate(scope, depth, agg)
        if t.startswith('_') and roll < 0.4:
            items = [self.expr(t[1:], scope, depth - 1, agg) for _ in range(rnd.randint(1, 3))]
            return Node('ARRAY[', Node(*items, sep=', ', least=1), ']', t=t)
        return self.call(t, scope, depth, agg)

    def call(self, t, scope, depth, agg):
        rnd = self.rnd
        for _ in range(8):
            known = self.calls.get(t)
            if not known:
                break
            template, args, risky = rnd.choice(known)
            if risky and rnd.random() < 0.97:
                continue
            parts = []
            pieces = template.split('{}')
            for piece, a in zip(pieces, args + [None]):
                parts.append(piece)
                if a:
                    parts.append(self.expr(a, scope, depth - 1, agg))
            return Node(*parts, t=t)
        return self.expr(t, scope, 0, agg)

    def predicate(self, scope, depth, agg=None):
        rnd = self.rnd
        roll = rnd.random()
        d = depth - 1
        if roll < 0.25:
            op = rnd.choice([' AND ', ' OR '])
            return Node('(', self.expr('bool', scope, d, agg), op, self.expr('bool', scope, d, agg), ')', t='bool')
        if roll < 0.3:
            return Node('(NOT ', self.expr('bool', scope, d, agg), ')', t='bool')
        t = rnd.choice(COLUMNS)
        if roll < 0.38:
            return Node('(', self.expr(t, scope, d, agg), rnd.choice([' IS NULL', ' IS NOT NULL']), ')', t='bool')
        if roll < 0.6:
            op = rnd.choice([' = ', ' <> ', ' < ', ' <= ', ' > ', ' >= ', ' IS DISTINCT FROM ', ' IS NOT DISTINCT FROM '])
            return Node('(', self.expr(t, scope, d, agg), op, self.expr(t, scope, d, agg), ')', t='bool')
        if roll < 0.66:
            items = [self.expr(t, scope, 0, agg) for _ in range(rnd.randint(1, 4))]
            return Node('(', self.expr(t, scope, d, agg), rnd.choice([' IN (', ' NOT IN (']),
                        Node(*items, sep=', ', least=1), '))', t='bool')
        if roll < 0.7:
            return Node('(', self.expr(t, scope, d, agg), rnd.choice([' BETWEEN ', ' NOT BETWEEN ']),
                        self.expr(t, scope, 0, agg), ' AND ', self.expr(t, scope, 0, agg), ')', t='bool')
        if roll < 0.74:
            return Node('(', self.expr('bool', scope, d, agg),
                        rnd.choice([' IS TRUE', ' IS NOT TRUE', ' IS FALSE', ' IS UNKNOWN']), ')', t='bool')
        if roll < 0.78:
            return Node('((', self.expr(t, scope, d, agg), ', ', self.expr('int4', scope, d, agg), ')',
                        rnd.choice([' = ', ' < ', ' >= ', ' <> ']), '(', self.expr(t, scope, d, agg), ', ',
                        self.expr('int4', scope, d, agg), '))', t='bool')
        if roll < 0.9 and not agg and self.no_sub < 2:
            return self.sub_predicate(t, scope, depth)
        return self.call('bool', scope, depth, agg)

    def aggregate(self, t, scope, depth):
        rnd = self.rnd
        arg = self.expr(t, scope, depth - 1)
        choices = []
        if t not in UNSORTABLE and t not in ('bool', 'bytea', 'jsonb', 'uuid', 'varbit', 'timetz') and \
                not t.startswith('_') and t not in ('inet', 'varchar', 'macaddr', 'name', 'bit'):
            choices += [('min(', ')'), ('max(', ')')]
        if t in ('numeric', 'float8', 'float4', 'interval'):
            choices += [('sum(', ')')]
        if t in ('numeric', 'float8', 'interval'):
            choices += [('avg(', ')')]
        if t in ('int4', 'int8', 'int2'):
            choices += [('bit_and(', ')'), ('bit_or(', ')')]
        if t == 'bool':
            choices += [('bool_and(', ')'), ('bool_or(', ')'), ('every(', ')')]
        if t == 'int8':
            t2 = rnd.choice(['int4', 'int2'])
            choices += [('count(', ')'), ('count(DISTINCT ', ')')]
            if rnd.random() < 0.5:
                arg, choices = self.expr(t2, scope, depth - 1), [('sum(', ')')]
            elif rnd.random() < 0.4:
                return Node('count(*)', t=t)
        if t == 'text':
            a = str(arg)
            if 'SELECT' not in a:
                return Node('string_agg(', a, f", '|' ORDER BY {a})", t=t)
        if t in ('_int4', '_text', '_float8'):
            a = str(self.expr(t[1:], scope, depth - 1))
            if 'SELECT' not in a:
                return Node(f'array_agg({a} ORDER BY {a})', t=t)
        if not choices:
            return Node('(array_agg(', arg, f'))[1000000]', t=t) if not t.startswith('_') else literal(rnd, t)
        a, b = rnd.choice(choices)
        if a.endswith('(') and rnd.random() < 0.1 and t not in UNSORTABLE:
            a += 'DISTINCT '
        tail = Node()
        if rnd.random() < 0.15:
            tail = Node(' FILTER (WHERE ', self.expr('bool', scope, depth - 2), ')', gone=True)
        return Node(a, arg, b, tail, t=t)

    # --- subqueries ---

    def scalar_sub(self, t, scope, depth):
        self.no_sub += 1
        try:
            source, inner = self.source(scope, 0)
            where = Node(' WHERE ', self.expr('bool', inner, depth - 1), gone=True)
            if self.rnd.random() < 0.6:
                saved, self.no_sub = self.no_sub, 9
                out = self.aggregate(t, Scope(inner.refs), depth - 1)
                self.no_sub = saved
                return Node('(SELECT ', out, ' FROM ', source, where, ')', t=t)
            e = self.expr(t, inner, depth - 1)
            return Node('(SELECT ', e, ' FROM ', source, where, ' ORDER BY 1 LIMIT 1)', t=t)
        finally:
            self.no_sub -= 1

    def sub_predicate(self, t, scope, depth):
        rnd = self.rnd
        self.no_sub += 1
        try:
            source, inner = self.source(scope, 0)
            where = Node(' WHERE ', self.expr('bool', inner, depth - 1), gone=True)
            if rnd.random() < 0.4:
                return Node(rnd.choice(['EXISTS (SELECT 1 FROM ', '(NOT EXISTS (SELECT 1 FROM (SELECT 1 FROM '])
                            if False else 'EXISTS (SELECT 1 FROM ', source, where, ')', t='bool')
            op = rnd.choice([' IN ', ' NOT IN ', ' = ANY ', ' > ALL ', ' <= ANY ', ' <> ALL '])
            return Node('(', self.expr(t, scope, depth - 1), op, '(SELECT ', self.expr(t, inner, depth - 1), ' FROM ',
                        source, where, '))', t='bool')
        finally:
            self.no_sub -= 1

    # --- FROM ---

    def item(self, outer, depth, ctes=()):
        """One item of FROM and its columns."""
        rnd, a = self.rnd, self.alias()
        roll = rnd.random()
        if ctes and roll < 0.35:
            name, cols = rnd.choice(ctes)
            return Node(f'{name} {a}'), [(f'{a}.{n}', t) for n, t in cols]
        if depth > 0 and roll < 0.2:
            q, cols = self.query(depth - 1, outer=None)
            return Node('(', q, f') {a}'), [(f'{a}.{n}', t) for n, t in cols]
        if roll < 0.05:
            rows = [Node('(', literal(rnd, 'int4'), ', ', literal(rnd, 'text'), ')') for _ in range(rnd.randint(1, 4))]
            return Node('(VALUES ', Node(*rows, sep=', ', least=1), f') {a}(x, y)'), \
                [(f'{a}.x', 'int4'), (f'{a}.y', 'text')]
        if roll < 0.09:
            lo, hi = rnd.randint(-2, 3), rnd.randint(0, 9)
            return Node(f'generate_series({lo}, {hi}) {a}(g)'), [(f'{a}.g', 'int4')]
        if roll < 0.12:
            return Node(f'unnest(', literal(rnd, '_int4'), f') WITH ORDINALITY {a}(u, o)'), \
                [(f'{a}.u', 'int4'), (f'{a}.o', 'int8')]
        t = rnd.choice(self.tables)
        return Node(f'{t.name} {a}'), [(f'{a}.{n}', ty) for n, ty in t.cols]

    def source(self, outer, depth, ctes=()):
        rnd = self.rnd
        node, refs = self.item(outer, depth, ctes)
        for _ in range(rnd.choice([0, 0, 1, 1, 2] if depth > 0 else [0, 0, 0, 1])):
            roll = rnd.random()
            if roll < 0.1 and depth > 0:
                a = self.alias()
                self.no_sub += 1
                q, cols = self.query(0, outer=Scope(refs, outer))
                self.no_sub -= 1
                node = Node(node, rnd.choice([' CROSS JOIN LATERAL (', ' LEFT JOIN LATERAL (']), q, f') {a}')
                if 'LEFT' in str(node.parts[1]):
                    node.parts.append(' ON true')
                refs = refs + [(f'{a}.{n}', t) for n, t in cols]
                continue
            right, more = self.item(outer, depth, ctes)
            if roll < 0.15:
                node, refs = Node(node, ' CROSS JOIN ', right), refs + more
                continue
            how = rnd.choice([' JOIN ', ' JOIN ', ' LEFT JOIN ', ' LEFT JOIN ', ' RIGHT JOIN ', ' FULL JOIN '])
            on = self.join_condition(refs, more, 'FULL' in how)
            if 'FULL' not in how and rnd.random() < 0.3:
                on = Node('(', on, ' AND ', self.expr('bool', Scope(refs + more), 2), ')', t='bool')
            node, refs = Node(node, how, right, ' ON ', on), refs + more
        return node, Scope(refs, outer)

    def join_condition(self, left, right, plain):
        pairs = [(a, b) for a, ta in left for b, tb in right
                 if ta == tb or (not plain and any(ta in g and tb in g for g in JOINABLE))]
        pairs = [(a, b) for a, b in pairs]
        if not pairs:
            return Node('(true)' if not plain else '(1 = 1)', t='bool')
        a, b = self.rnd.choice(pairs)
        if plain or self.rnd.random() < 0.85:
            return Node(f'({a} = {b})', t='bool', simple=[] if plain else ['true'])
        return Node(f'({a} {self.rnd.choice(["<", ">=", "<>"])} {b})', t='bool', simple=['true'])

    # --- queries ---

    def outputs(self):
        return [self.rnd.choice(COLUMNS) for _ in range(self.rnd.randint(1, 4))]

    def query(self, depth, outer=None, types=None, top=False):
        """A query and its columns [(name, type)]."""
        rnd = self.rnd
        types = types or self.outputs()
        with_, ctes = Node(), []
        if top and rnd.random() < 0.25:
            with_, ctes = self.with_clause(depth)
        if depth > 0 and rnd.random() < 0.15 and not any(t in UNSORTABLE for t in types):
            op = rnd.choice([' UNION ', ' UNION ALL ', ' INTERSECT ', ' EXCEPT ', ' EXCEPT ALL ', ' INTERSECT ALL '])
            a, cols = self.query(depth - 1, outer, types)
            b, _ = self.query(depth - 1, outer, types)
            body = Node('(', a, ')', op, '(', b, ')')
        else:
            body, cols = self.select(depth, outer, types, ctes)
        tail = Node()
        if rnd.random() < 0.2:
            order = ', '.join(f'{i + 1}{rnd.choice(["", " DESC", " NULLS FIRST"])}' for i in range(len(types)))
            limit = ''
            if rnd.random() < 0.5:
                limit = f' LIMIT {rnd.randint(0, 8)}' + (f' OFFSET {rnd.randint(0, 4)}' if rnd.random() < 0.3 else '')
            tail = Node(f' ORDER BY {order}', Node(limit, gone=True), gone=True)
        return Node(with_, body, tail), cols

    def with_clause(self, depth):
        rnd, parts, ctes = self.rnd, [], []
        for _ in range(rnd.randint(1, 2)):
            name = self.alias()
            q, cols = self.query(max(0, depth - 1))
            parts.append(Node(f'{name} AS {rnd.choice(["", "MATERIALIZED ", "NOT MATERIALIZED "])}(', q, ')'))
            ctes.append((name, cols))
        if rnd.random() < 0.15:
            name, n = self.alias(), rnd.randint(1, 6)
            parts.append(Node(f'{name}(n, m) AS (SELECT 1, 1::int8 UNION ALL SELECT n + 1, m * (n + 1) FROM {name} '
                              f'WHERE n < {n})'))
            ctes.append((name, [('n', 'int4'), ('m', 'int8')]))
            return Node('WITH RECURSIVE ', Node(*parts, sep=', ', least=1), ' '), ctes
        return Node('WITH ', Node(*parts, sep=', ', least=1), ' '), ctes

    def select(self, depth, outer, types, ctes):
        rnd = self.rnd
        source, scope = self.source(outer, depth, ctes)
        where = Node()
        if rnd.random() < 0.6:
            where = Node(' WHERE ', self.expr('bool', scope, depth + 1), gone=True)
        names = [f'x{i}' for i in range(len(types))]
        roll = rnd.random()
        if roll < 0.3:
            return self.grouped(depth, source, scope, where, types, names)
        if roll < 0.42:
            return self.windowed(depth, source, scope, where, types, names)
        items = [Node(self.expr(t, scope, depth + 1), f' AS {n}') for t, n in zip(types, names)]
        distinct = rnd.random() < 0.15 and not any(t in UNSORTABLE for t in types)
        return Node('SELECT ' + ('DISTINCT ' if distinct else ''), Node(*items, sep=', ', least=len(items)), ' FROM ',
                    source, where), list(zip(names, types))

    def grouped(self, depth, source, scope, where, types, names):
        rnd = self.rnd
        plain = [(r, t) for r, t in scope.refs if t not in UNSORTABLE]
        keys = rnd.sample(plain, min(len(plain), rnd.choice([0, 1, 1, 2, 2])))
        group = Node()
        saved, self.no_sub = self.no_sub, 9
        if keys:
            text = ', '.join(r for r, _ in keys)
            form = rnd.random()
            if form < 0.1:
                text = f'ROLLUP ({text})'
            elif form < 0.17:
                text = f'CUBE ({text})'
            elif form < 0.22:
                text = f'GROUPING SETS (({text}), ())'
            group = Node(f' GROUP BY {text}')
        inside = Scope(scope.refs)
        items = []
        for t, n in zip(types, names):
            e = self.expr(t, Scope(keys), depth + 1, agg=inside)
            items.append(Node(e, f' AS {n}'))
        having = Node()
        if rnd.random() < 0.25:
            having = Node(' HAVING ', self.expr('bool', Scope(keys), depth, agg=inside), gone=True)
        if not keys:
            items.append(Node('count(*) AS n'))
        self.no_sub = saved
        cols = list(zip(names, types)) + ([] if keys else [('n', 'int8')])
        if not keys:
            items = items[:-1]
            cols = cols[:-1]
            items[0] = Node('coalesce(', Node('NULL::' + types[0], t=types[0]), ', ', items[0].parts[0], ') AS '
                            + names[0], ) if 'count(' in str(items[0]) else \
                Node('CASE WHEN count(*) >= 0 THEN ', items[0].parts[0], f' END AS {names[0]}')
        return Node('SELECT ', Node(*items, sep=', ', least=len(items)), ' FROM ', source, where, group, having), cols

    def windowed(self, depth, source, scope, where, types, names):
        """Functions and frames that do not tell peers apart."""
        rnd = self.rnd
        plain = [(r, t) for r, t in scope.refs if t not in UNSORTABLE]
        items = []
        saved, self.no_sub = self.no_sub, 9
        for t, n in zip(types, names):
            order = ', '.join(r + rnd.choice(['', ' DESC', ' NULLS FIRST'])
                              for r, _ in rnd.sample(plain, min(len(plain), rnd.randint(1, 2))))
            part = rnd.choice(plain)[0]
            frame = rnd.choice(['', '', ' RANGE BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING',
                                ' GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING',
                                ' RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP',
                                ' GROUPS BETWEEN 2 PRECEDING AND CURRENT ROW'])
            over = rnd.choice([f'(ORDER BY {order}{frame})', f'(PARTITION BY {part} ORDER BY {order}{frame})',
                               f'(PARTITION BY {part})', '()'])
            if t == 'int8':
                f = rnd.choice(['rank()', 'dense_rank()', 'count(*)', f'count({part})'])
                items.append(Node(f, ' OVER ', over, f' AS {n}'))
            elif t == 'float8' and rnd.random() < 0.5:
                items.append(Node(rnd.choice(['cume_dist()', 'percent_rank()']), ' OVER ', over, f' AS {n}'))
            elif t in ('int4', 'text', 'date', 'timestamp', 'int2'):
                items.append(Node(rnd.choice(['min(', 'max(']), self.expr(t, scope, depth), ') OVER ', over, f' AS {n}'))
            elif t == 'numeric':
                items.append(Node(rnd.choice(['sum(', 'avg(', 'min(']), self.expr(t, scope, depth), ') OVER ', over,
                                  f' AS {n}'))
            else:
                items.append(Node(self.expr(t, scope, depth), f' AS {n}'))
        self.no_sub = saved
        return Node('SELECT ', Node(*items, sep=', ', least=len(items)), ' FROM ', source, where), \
            list(zip(names, types))

    # --- statements that write ---

    def dml(self):
        rnd = self.rnd
        t = rnd.choice(self.tables)
        refs = [(f'{t.name}.{n}', ty) for n, ty in t.cols]
        scope = Scope(refs)
        back = Node(' RETURNING ', Node(*[Node(self.expr(ty, scope, 1)) for ty in self.outputs()], sep=', ', least=1),
                    gone=True)
        free = [(n, ty) for n, ty in t.cols if n not in ('k', 'r')]
        roll = rnd.random()
        if roll < 0.4:
            sets = [Node(f'{n} = ', self.expr(ty, scope, 2))
                    for n, ty in rnd.sample(free, min(len(free), rnd.randint(1, 3)))]
            return Node(f'UPDATE {t.name} SET ', Node(*sets, sep=', ', least=1),
                        Node(' WHERE ', self.expr('bool', scope, 2), gone=True), back)
        if roll < 0.6:
            return Node(f'DELETE FROM {t.name}', Node(' WHERE ', self.expr('bool', scope, 2), gone=True), back)
        if roll < 0.7:
            u = rnd.choice(self.tables)
            a = self.alias()
            both = Scope(refs + [(f'{a}.{n}', ty) for n, ty in u.cols])
            return Node(f'DELETE FROM {t.name} USING {u.name} {a} WHERE {t.name}.k = {a}.k AND ',
                        self.expr('bool', both, 2), back)
        conflict = rnd.choice(['', ' ON CONFLICT DO NOTHING', ' ON CONFLICT (k) DO UPDATE SET k = excluded.k'])
        if 'UPDATE' in conflict and free:
            n = free[0][0]
            conflict += f', {n} = excluded.{n}'
        if roll < 0.85:
            first = rnd.randint(0, 60)
            rows = [Node('(', Node(str(first + i), *[self.expr(ty, Scope([]), 1) if n != 'r' else 'null'
                                                    for n, ty in t.cols[1:]], sep=', ', least=len(t.cols)), ')')
                    for i in range(rnd.randint(1, 3))]
            return Node(f'INSERT INTO {t.name} VALUES ', Node(*rows, sep=', ', least=1), conflict, back)
        u = rnd.choice(self.tables)
        inner = Scope([(f'{u.name}.{n}', ty) for n, ty in u.cols])
        items = [self.expr(ty, inner, 1) if n != 'r' else Node('null::int4') for n, ty in t.cols[1:]]
        return Node(f'INSERT INTO {t.name} SELECT {u.name}.k + {rnd.randint(0, 90)}, ',
                    Node(*items, sep=', ', least=len(items)), f' FROM {u.name}', conflict, back)
