/* Syscat: what SQL sees of the catalog beside its tables: functions that read the catalog or the
 * session (nextval, pg_get_indexdef, regclassin, has_table_privilege, ...) and PostgreSQL's system views.
 *
 * Both are registered once, when an instance (or a test) sets up, and belong to who they are given to.
 * Functions find the session by lg_env.session (lg_exec_session), may read the catalog and so block;
 * an error is in the call's lg_error. */
#ifndef LG_SQL_SYSCAT_H
#define LG_SQL_SYSCAT_H

#include "eval.h"

/* Puts the implementations into the instance's table. */
void lg_syscat_functions_register(lg_fntable *t);
/* The built-in views (pg_tables, pg_indexes, pg_roles, pg_settings' neighbours, information_schema).
 * Call once per catalog, before lg_catalog_bootstrap. */
LG_MUST lg_status lg_syscat_views_register(lg_catalog *cat);

/* "column a of table t": an object of the catalog in words; *ret_text NULL: it is gone. LG_UNSUPPORTED:
 * no class of objects that is described (syscat_describe.c). */
LG_MUST lg_status lg_syscat_describe(lg_exec_session *es, lg_arena *a, lg_oid cls, lg_oid obj,
                                     int32_t sub, const char **ret_text);

#endif
