/* Functions that PostgreSQL writes in SQL: other functions with arguments swapped or added. */
#include "datetime.h"
#include "types_values.h"

/* Calls another built-in function with these arguments, as part of this call. */
static lg_datum
call_other(lg_call *c, lg_oid oid, const lg_datum *args, const uint8_t *nulls, uint32_t n)
{
    const lg_func *f = lg_func_get(oid);
    lg_call k = *c;
    static const uint8_t none[8] = {0};
    k.func = f;
    k.args = args;
    k.nulls = nulls ? nulls : none;
    k.nargs = n;
    k.argtypes = f->args;
    lg_datum d = lg_func_call(&k);
    c->st = k.st;
    c->isnull = k.isnull;
    return d;
}

static lg_datum
swapped(lg_call *c, lg_oid oid)
{
    return call_other(c, oid, (lg_datum[]){ARG(1), ARG(0)}, NULL, 2);
}

LG_FN(oid_1296)
{
    return swapped(c, 2025);
} /* time + date */
LG_FN(oid_1298)
{
    return swapped(c, 1297);
} /* timetz + date */
LG_FN(oid_1848)
{
    return swapped(c, 1747);
} /* interval + time */
LG_FN(oid_2546)
{
    return swapped(c, 2071);
} /* interval + date */
LG_FN(oid_2547)
{
    return swapped(c, 1749);
} /* interval + timetz */
LG_FN(oid_2548)
{
    return swapped(c, 2032);
} /* interval + timestamp */
LG_FN(oid_2549)
{
    return swapped(c, 1189);
} /* interval + timestamptz */
LG_FN(oid_2550)
{
    return swapped(c, 1141);
} /* integer + date */

LG_FN(oid_1176) /* timestamptz(date, time) */
{
    lg_datum t = call_other(c, 2025, c->args, NULL, 2);
    return c->st ? 0 : call_other(c, 2028, &t, NULL, 1);
}

LG_FN(oid_1811)
{
    return lg_datum_int4((int32_t)(ARG_LEN(0) * 8));
} /* bit_length */
LG_FN(oid_1810)
{
    return lg_datum_int4((int32_t)(ARG_LEN(0) * 8));
}

/* OVERLAPS with lengths in place of ends: `first` and `second` say which are intervals. */
static lg_datum
overlaps(lg_call *c, bool first, bool second, lg_oid plus, lg_oid test)
{
    lg_datum v[4];
    uint8_t nulls[4];
    const lg_datum *args = c->args;
    const uint8_t *in = c->nulls;
    for (int i = 0; i < 4; i += 2) {
        bool length = i ? second : first;
        v[i] = args[i];
        nulls[i] = in[i];
        v[i + 1] = args[i + 1];
        nulls[i + 1] = in[i + 1] || (length && in[i]);
        if (length && !nulls[i + 1]) {
            v[i + 1] = call_other(c, plus, (lg_datum[]){args[i], args[i + 1]}, NULL, 2);
            if (c->st)
                return 0;
        }
    }
    return call_other(c, test, v, nulls, 4);
}

LG_FN(oid_1305)
{
    return overlaps(c, true, true, 1189, 1304);
}
LG_FN(oid_1306)
{
    return overlaps(c, false, true, 1189, 1304);
}
LG_FN(oid_1307)
{
    return overlaps(c, true, false, 1189, 1304);
}
LG_FN(oid_1309)
{
    return overlaps(c, true, true, 1747, 1308);
}
LG_FN(oid_1310)
{
    return overlaps(c, false, true, 1747, 1308);
}
LG_FN(oid_1311)
{
    return overlaps(c, true, false, 1747, 1308);
}
LG_FN(oid_2042)
{
    return overlaps(c, true, true, 2032, 2041);
}
LG_FN(oid_2043)
{
    return overlaps(c, false, true, 2032, 2041);
}
LG_FN(oid_2044)
{
    return overlaps(c, true, false, 2032, 2041);
}
