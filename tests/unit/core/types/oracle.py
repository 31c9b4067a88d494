#!/usr/bin/python3
"""Asks PostgreSQL 15 (a database of locale C, as Lagoon's are) what expressions give, for test_lg_core_types.

    oracle.py DSN in.txt > cases.tsv       every line of in.txt: what | type:value | type:value ...
    oracle.py DSN --def in.txt > x.def     the same as CASE(...) lines for a unit test

`what` is an operator, a function, or ::type. Values may hold \\n, \\t, \\\\ and \\p for |.
Combinations of values are written `what * type:v1,,v2 * type:v1,,v2`."""
import itertools, sys
import psycopg2

def unesc(s):
    return s.replace("\\\\", "\0").replace("\\n", "\n").replace("\\t", "\t").replace("\\p", "|").replace("\0", "\\")

def esc(s):
    return s.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")

def c_str(s):
    out = '"'
    for ch in s.encode():
        if ch in b'"\\':
            out += "\\" + chr(ch)
        elif 32 <= ch < 127:
            out += chr(ch)
        else:
            out += "\\%03o" % ch
    return out + '"'

def cases(lines):
    for line in lines:
        line = line.rstrip("\n")
        if not line or line.startswith("#"):
            continue
        if " * " in line and not line.startswith("*"):
            parts = line.split(" * ")
        elif line.startswith("* * "):
            parts = ["*"] + line[4:].split(" * ")
        else:
            parts = None
        if parts:
            pools = []
            for p in parts[1:]:
                t, vs = p.split(":", 1)
                pools.append([(t, unesc(v)) for v in vs.split(",,")])
            for combo in itertools.product(*pools):
                yield parts[0], list(combo)
        else:
            parts = line.split(" | ") if " | " in line[1:] else [line]
            args = []
            for p in parts[1:]:
                t, colon, v = p.partition(":")
                args.append((t, unesc(v) if colon else None))
            yield parts[0], args

def main():
    dsn, as_def = sys.argv[1], sys.argv[2] == "--def"
    db = psycopg2.connect(dsn + " dbname=postgres options='-c timezone=UTC -c datestyle=ISO,MDY -c lc_messages=C'")
    db.autocommit = True
    cur = db.cursor()
    for what, args in cases(open(sys.argv[-1])):
        ph = ["(%%s)::%s" % ('"char"' if t == "char" else 'pg_catalog."%s"' % t if t != "cstring" else t) for t, v in args]
        vals = [v for t, v in args]
        if what.startswith("::"):
            e = "(%s)%s" % (ph[0], what)
        elif what[0].isalpha() or what[0] == "_":
            e = 'pg_catalog."%s"(%s)' % (what, ", ".join(ph))
        elif len(args) == 1:
            e = "%s %s" % (what.replace("%", "%%"), ph[0])
        else:
            e = "%s %s %s" % (ph[0], what.replace("%", "%%"), ph[1])
        try:
            cur.execute("select case when x is null then null else format('%%%%s', x) end from (select %s as x) s" % e, vals)
            r = cur.fetchone()[0]
            r = "NULL" if r is None else r
        except psycopg2.Error as x:
            if x.pgcode is None:
                print(what, args, x, file=sys.stderr)
                continue
            if x.pgcode in ("42883", "42725", "42846", "42704"):
                print("no such:", what, args, str(x).split("\n")[0], file=sys.stderr)
                continue
            r = "!%s %s" % (x.pgcode, x.diag.message_primary)
        a = "\x1f".join(t if v is None else t + ":" + v for t, v in args)
        if as_def:
            print("CASE(%s, %s, %s)" % (c_str(what), c_str(a), c_str(r)))
        else:
            print("\t".join((esc(what), esc(a), esc(r))))

main()
