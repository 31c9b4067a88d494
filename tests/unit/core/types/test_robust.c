/* Hostile input: every input and receive function takes anything without harm, and what it accepts
 * survives a round trip through text and binary form. Deterministic: one seed. */
#include "func.h"
#include "keycodec.h"
#include "lg_test.h"
#include "rowcodec.h"
#include <stdio.h>
#include <stdlib.h>

struct fuzz {
    uint64_t seed;
    lg_arena *a;
    lg_error err;
    lg_env env;
};

static uint32_t
next(struct fuzz *f, uint32_t below)
{
    f->seed = f->seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(f->seed >> 33) % below;
}

static const char *const samples[] = {"1",
                                      "-32768",
                                      "2147483647",
                                      "9223372036854775807",
                                      "1.5e10",
                                      "-0.000123",
                                      "NaN",
                                      "Infinity",
                                      "-infinity",
                                      "t",
                                      "false",
                                      "2020-02-29 12:34:56.789+05:30",
                                      "Jan 8 1999 04:05:06 PST",
                                      "epoch",
                                      "4713-01-01 BC",
                                      "J2451187",
                                      "23:59:60.5",
                                      "1 year 2 mons -3 days 04:05:06.7",
                                      "P1Y2M3DT4H5M6S",
                                      "@ 1 hour ago",
                                      "{1,2,NULL}",
                                      "{{1,2},{3,4}}",
                                      "[0:1]={\"a b\",\\\"}",
                                      "1 2 3",
                                      "\\xdeadbeef",
                                      "a\\001b\\\\",
                                      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
                                      "192.168.0.1/24",
                                      "::ffff:1.2.3.4",
                                      "{\"a\": [1, 2.50, {\"b\": null}], \"c\": \"\\u00e9\"}",
                                      "(12,34)",
                                      "16/B374D848",
                                      "hello",
                                      "\xc3\xa9\xe2\x82\xac",
                                      "",
                                      " ",
                                      "Europe/Berlin",
                                      "2020-01-01 00:00:00 America/New_York"};

static char *
mutate(struct fuzz *f)
{
    const char *s = samples[next(f, sizeof samples / sizeof *samples)];
    size_t n = strlen(s);
    char *t = lg_arena_alloc(f->a, n + 40);
    memcpy(t, s, n + 1);
    for (uint32_t k = next(f, 4); k > 0; k--) {
        uint32_t at = n ? next(f, (uint32_t)n + 1) : 0;
        switch (next(f, 4)) {
        case 0: /* change */
            if (at < n)
                t[at] = (char)(1 + next(f, 255));
            break;
        case 1: /* insert */
            memmove(t + at + 1, t + at, n - at + 1);
            t[at] = "0123456789-+.:eE{}[]\"\\,/ TPxn\t"[next(f, 31)];
            n++;
            break;
        case 2: /* drop */
            if (at < n) {
                memmove(t + at, t + at + 1, n - at);
                n--;
            }
            break;
        default: /* repeat the last character */
            if (n && n < strlen(s) + 30) {
                t[n] = t[n - 1];
                t[++n] = 0;
            }
        }
    }
    return t;
}

static void
check_value(struct fuzz *f, const lg_type *t, lg_datum d)
{
    const char *text, *again, *bin;
    size_t n, n2, nb;
    lg_datum back;
    LG_ASSERT_OK(lg_type_output(&f->env, t->oid, d, f->a, &f->err, &text, &n));
    text = lg_arena_strndup(f->a, text, n);
    if (lg_type_input(&f->env, t->oid, text, -1, f->a, &f->err, &back) != LG_OK) {
        printf("  %s does not read its own output: %s\n", t->name, text);
        CU_FAIL("round trip");
        return;
    }
    LG_ASSERT_OK(lg_type_output(&f->env, t->oid, back, f->a, &f->err, &again, &n2));
    CU_ASSERT(n == n2 && memcmp(text, again, n) == 0);
    lg_compare_fn cmp = lg_type_compare_fn(t->oid);
    if (cmp)
        CU_ASSERT_EQUAL(cmp(d, d), 0);
    if (lg_type_hash_fn(t->oid) && lg_type_equal_fn(t->oid)(d, back))
        CU_ASSERT_EQUAL(lg_type_hash_fn(t->oid)(d), lg_type_hash_fn(t->oid)(back));
    if (lg_key_supported(t->oid)) {
        uint8_t key[4096], null;
        size_t used;
        lg_keycol col = {.type = t->oid};
        size_t len = lg_key_encode(&col, 1, &d, NULL, key, sizeof key, NULL);
        if (len <= sizeof key)
            CU_ASSERT_EQUAL(lg_key_decode(&col, 1, key, len, f->a, &back, &null, &used), LG_OK);
    }
    const lg_type *e = lg_type_is_array(t) ? lg_type_get(t->elem) : t;
    if (lg_func_get(t->send) && lg_func_get(t->recv) && lg_func_get(e->send) &&
        lg_func_get(e->recv)) {
        LG_ASSERT_OK(lg_type_send(&f->env, t->oid, d, f->a, &f->err, &bin, &nb));
        bin = lg_arena_dup(f->a, bin, nb);
        lg_status st = lg_type_recv(&f->env, t->oid, bin, nb, -1, f->a, &f->err, &back);
        bool special = t->oid == LG_T_TEXT || t->oid == LG_T_REFCURSOR || t->oid == LG_T_JSON ||
                       t->oid == LG_T_JSONB || lg_type_is_array(t) || t->oid == LG_T_NAME ||
                       t->oid == LG_T_VARCHAR || t->oid == LG_T_BPCHAR || t->oid == LG_T_UNKNOWN;
        if (st != LG_OK && !special) { /* text that is not UTF-8 comes in only through text input */
            printf("  %s does not receive what it sends: %s (%s)\n", t->name, text,
                   f->err.message ? f->err.message : "");
            CU_FAIL("binary round trip");
        }
    }
}

LG_TEST(test_types__hostile_input_is_harmless)
{
    struct fuzz f = {.seed = 42};
    f.a = lg_arena_create("fuzz", 0);
    lg_env_init(&f.env);
    f.env.tzs = lg_tz_cache_create();
    for (uint32_t i = 0; i < lg_type_count(); i++) {
        const lg_type *t = lg_type_at(i);
        const lg_func *in = lg_func_get(t->in);
        if (!in || (in->flags & LG_FUNC_EXT) || t->typtype != 'b')
            continue;
        const lg_type *e = lg_type_is_array(t) ? lg_type_get(t->elem) : NULL;
        if (e && (!lg_func_get(e->in) || (lg_func_get(e->in)->flags & LG_FUNC_EXT)))
            continue;
        for (int k = 0; k < 300; k++) {
            lg_arena_reset(f.a);
            lg_error_init(&f.err, f.a);
            lg_datum d;
            char *s = mutate(&f);
            if (lg_type_input(&f.env, t->oid, s, -1, f.a, &f.err, &d) == LG_OK)
                check_value(&f, t, d);
            else
                CU_ASSERT(f.err.set && strcmp(f.err.sqlstate, "XX000") != 0);
        }
        for (int k = 0; k < 200; k++) {
            uint8_t buf[64];
            size_t n = next(&f, sizeof buf);
            lg_arena_reset(f.a);
            lg_error_init(&f.err, f.a);
            for (size_t b = 0; b < n; b++)
                buf[b] = (uint8_t)(next(&f, 3) ? next(&f, 4) : next(&f, 256));
            lg_datum d;
            const char *text;
            size_t len;
            uint8_t *copy = lg_arena_dup(f.a, buf, n);
            if (lg_type_recv(&f.env, t->oid, copy, n, -1, f.a, &f.err, &d) == LG_OK)
                (void)!lg_type_output(&f.env, t->oid, d, f.a, &f.err, &text, &len);
        }
    }
    lg_tz_cache_destroy(f.env.tzs);
    lg_arena_destroy(f.a);
}
