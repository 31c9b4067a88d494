"""A case of tests/sql over three instances: its statements go in turn to one session on each of them.

What belongs to a session keeps to one: a transaction block, and from there to the end of the file what follows a
temporary object, a cursor that outlives its transaction, a statement prepared within a transaction, a variable set from
a result. SET, RESET, PREPARE, DEALLOCATE and psql's own settings are said to all three. A file that uses sequences stays on
one session as a whole: each instance hands out numbers of its own.

Rows that no ORDER BY puts in order are compared without their order: instances put rows into blocks of their own."""
import os
import re
import select
import subprocess
import time

MARK = '=== end of unit ==='
BROADCAST = re.compile(r'(set|reset|prepare|deallocate|discard plans)\b(?! transaction| local| constraints)', re.I)
PSQL_SETTING = re.compile(r'\\(set|unset|pset|x|a|t|f|timing|encoding)\b')
WHOLE_FILE = re.compile(r'\b(big|small)?serial\b|\bsequence|\bnextval\b|\bidentity\b|\\c(onnect)?\s|\\i[rf]?\s|\\(if|elif)\b', re.I)
# In what order these see rows is part of their answer.
IN_ORDER = re.compile(r'^\s*(copy\b.*\bto stdout|fetch|move)\b', re.I | re.S)
KEEPS = re.compile(r'\b(temp|temporary|pg_temp)\b|\bwith\s+hold\b|\\g(set|exec)\b|\blisten\b|\bcurrval\b|\blastval\b|'
                   r'\bset_config\b|\bpg_advisory_lock\b|\bpg_prepared_statements\b|\bpg_cursors\b|\bpg_backend_pid\b|'
                   r'\bset\s+(session|role)\b|\breset\s+(session|role)\b', re.I)
OPENS = re.compile(r'(begin|start\s+transaction)\b(?!\s+atomic)', re.I)
CLOSES = re.compile(r'(commit|rollback|end|abort)\b(?!\s+to\b)(?!\s+(work|transaction)?\s*to\b)', re.I)
TOKEN = re.compile(r"""--[^\n]*|/\*.*?\*/|[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|"(?:[^"]|"")*"|(\$\w*\$).*?\1|;""", re.S)


def units(text):
    """The file in pieces that psql can be given one by one: statements that end a line, commands, COPY with its data."""
    out, lines, i = [], text.splitlines(True), 0
    piece = ''
    while i < len(lines):
        line = lines[i]
        i += 1
        if not bare(piece).strip() and line.startswith('\\'):
            out.append(piece + line)
            piece = ''
            continue
        piece += line
        if not complete(piece):
            continue
        if re.search(r'\bcopy\b[^;]*\bfrom\s+stdin\b', bare(piece), re.I):
            while i < len(lines):
                piece += lines[i]
                i += 1
                if lines[i - 1].rstrip('\n') == '\\.':
                    break
        out.append(piece)
        piece = ''
    return out + ([piece] if piece else [])


def bare(piece):
    """Without comments and quoted text."""
    return TOKEN.sub(lambda m: ';' if m.group() == ';' else ' ' if m.group()[:2] in ('--', '/*') else "''", piece)


def complete(piece):
    rest = bare(piece)
    last = rest.rstrip()
    if re.search(r"'|\"|\$\w*\$|/\*", rest.replace("''", '')):
        return False  # a quote is open
    if re.search(r'\bbegin\s+atomic\b', last, re.I) and not re.search(r'\bend\s*;$', last, re.I):
        return False
    return last.endswith(';') or bool(re.search(r'\\(g|gx|gset|gexec|gdesc|crosstabview|watch)\b[^;\n]*$', last))


class Psql:
    """A psql that stays, given one unit after the other."""

    def __init__(self, env, timeout):
        self.timeout = timeout
        self.p = subprocess.Popen(['stdbuf', '-oL', 'psql', '-X', '-a', '-q', '-v', 'VERBOSITY=verbose', '-v',
                                   'SHOW_CONTEXT=never', '-f', '-'], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, env=dict(env, PGCLIENTENCODING='UTF8'))

    def ask(self, text):
        data, end, until = b'', f'\n{MARK}\n'.encode(), time.time() + self.timeout
        try:
            self.p.stdin.write((text + ('' if text.endswith('\n') else '\n') + f'\\echo {MARK}\n').encode())
            self.p.stdin.flush()
        except BrokenPipeError:
            return 'the session is gone\n'
        while not data.endswith(end):
            if not select.select([self.p.stdout], [], [], max(0, until - time.time()))[0]:
                return data.decode('utf-8', 'replace') + 'timed out\n'
            got = os.read(self.p.stdout.fileno(), 65536)
            if not got:
                return data.decode('utf-8', 'replace') + 'the session is gone\n'
            data += got
        said = data[:-len(end)].decode('utf-8', 'replace') + '\n'
        said = said[:said.rindex(f'\\echo {MARK}')]
        said = re.sub(r'^LOCATION: .*\n', '', said, flags=re.M)
        return re.sub(r'^psql:<stdin>:\d+: ', '', said, flags=re.M)

    def close(self):
        self.p.stdin.close()
        self.p.stdout.close()
        self.p.kill()
        self.p.wait()


# What follows from where a thing was made: OIDs are of each instance's own ranges, and by them PostgreSQL orders what it
# goes through, so which of several ways to a dependent object is told; and entries of an index made by a transaction
# that is not known here are judged by their rows where there are few of them.
ELSEWHERE = ((re.compile(r'( depends on) .*'), r'\1'), (re.compile(r'(Heap Fetches:) \d+'), r'\1'))


def loose(unit, said):
    """What two servers must agree on."""
    for what, to in ELSEWHERE:
        said = what.sub(to, said)
    if re.search(r'\border\s+by\b', unit, re.I) or IN_ORDER.match(bare(unit)) or unit.lstrip().startswith('\\d'):
        return said
    return '\n'.join(sorted(re.sub(r'^DETAIL:  ', '', line) for line in said.splitlines()))


def spread(text, theirs, ours):
    """Plays the units on the session theirs and on the sessions ours. Returns (units on another session than the one
    before them, what theirs said in all, differences as text)."""
    whole = bool(WHOLE_FILE.search(text))
    at, keep, block, moved, said, differences = 0, whole, False, 0, '', []
    for unit in units(text):
        words = bare(unit).lstrip()
        first = theirs.ask(unit)
        said += first
        everywhere = not keep and not block and bool(BROADCAST.match(words) or PSQL_SETTING.match(words))
        if not keep and not block and not everywhere:
            at = (at + 1) % len(ours)
            moved += 1
        got = [(k, ours[k].ask(unit)) for k in (range(len(ours)) if everywhere else [at])]
        for k, o in got:
            if loose(unit, o) != loose(unit, first):
                differences.append(f'session {k + 1}:\n{o}PostgreSQL:\n{first}')
                if 'the session is gone' in o or 'timed out' in o:
                    return moved, said, differences
        for statement in words.split(';'):
            s = statement.strip()
            if OPENS.match(s):
                block = True
            elif CLOSES.match(s):
                block = bool(re.search(r'and\s+chain', s, re.I))
            if KEEPS.search(s) or (not everywhere and BROADCAST.match(s)):
                keep = True
    return moved, said, differences
