/* pg_timezone_names and pg_timezone_abbrevs. */
#include "func.h"
#include "session_internal.h"
#include <string.h>

static const char *const zones[] = {
#define LG_ZONE(name) name,
#define LG_ABBREV(name, seconds, dst)
#include "zone.def"
#undef LG_ZONE
#undef LG_ABBREV
};

static const struct {
    const char *name;
    int32_t seconds;
    bool dst;
} abbrevs[] = {
#define LG_ZONE(name)
#define LG_ABBREV(name, seconds, dst) {name, seconds, dst},
#include "zone.def"
#undef LG_ZONE
#undef LG_ABBREV
};

static lg_status
list_open(lg_call *c, void **ret_state)
{
    *ret_state = lg_arena_zalloc(c->arena, sizeof(size_t));
    return LG_OK;
}

static lg_datum
interval(lg_call *c, int32_t seconds)
{
    lg_interval *i = LG_NEW(c->arena, lg_interval);
    i->us = (int64_t)seconds * 1000000;
    return lg_datum_ptr(i);
}

static lg_status
names_next(lg_call *c, void *state, lg_datum *v, uint8_t *nulls)
{
    size_t *at = state;
    int64_t now = (c->env->stmt_ts + LG_TS_UNIX_EPOCH_US) / 1000000;
    while (*at < sizeof zones / sizeof *zones) {
        const char *name = zones[(*at)++], *abbrev;
        bool dst;
        const lg_tz *tz = lg_tz_get(c->env->tzs, name);
        if (!tz)
            continue; /* the system's tzdata does not have it */
        int32_t offset = lg_tz_offset(tz, now, &dst, &abbrev);
        memset(nulls, 0, 4);
        v[0] = lg_datum_cstring_text(c->arena, name);
        v[1] = lg_datum_cstring_text(c->arena, abbrev);
        v[2] = interval(c, offset);
        v[3] = lg_datum_bool(dst);
        return LG_OK;
    }
    return LG_END;
}

static lg_status
abbrevs_next(lg_call *c, void *state, lg_datum *v, uint8_t *nulls)
{
    size_t *at = state;
    if (*at == sizeof abbrevs / sizeof *abbrevs)
        return LG_END;
    memset(nulls, 0, 3);
    v[0] = lg_datum_cstring_text(c->arena, abbrevs[*at].name);
    v[1] = interval(c, abbrevs[*at].seconds);
    v[2] = lg_datum_bool(abbrevs[*at].dst);
    ++*at;
    return LG_OK;
}

static const lg_srf names_srf = {list_open, names_next};
static const lg_srf abbrevs_srf = {list_open, abbrevs_next};

void
lg_session__zones_register(lg_fntable *t)
{
    uint32_t n;
    lg_fntable_set_srf(t, lg_func_by_name("pg_timezone_names", &n)->oid, &names_srf);
    lg_fntable_set_srf(t, lg_func_by_name("pg_timezone_abbrevs", &n)->oid, &abbrevs_srf);
}
