/* PostgreSQL's system views and information_schema: their own definitions (sysview.def), bound like
 * any view over the catalog tables. */
#include "syscat.h"

static const struct {
    lg_oid oid, nsp;
    const char *name, *columns, *sql;
} views[] = {
#define LG_SYSVIEW(oid, nsp, name, columns, sql) {oid, nsp, name, columns, sql},
#include "sysview.def"
#undef LG_SYSVIEW
};

lg_status
lg_syscat_views_register(lg_catalog *cat)
{
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        LG_TRY(lg_catalog_view_register(cat, views[i].oid, views[i].nsp, views[i].name,
                                        views[i].columns, views[i].sql));
    return LG_OK;
}
