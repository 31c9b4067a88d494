/* Checks that come after the row: foreign keys and deferrable unique constraints.
 *
 * MODEL
 * Writing a row (rows_table.c) asks at once what can be answered at once. What cannot, since the
 * rest of the statement or transaction may still set it right, becomes an event in the session's
 * queue (es->checks):
 *   REFERENCE  a row refers to a key that is not there (or its constraint is deferred)
 *   REFERRERS  a key that rows refer to is gone or changed: refuse, or do what the constraint says
 *   UNIQUE     a deferrable key that another entry of the index has, too
 * An event names its row by id, which a row keeps for life, and looks at what the row is when it is
 * run: a row that is gone has nothing to check.
 *
 *   statement end     its events that are not deferred are run, in order, also those that running
 *                     them adds (a cascade's); then they are forgotten
 *   SET CONSTRAINTS   ... IMMEDIATE: the pending events of those constraints are run and marked
 *   COMMIT            all that are left
 *   savepoint         a mark; rolling back forgets what was added since, and makes pending again
 *                     what was run since (`clock`)
 *
 * Two transactions: who adds a referring row locks the key's row FOR KEY SHARE (when it is run, if
 * deferred); who takes a key away holds its row, so nobody can begin to refer to it meanwhile. Of
 * two that insert one deferrable key the second finds the first's entry, and waits for it. */
#ifndef LG_ROWS_INTERNAL_H
#define LG_ROWS_INTERNAL_H

#include "array.h"
#include "map.h"
#include "mem.h"
#include "rows.h"
#include "strbuf.h"
#include "txn.h"
#include <stdio.h>

typedef enum lg_xcheck_kind {
    LG_XCHECK_REFERENCE = 1,
    LG_XCHECK_REFERRERS,
    LG_XCHECK_UNIQUE
} lg_xcheck_kind;

typedef struct lg_xcheck_event {
    lg_xcheck_kind kind;
    lg_oid table;      /* whose row it is */
    lg_oid constraint; /* UNIQUE: of the index */
    lg_oid object;     /* UNIQUE: the index; REFERRERS: the table that refers */
    lg_tid tid;
    bool deferrable, deferred;
    uint64_t done; /* the clock when it was run; 0: pending */
    /* REFERRERS: the key as it was, in the order of the constraint's columns; now NULL: deleted */
    const lg_datum *old, *now;
    const uint8_t *now_nulls;
} lg_xcheck_event;

/* The run of events: tables stay open over it. */
typedef struct lg_xcheck_run lg_xcheck_run;
LG_MUST lg_status lg_xcheck_target(lg_xcheck_run *r, lg_oid table, lg_lockmode mode,
                                   lg_xtarget **ret);
lg_arena *lg_xcheck_arena(lg_xcheck_run *r); /* of the event */

/* The constraint waits for COMMIT at present. */
bool lg_xcheck_deferred(const lg_exec_session *es, lg_oid constraint, bool deferrable,
                        bool initially);
void lg_xcheck_add(lg_exec_session *es, const lg_xcheck_event *e);
/* For events: what must live as long. */
lg_arena *lg_xcheck_keep(lg_exec_session *es);

/* ---- foreign keys (rows_fk.c) ---- */

/* After a row was written: old NULL: inserted. */
LG_MUST lg_status lg_xfk_written(lg_xtarget *t, lg_arena *a, lg_tid tid, const lg_datum *old,
                                 const uint8_t *old_nulls, const lg_datum *values,
                                 const uint8_t *nulls);
/* After a row was deleted, or updated to values. */
LG_MUST lg_status lg_xfk_gone(lg_xtarget *t, lg_arena *a, const lg_datum *old,
                              const uint8_t *old_nulls, const lg_datum *values,
                              const uint8_t *nulls);
LG_MUST lg_status lg_xfk_run(lg_xcheck_run *r, const lg_xcheck_event *e);

/* ---- texts of errors (rows_table.c) ---- */
const char *lg_xvalue_text(lg_exec_session *es, lg_arena *a, lg_oid type, lg_datum v, bool null);
/* Another live row has the key of row tid in a deferrable index: 23505. The row may be gone. */
LG_MUST lg_status lg_xtarget_recheck_unique(lg_xtarget *t, lg_arena *a, lg_oid index, lg_tid tid);

#endif
