/* pg_stat_get_progress_info: what sessions' long statements are at. */
#include "session_internal.h"
#include <string.h>

struct progress_scan {
    const char *command;
    uint32_t pos;
};

static lg_session *
session_of(lg_call *c)
{
    return ((lg_exec_session *)c->env->session)->arg;
}

static lg_status
progress_open(lg_call *c, void **ret_state)
{
    struct progress_scan *p = lg_arena_zalloc(c->arena, sizeof *p);
    p->command = lg_arena_strndup(c->arena, lg_text_data(c->args[0]), lg_text_len(c->args[0]));
    static const char *const commands[] = {"VACUUM", "ANALYZE",    "CLUSTER", "CREATE INDEX",
                                           "COPY",   "BASEBACKUP", NULL};
    uint32_t i = 0;
    while (commands[i] && strcmp(commands[i], p->command) != 0)
        i++;
    if (!commands[i])
        return lg_error_set(c->err, "22023", "invalid command name: \"%s\"", p->command);
    *ret_state = p;
    return LG_OK;
}

static lg_status
progress_next(lg_call *c, void *state, lg_datum *ret_values, uint8_t *ret_nulls)
{
    struct progress_scan *p = state;
    lg_session_info i;
    while (lg_session_next(session_of(c)->server, &p->pos, &i)) {
        const lg_progress *g = i.progress;
        if (!g->command || strcmp(g->command, p->command) != 0)
            continue;
        memset(ret_nulls, 0, 3 + LG_PROGRESS_PARAMS);
        ret_values[0] = lg_datum_int4((int32_t)i.pid);
        ret_values[1] = lg_datum_oid(g->datid);
        ret_values[2] = lg_datum_oid(g->relid);
        for (uint32_t k = 0; k < LG_PROGRESS_PARAMS; k++)
            ret_values[3 + k] = lg_datum_int8(g->param[k]);
        return LG_OK;
    }
    return LG_END;
}

static const lg_srf progress_srf = {progress_open, progress_next};

/* Phases of building a B-tree, as PostgreSQL's access method names them. */
static lg_datum
fn_phase_name(lg_call *c)
{
    static const char *const names[] = {NULL,
                                        "initializing",
                                        "scanning table",
                                        "sorting live tuples",
                                        "sorting dead tuples",
                                        "loading tuples in tree"};
    int64_t phase = lg_int8(c->args[1]);
    if (c->args[0] != 403 || phase < 1 || phase > 5) {
        c->isnull = true;
        return 0;
    }
    return lg_datum_cstring_text(c->arena, names[phase]);
}

#define F_PROGRESS_INFO 3318
#define F_PHASE_NAME    676

void
lg_session__progress_register(lg_fntable *t)
{
    lg_fntable_set_srf(t, F_PROGRESS_INFO, &progress_srf);
    lg_fntable_set(t, F_PHASE_NAME, fn_phase_name);
}
