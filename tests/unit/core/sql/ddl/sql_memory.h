/* Tables and indexes in memory behind lg_access, for tests of everything above storage: one
 * session, no rollback, no concurrency. And a runner of SQL texts over them. */
#ifndef LG_SQL_MEMORY_H
#define LG_SQL_MEMORY_H

#include "ddl.h"
#include "fault.h"
#include "temp.h"

typedef struct sqlm sqlm;

/* Runs fn in a fiber of a real worker with a bootstrapped catalog. */
void sqlm_with(void (*fn)(sqlm *m));
/* Runs the statements; the result as psql -At would print it: rows, tags, "ERROR:  state message".
 * Lives until the next call. */
const char *sqlm_run(sqlm *m, const char *sql);
lg_cat *sqlm_cat(sqlm *m);
/* From now on statements have so many bytes of memory and temporary files beyond. */
lg_temp_owner *sqlm_spill(sqlm *m, size_t work_mem);
lg_faults *sqlm_faults(sqlm *m);
/* The statement is canceled after so long; *ret_after_ms: how much later it ended. */
const char *sqlm_run_canceled(sqlm *m, const char *sql, uint64_t after_ms, uint64_t *ret_after_ms);

#endif
