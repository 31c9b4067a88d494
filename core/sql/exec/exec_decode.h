/* Rows of a sequential scan into vectors, with simple conditions tested on the way (exec_decode.c).
 */
#ifndef LG_EXEC_DECODE_H
#define LG_EXEC_DECODE_H

#include "exec_internal.h"
#include "rowcodec.h"

/* A condition on a by-value column: against a value or another such column. */
enum { LG_XT_LT, LG_XT_LE, LG_XT_EQ, LG_XT_NE, LG_XT_GE, LG_XT_GT };

typedef struct lg_xtest {
    uint8_t kind;
    bool date_bound; /* the constant is a timestamp, the column a date */
    uint16_t att;
    int32_t other;        /* column on the right; -1: constant */
    const lg_expr *value; /* of the constant */
    int64_t k;
    bool never;
} lg_xtest;

typedef struct lg_xop { /* a step of the walk over a row */
    uint8_t kind;
    uint16_t bytes; /* SKIP, FIXED */
    uint16_t att;   /* column, from 0 */
    lg_vector *vec;
} lg_xop;

#define LG_XTESTS_MAX 16

typedef struct lg_xdecode {
    lg_xnode *s;
    const lg_relation *rel;
    uint16_t upto;
    lg_vector **vecs; /* by column; NULL: not wanted */
    lg_xop *ops;
    uint32_t nops;
    uint16_t *refs; /* wanted by-reference columns */
    uint32_t nrefs;
    lg_xtest tests[LG_XTESTS_MAX];
    uint32_t ntests;
    lg_xpush probes[LG_XPUSH_MAX];
    uint32_t nprobes;
    uint8_t *at, *end; /* room for values */
    uint32_t n, cap;
    lg_vector *ctid;
    uint64_t dropped, skipped; /* by tests, by probes */
    lg_status st;
} lg_xdecode;

/* In the execution's arena. Takes conditions off s->quals. */
lg_xdecode *lg_xdecode_create(lg_xnode *s, const lg_relation *rel);
/* Columns that the scan's targets (those that are used) and its remaining quals read; true when there
 * are system columns among them. */
bool lg_xdecode_slots(const lg_xnode *s, bool *want);
/* Another condition; before the vectors are set. False: not possible any more. */
bool lg_xdecode_probe(lg_xdecode *d, const lg_xpush *p);
void lg_xdecode_want(const lg_xdecode *d, bool *want); /* columns that the conditions need */
void lg_xdecode_vectors(lg_xdecode *d, lg_vector **vecs, uint16_t upto, lg_vector *ctid,
                        uint32_t cap);
lg_status lg_xdecode_start(lg_xdecode *d);
/* A batch: begin, row by row, done. lg_xdecode_row is an lg_access_visit_fn. */
void lg_xdecode_batch(lg_xdecode *d);
bool lg_xdecode_row(void *arg, lg_tid tid, const uint8_t *row, uint32_t len);
bool lg_xdecode_full(const lg_xdecode *d);
lg_status lg_xdecode_done(lg_xdecode *d, uint32_t *ret_n);

/* ---- columns kept in memory (exec_columns.c) ---- */

typedef struct lg_xcolumns lg_xcolumns;

/* NULL: not for this scan. Takes conditions off s->quals. */
lg_xcolumns *lg_xcolumns_create(lg_xnode *s, lg_xdecode *d, const lg_access *acc);
void lg_xcolumns_want(const lg_xcolumns *c, bool *want); /* columns that the conditions need */
/* Rows of the scan into the decode's vectors, which have room for d->cap. LG_END: no more after
 * these *ret_n. *ret_sel: NULL or which rows count. */
lg_status lg_xcolumns_fetch(lg_xcolumns *c, void *scan, uint32_t *ret_n, const uint16_t **ret_sel);
/* With compute threads: chunks go to the team's members too (NULL: no longer); this one is a member's
 * copy, which takes them from the team. */
struct lg_team;
void lg_xcolumns_lead(lg_xcolumns *c, struct lg_team *t);
void lg_xcolumns_follow(lg_xcolumns *c, struct lg_team *t);
void lg_xcolumns_reset(lg_xcolumns *c); /* back to the start, or the end; NULL is fine */

/* exec_scan.c: of the rows that s (which has not begun) gives only those are needed whose keys, its
 * output columns `slots` (n of them), the filter may have. False: that is of no use here. */
bool lg_xscan_push(lg_xnode *s, const uint32_t *slots, uint32_t n, const lg_xbloom *bloom);

#endif
