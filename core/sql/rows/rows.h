/* Stored rows: what writing one asks for beside the row, for MODIFY (core/sql/exec), COPY and DDL.
 *
 * A table that rows are put into is an lg_xtarget of an execution (eval.h): generated columns, NOT
 * NULL and CHECK, index entries, foreign keys. Many rows go in by lg_xinsert; all rows of a table into
 * a new index by lg_xindex_build. lg_exec_close ends what was made with an execution.
 *
 * What cannot be answered while the row is written (foreign keys, deferrable constraints) waits in
 * the session's queue: a statement stands between lg_xcheck_mark and lg_xcheck_statement, which runs
 * what it left; lg_exec_checks_commit runs the rest (the model is in rows_internal.h).
 *
 * One session at a time, its fiber; rows and entries are locked and latched by storage. Everything may
 * block; errors are in es->err with LG_SQL, or a bare status. */
#ifndef LG_SQL_ROWS_H
#define LG_SQL_ROWS_H

#include "eval.h"

/* ---- checks that wait (rows_internal.h) ---- */

typedef struct lg_exec_checks_marks {
    uint32_t events, modes;
    uint64_t clock;
} lg_exec_checks_marks;

/* A savepoint; and after storage rolled back to it. */
void lg_exec_checks_mark(lg_exec_session *es, lg_exec_checks_marks *ret);
void lg_exec_checks_rollback_to(lg_exec_session *es, lg_exec_checks_marks m);
/* Before a commit: an error rolls the transaction back. */
LG_MUST lg_status lg_exec_checks_commit(lg_exec_session *es);
/* After either outcome. */
void lg_exec_checks_end(lg_exec_session *es);
/* Lets go what is kept for a session. */
void lg_exec_checks_fini(lg_exec_session *es);

/* Before a statement, and after it: runs what it left that is not deferred. */
uint32_t lg_xcheck_mark(const lg_exec_session *es);
LG_MUST lg_status lg_xcheck_statement(lg_exec_session *es, uint32_t from);
/* SET CONSTRAINTS; noid: ALL. */
LG_MUST lg_status lg_xcheck_set(lg_exec_session *es, uint32_t noid, const lg_oid *oids,
                                bool deferred);
/* Are events of the table pending (55006 for DDL)? */
bool lg_xcheck_pending(const lg_exec_session *es, lg_oid table);

/* The error is about this constraint. */
void lg_xconstraint_name(lg_exec_session *es, const lg_relation *rel, const char *constraint);

/* ---- stored rows (rows_table.c), used by MODIFY, COPY, DDL ---- */

typedef struct lg_xtarget {
    lg_exec *x;
    const lg_plan_target *t;
    lg_relation *rel;
    const lg_access *acc;
    lg_vector *vecs; /* one row as vectors, for expressions */
    lg_vector **cols;
    uint32_t nvecs;
} lg_xtarget;

lg_status lg_xtarget_open(lg_exec *x, const lg_plan_target *t, uint32_t extra_cols,
                          lg_xtarget *ret);
/* The row as in "Failing row contains (...)". */
const char *lg_xtarget_row_text(lg_xtarget *t, lg_arena *a, const lg_datum *values,
                                const uint8_t *nulls);
/* The new row (rel->ncols values) through generated columns, NOT NULL, CHECK; may change values. */
lg_status lg_xtarget_check(lg_xtarget *t, lg_arena *a, lg_datum *values, uint8_t *nulls);
/* Row and index entries. on_conflict: LG_EXISTS and *ret_conflict (row locked by nobody) instead of
 * 23505 when one of the arbiters (n 0: any unique index) has it; nothing is inserted then. */
lg_status lg_xtarget_insert(lg_xtarget *t, lg_arena *a, const lg_datum *values,
                            const uint8_t *nulls, bool on_conflict, uint32_t narbiters,
                            const lg_oid *arbiters, lg_tid *ret_tid, lg_tid *ret_conflict);
/* LG_UPDATED / LG_DELETED from below. snap NULL: over the newest version, which is `old`. */
lg_status lg_xtarget_update(lg_xtarget *t, lg_arena *a, const struct lg_snapshot *snap, lg_tid tid,
                            const lg_datum *old, const uint8_t *old_nulls, const lg_datum *values,
                            const uint8_t *nulls);
lg_status lg_xtarget_delete(lg_xtarget *t, lg_arena *a, const struct lg_snapshot *snap, lg_tid tid,
                            const lg_datum *old, const uint8_t *old_nulls);
/* A foreign key of a row points at something (ALTER TABLE ADD FOREIGN KEY). */
lg_status lg_xtarget_references(lg_xtarget *t, lg_arena *a, const lg_constraint *k,
                                const lg_datum *values, const uint8_t *nulls);
/* Entries of one index for a row that is stored already (CREATE INDEX). */
lg_status lg_xtarget_index_row(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi,
                               const lg_datum *values, const uint8_t *nulls, lg_tid tid);
lg_status lg_xtarget_index_live(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi, lg_tid tid);
/* Its key only, in a; LG_NOT_FOUND: the index has no entry for such a row. */
lg_status lg_xtarget_index_key(lg_xtarget *t, lg_arena *a, const lg_plan_index *pi,
                               const lg_datum *values, const uint8_t *nulls,
                               const uint8_t **ret_key, size_t *ret_len, bool *ret_unique);

/* Many rows, gathered and put in together (rows_insert.c). Values of rows added must stay until the
 * flush: in the arena offered here, or longer. number: the caller's, of the row; at an error
 * *ret_number is that of the row it is about (0: of none). add flushes when enough is gathered. */
typedef struct lg_xinsert lg_xinsert;
lg_xinsert *lg_xinsert_open(lg_xtarget *t, uint32_t max_rows);
lg_arena *lg_xinsert_arena(lg_xinsert *in); /* reset by each flush */
lg_status lg_xinsert_add(lg_xinsert *in, const lg_datum *values, const uint8_t *nulls,
                         uint64_t number, uint64_t *ret_number);
lg_status lg_xinsert_flush(lg_xinsert *in, uint64_t *ret_number);
void lg_xinsert_close(lg_xinsert *in); /* NULL is fine; what is gathered is dropped */

lg_status lg_xrow_decode(const lg_relation *rel, const uint8_t *row, size_t len, lg_datum *values,
                         uint8_t *nulls);

/* Entries for all rows of the table in a new index of it (rows_index.c). */
lg_status lg_xindex_build(lg_exec_session *es, lg_arena *arena, lg_relation *rel, lg_xtarget *t,
                          const lg_plan_index *pi);

/* ---- progress of utilities (lg_progress) ---- */

enum {
    LG_COPY_BYTES,
    LG_COPY_BYTES_TOTAL,
    LG_COPY_TUPLES,
    LG_COPY_EXCLUDED,
    LG_COPY_COMMAND, /* 1 FROM, 2 TO */
    LG_COPY_TYPE,    /* 3: the client */
};

enum {
    LG_INDEX_COMMAND, /* 1 CREATE INDEX */
    LG_INDEX_OID = 6,
    LG_INDEX_AM = 8,
    LG_INDEX_PHASE,    /* 2: building */
    LG_INDEX_SUBPHASE, /* 2 scanning, 3 sorting, 5 loading */
    LG_INDEX_TUPLES_TOTAL,
    LG_INDEX_TUPLES,
    LG_INDEX_BLOCKS_TOTAL = 15,
    LG_INDEX_BLOCKS,
};

enum {
    LG_ANALYZE_PHASE, /* 1 acquiring rows, 3 computing statistics */
    LG_ANALYZE_BLOCKS_TOTAL,
    LG_ANALYZE_BLOCKS,
};

void lg_xprogress_begin(lg_exec_session *es, const char *command, lg_oid relid);
void lg_xprogress_set(lg_exec_session *es, uint32_t param, int64_t value);
void lg_xprogress_end(lg_exec_session *es);

#endif
