/* Virtual relations: read-only tables whose rows come from a callback (gv$..., pg_stat_*,
 * pg_settings, and the constant built-in catalogs).
 *
 * Register at instance start, before sessions; the descriptor passed must outlive the catalog. The
 * callback emits all rows at once; values by reference live in ctx->arena (or are constant). It may
 * block the fiber. */
#ifndef LG_CATALOG_VIRTUAL_H
#define LG_CATALOG_VIRTUAL_H

#include "catalog.h"

typedef struct lg_virtual_column {
    const char *name;
    lg_oid type;
} lg_virtual_column;

typedef struct lg_virtual_ctx lg_virtual_ctx;
struct lg_virtual_ctx {
    lg_cat *cat;
    lg_arena *arena; /* lives as long as the rows */
    lg_error *err;
    void *session; /* lg_env.session */
    /* Takes one row: ncolumns values and nulls (nulls NULL: none). Copies the arrays. */
    void (*emit)(lg_virtual_ctx *ctx, const lg_datum *values, const uint8_t *nulls);
};

typedef struct lg_virtual_rel {
    lg_oid oid;         /* 0: one is given (below LG_OID_FIRST_NORMAL, stable for a given order) */
    const char *schema; /* NULL: pg_catalog */
    const char *name;
    const lg_virtual_column *columns;
    uint16_t ncolumns;
    lg_status (*rows)(void *arg, lg_virtual_ctx *ctx);
    void *arg;
} lg_virtual_rel;

LG_MUST lg_status lg_catalog_virtual_register(lg_catalog *cat, const lg_virtual_rel *rel);

#endif
