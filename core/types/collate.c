/* ICU's collations. */
#include "collate.h"
#include "assert.h"
#include "map.h"
#include "mem.h"
#include "text.h"
#include "types_internal.h"
#include <stdlib.h>
#include <unicode/ucol.h>
#include <unicode/ustring.h>

static const lg_collation list[] = {
    {LG_COLLATION_DEFAULT, "default", NULL},
    {LG_COLLATION_C, "C", NULL},
    {LG_COLLATION_POSIX, "POSIX", NULL},
    {LG_COLLATION_UCS_BASIC, "ucs_basic", NULL},
#define LG_COLLATION(oid, name, locale) {oid, name, locale},
#include "collation.def"
#undef LG_COLLATION
};

#define COUNT (sizeof list / sizeof *list)

uint32_t
lg_collation_count(void)
{
    return COUNT;
}

const lg_collation *
lg_collation_at(uint32_t i)
{
    return &list[i];
}

const lg_collation *
lg_collation_get(lg_oid oid)
{
    for (size_t i = 0; i < COUNT; i++)
        if (list[i].oid == oid)
            return &list[i];
    return NULL;
}

const lg_collation *
lg_collation_by_name(const char *name)
{
    for (size_t i = 0; i < COUNT; i++)
        if (strcmp(list[i].name, name) == 0)
            return &list[i];
    return NULL;
}

/* --- collators, one per collation in use --- */

struct user {
    char *locale;
    UCollator *open;
};

struct lg_collators {
    UCollator *open[COUNT];
    lg_map *users; /* OID to struct user */
};

void
lg_collators__destroy(lg_collators *c)
{
    size_t pos = 0;
    uint64_t key;
    void *v;
    if (!c)
        return;
    for (size_t i = 0; i < COUNT; i++)
        if (c->open[i])
            ucol_close(c->open[i]);
    while (lg_map_next(c->users, &pos, &key, &v)) {
        struct user *u = v;
        if (u->open)
            ucol_close(u->open);
        lg_free(u->locale);
        lg_free(u);
    }
    lg_map_destroy(c->users);
    lg_free(c);
}

static lg_collators *
collators(lg_tz_cache *tzs)
{
    lg_collators **slot = lg_tz__collators(tzs);
    if (!*slot) {
        *slot = lg_zalloc(sizeof **slot);
        (*slot)->users = lg_map_create();
    }
    return *slot;
}

static struct user *
user_of(lg_tz_cache *tzs, lg_oid oid)
{
    return lg_collation_class_of(oid) == LG_COLLATION_ICU && tzs
               ? lg_map_get(collators(tzs)->users, oid)
               : NULL;
}

void
lg_collation_add(lg_tz_cache *tzs, lg_oid oid, const char *locale)
{
    if (lg_collation_class_of(oid) != LG_COLLATION_ICU || !tzs || user_of(tzs, oid))
        return;
    struct user *u = lg_zalloc(sizeof *u);
    u->locale = lg_strdup(locale);
    lg_map_put(collators(tzs)->users, oid, u);
}

bool
lg_collation_known(lg_tz_cache *tzs, lg_oid oid)
{
    return lg_collation_class_of(oid) != LG_COLLATION_ICU || !tzs || user_of(tzs, oid);
}

const lg_collator *
lg_collator_get(lg_tz_cache *tzs, lg_oid oid)
{
    const lg_collation *k = lg_collation_is_c(oid) ? NULL : lg_collation_get(oid);
    struct user *u = k ? NULL : user_of(tzs, oid);
    const char *locale = u ? u->locale : k ? k->locale : NULL;
    if (!locale || !tzs)
        return NULL;
    UCollator **c = u ? &u->open : &collators(tzs)->open[k - list];
    if (!*c) {
        UErrorCode status = U_ZERO_ERROR;
        *c = ucol_open(locale, &status);
        if (U_FAILURE(status))
            *c = NULL;
    }
    return (const lg_collator *)*c;
}

const char *
lg_collation_refused(const char *locale)
{
    UErrorCode status = U_ZERO_ERROR;
    UCollator *c = ucol_open(locale, &status);
    if (U_FAILURE(status))
        return u_errorName(status);
    ucol_close(c);
    return NULL;
}

static const lg_collator *
collator(const lg_env *env, lg_oid oid)
{
    return env ? lg_collator_get(env->tzs, oid) : NULL;
}

const char *
lg_collation_version(lg_arena *a, const char *locale)
{
    UErrorCode status = U_ZERO_ERROR;
    if (!locale)
        return NULL;
    UCollator *c = ucol_open(locale, &status);
    if (U_FAILURE(status))
        return NULL;
    UVersionInfo v;
    char text[U_MAX_VERSION_STRING_LENGTH];
    ucol_getVersion(c, v);
    u_versionToString(v, text);
    ucol_close(c);
    return lg_arena_strdup(a, text);
}

int
lg_collator_compare(const lg_collator *c, const char *a, size_t na, const char *b, size_t nb)
{
    UErrorCode status = U_ZERO_ERROR;
    UCollationResult r =
        ucol_strcollUTF8((const UCollator *)c, a, (int32_t)na, b, (int32_t)nb, &status);
    if (U_SUCCESS(status) && r != UCOL_EQUAL)
        return r == UCOL_LESS ? -1 : 1;
    return lg_bytes_compare(a, na, b, nb);
}

int
lg_collate_compare(const lg_env *env, lg_oid collation, const char *a, size_t na, const char *b,
                   size_t nb)
{
    const lg_collator *c = collator(env, collation);
    return c ? lg_collator_compare(c, a, na, b, nb) : lg_bytes_compare(a, na, b, nb);
}

/* --- UTF-16, which ICU works on --- */

static UChar *
to_utf16(lg_arena *a, const char *s, size_t n, int32_t *ret_len)
{
    UErrorCode status = U_ZERO_ERROR;
    UChar *u = lg_arena_alloc(a, sizeof *u * (n + 1));
    u_strFromUTF8WithSub(u, (int32_t)n + 1, ret_len, s, (int32_t)n, 0xfffd, NULL, &status);
    return u;
}

static lg_datum
from_utf16(lg_arena *a, const UChar *u, int32_t n)
{
    UErrorCode status = U_ZERO_ERROR;
    char *s = lg_arena_alloc(a, (size_t)n * 3 + 1);
    int32_t len = 0;
    u_strToUTF8(s, n * 3 + 1, &len, u, n, &status);
    return lg_datum_text(a, s, (size_t)len);
}

lg_datum
lg_collate_case(lg_call *c, lg_case to)
{
    const lg_collation *k = lg_collation_get(c->collation);
    const struct user *user = k || !c->env ? NULL : user_of(c->env->tzs, c->collation);
    const char *locale = user ? user->locale : k ? k->locale : NULL;
    int32_t n, len;
    UErrorCode status = U_ZERO_ERROR;
    UChar *u = to_utf16(c->arena, ARG_STR(0), ARG_LEN(0), &n);
    int32_t cap = n * 3 + 8; /* the longest that case mapping makes of a character */
    UChar *r = lg_arena_alloc(c->arena, sizeof *r * (size_t)cap);
    len = to == LG_CASE_LOWER   ? u_strToLower(r, cap, u, n, locale, &status)
          : to == LG_CASE_UPPER ? u_strToUpper(r, cap, u, n, locale, &status)
                                : u_strToTitle(r, cap, u, n, NULL, locale, &status);
    if (U_FAILURE(status))
        return lg_call_error(c, "XX000", "case conversion failed: %s", u_errorName(status));
    return from_utf16(c->arena, r, len);
}

/* --- sort keys --- */

size_t
lg_collator_key(const lg_collator *c, lg_arena *arena, const char *s, size_t n, uint8_t *buf,
                size_t cap, uint8_t **ret)
{
    int32_t ulen;
    UChar *u = to_utf16(arena, s, n, &ulen);
    int32_t size = ucol_getSortKey((const UCollator *)c, u, ulen, buf, (int32_t)cap);
    *ret = buf;
    if ((size_t)size > cap) {
        *ret = lg_arena_alloc(arena, (size_t)size);
        size = ucol_getSortKey((const UCollator *)c, u, ulen, *ret, size);
    }
    return (size_t)size;
}

static lg_datum
collate_key(lg_call *c)
{
    const lg_collator *k = collator(c->env, ARG_OID(1));
    size_t len = lg_argtype(c, 0) == LG_T_BPCHAR ? lg_bpchar_len(ARG(0)) : ARG_LEN(0);
    uint8_t buf[256], *key;
    if (!k)
        return lg_call_error(c, "0A000", "collation %u is not known to ICU", ARG_OID(1));
    size_t size = lg_collator_key(k, c->arena, ARG_STR(0), len, buf, sizeof buf, &key);
    lg_varlen *v = lg_varlen_new(c->arena, size + len); /* it ends with 0; then the bytes */
    memcpy(v->data, key, size);
    memcpy(v->data + size, ARG_STR(0), len);
    return lg_datum_ptr(v);
}

lg_datum
lg_collate_key_text(lg_arena *a, lg_datum key)
{
    const char *s = (const char *)lg_varlen_of(key)->data;
    size_t n = lg_varlen_of(key)->len, at = strnlen(s, n) + 1; /* ICU's keys have no 0 within */
    LG_ASSERT(at <= n);
    return lg_datum_text(a, s + at, n - at);
}

static const lg_oid key_args[] = {LG_T_TEXT, LG_T_OID};

const lg_func lg_collate_key_func = {.name = "collation_key",
                                     .result = LG_T_BYTEA,
                                     .args = key_args,
                                     .nargs = 2,
                                     .kind = 'f',
                                     .volatility = 'i',
                                     .flags = LG_FUNC_STRICT,
                                     .fn = collate_key};
