"""Random regular expressions, texts and flags: what the regexp functions answer on both servers."""

ATOMS = ['a', 'b', 'ab', 'c', '.', '[ab]', '[^a]', '[a-c]', r'\d', r'\w', r'\s', r'\m', r'\M', r'\y', '^', '$', r'\A', r'\Z',
         '[[:alpha:]]', '[[:<:]]', r'\.', 'x', '1', '[[:digit:]b]', r'[\w]', r'\Y', r'\D', r'\W', '[b-]', '[]a]', 'A', 'B', '\n',
         'ä', '[ä-ü]', r'\x61', r'\u0062', '[.]', '[[.a.]]', '[[=b=]]', ' ']
QUANTS = ['*', '+', '?', '*?', '+?', '??', '{2}', '{1,2}', '{0,2}?', '{2,}', '{1}', '{0}', '{1,1}', '{1,1}?', '{2}?', '{,2}']
BROKEN = ['(', ')', '[', '{1', '{2,1}', '*', r'\q', '[b-a]', '[[:nix:]]', '\\', '{999}', '(?z)', r'\3', '(?<a)', '[a-\\d]', '[[.zz.]]']
FLAGS = ['', '', '', 'i', 'n', 'p', 'w', 's', 'x', 'q', 'e', 'in', 'z', 'b', 'g']
TEXTS = ['', 'a', 'ab', 'abab', 'aabbcc', 'xabcabcx', 'abc abc', 'a\nb\nab', 'AbaB', 'foo bar', '1 a22 b', 'ababab1', 'äbÜ a', 'aaaa',
         'bcbcb', 'a.b', 'cabcab\n']


def pattern(rnd, depth=3):
    groups = [0]

    def regex(d):
        return '|'.join(branch(d) for _ in range(rnd.choice([1, 1, 1, 2, 3])))

    def branch(d):
        return ''.join(piece(d) for _ in range(rnd.choice([0, 1, 1, 2, 2, 3])))

    def piece(d):
        roll = rnd.random()
        if d > 0 and roll < 0.22:
            groups[0] += 1
            a = '(' + regex(d - 1) + ')'
        elif d > 0 and roll < 0.32:
            a = rnd.choice(['(?:', '(?:', '(?=', '(?!', '(?<=', '(?<!']) + regex(d - 1) + ')'
            if a[2] != ':':
                return a
        elif roll < 0.36 and groups[0]:
            a = '\\%d' % rnd.randint(1, groups[0])
        elif roll < 0.37:
            return rnd.choice(BROKEN)
        else:
            a = rnd.choice(ATOMS)
        if rnd.random() < 0.4:
            a += rnd.choice(QUANTS)
        return a
    r = regex(depth)
    if rnd.random() < 0.04:
        r = rnd.choice(['(?i)', '(?n)', '***=', '***:', '(?x)', '(?e)', '(?q)']) + r
    return r


CALLS = ['regexp_match(%s, %s, %s)', 'regexp_replace(%s, %s, \'<\\1|\\&>\', %s)', 'array(select regexp_matches(%s, %s, %s))',
         'regexp_split_to_array(%s, %s, %s)', 'regexp_count(%s, %s, 1, %s)', 'regexp_instr(%s, %s, 1, 2, 1, %s)',
         'regexp_substr(%s, %s, 2, 1, %s, 1)', 'regexp_like(%s, %s, %s)']


def call(rnd):
    """A call and its three arguments, or two for the operators."""
    t, p, f = rnd.choice(TEXTS), pattern(rnd), rnd.choice(FLAGS)
    if rnd.random() < 0.2:
        return rnd.choice(['%s ~ %s', '%s !~* %s', 'substring(%s from %s)', '%s similar to %s']), (t, p)
    if rnd.random() < 0.3:
        f += 'g'
    return rnd.choice(CALLS), (t, p, f)
