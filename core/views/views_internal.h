/* What the files of core/views share. */
#ifndef LG_VIEWS_INTERNAL_H
#define LG_VIEWS_INTERNAL_H

#include "arena.h"
#include "assert.h"
#include "mem.h"
#include "rowcodec.h"
#include "type_oids.h"
#include "views.h"
#include <stdio.h>

#define LG_VIEWS_MAX         96
#define LG_VIEWS_MAX_COLUMNS 32

struct lg_views__def {
    lg_views *views;
    const char *name;
    uint16_t index;
    uint16_t ncolumns;
    lg_virtual_column columns[LG_VIEWS_MAX_COLUMNS + 1]; /* inst_id first */
    lg_rowcol rowcols[LG_VIEWS_MAX_COLUMNS];             /* without inst_id */
    lg_view_rows_fn rows;
    void *arg;
    lg_virtual_rel global; /* gv$ */
    lg_virtual_rel local;  /* v$ */
};

struct lg_views {
    lg_views_config cfg;
    struct lg_views__def *defs[LG_VIEWS_MAX];
    uint16_t count;
    lg_arena *scratch; /* of answers to other instances */
    struct lg_views__ash *ash;
    uint64_t ash_count;
    lg_timer ash_timer;
};

#define LG_ASH_SAMPLES 8192u
struct lg_views__ash {
    uint64_t at_us, query_id, xid, wait_xid;
    uint32_t pid, user;
    lg_wait wait;
};

LG_MUST lg_status lg_views__register_local(lg_views *w); /* views_local.c */
LG_MUST lg_status lg_views__register_gc(lg_views *w);    /* views_gc.c */
LG_MUST lg_status lg_views__register_sql(lg_views *w);   /* views_sql.c */
LG_MUST lg_status lg_views__register_plan(lg_views *w);  /* views_plan.c */
LG_MUST lg_status lg_views__register_more(lg_views *w);  /* views_more.c */
LG_MUST lg_status lg_views__register_lock(lg_views *w);  /* views_lock.c */
void lg_views__ash_sample(void *views);
LG_MUST lg_status lg_views__register_longops(lg_views *w); /* views_longops.c */
/* views_remote.c */
void lg_views__serve(lg_views *w);
/* Rows of another member, each to fn; a member that does not answer gives none. */
typedef void (*lg_views__row_fn)(void *arg, const lg_datum *values, const uint8_t *nulls);
LG_MUST lg_status lg_views__fetch(lg_views *w, const struct lg_views__def *def, uint32_t node,
                                  lg_arena *arena, lg_views__row_fn fn, void *arg);

#endif
