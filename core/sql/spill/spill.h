/* Rows that an execution keeps: in memory, and beyond its share on temporary files (storage/temp).
 *
 * BUDGET   A node that keeps rows may have work_mem bytes of them, a hash table work_mem *
 *          hash_mem_multiplier; lg_xbudget_x say how many that is, SIZE_MAX when there is nowhere to
 *          spill to. Above it the node goes on by the temporary file:
 *            sort           sorted runs, merged k ways (spill_sort.c)
 *            hash join, groups, INTERSECT and EXCEPT
 *                           partitions by hash, each done by itself later (lg_xparts)
 *            kept rows      the oldest go out, the rest stays (lg_xstore, spill_store.c)
 *            DISTINCT and ORDER BY in aggregates
 *                           sorted runs by group (lg_xkept, exec_kept.c)
 *            hashed subqueries, rows that a recursion has seen
 *                           runs sorted by hash (lg_xset, spill_set.c)
 * TAPE     A sequence of rows in chunks of up to LG_BATCH rows or some bytes. On the file a chunk is
 *          columnar, as a batch is: per column the null bytes, then the values (integers of 4
 *          bytes where all fit); a value of variable length is used where it lies in the chunk.
 *
 *   lg_xtape_add ... -> lg_xtape_finish -> lg_xtape_read (any number of cursors)
 *
 *          Reading before finish is fine too: it flushes the chunk being gathered.
 * CURSOR   Where one reader is in a tape, with the chunk it has read: what it gives lives until its
 *          next call. A cursor may outlive its tape.
 * CLEANUP  A tape is closed by its node; whatever an error leaves goes with lg_exec_close, and the
 *          session's lg_temp_owner has the last word.
 * BLOCKS   Whatever writes or reads a file; nothing is shared between fibers. Errors: of files as
 *          lg_xtemp_error says them, 53200 when a statement keeps too much; in es->err with LG_SQL. */
#ifndef LG_SQL_SPILL_H
#define LG_SQL_SPILL_H

#include "array.h"
#include "assert.h"
#include "eval.h"
#include "mem.h"
#include "temp.h"

typedef struct lg_xbatch {
    lg_batch b;
    uint32_t cap;               /* rows the vectors have room for: beyond every row number */
    lg_vector *sys[LG_SYSCOLS]; /* system columns of a relation scan; NULL: none */
} lg_xbatch;

/* With vectors of its own (cap rows). */
void lg_xbatch_init(lg_xbatch *b, lg_arena *a, uint32_t ncols, const lg_oid *types, uint32_t cap);
static inline uint32_t
lg_xbatch_row(const lg_xbatch *b, uint32_t i)
{
    return lg_sel_row(b->b.sel, i);
}

/* A node keeps `now` bytes (*mine: what it said last). A statement that keeps too much ends with
 * 53200 rather than take the instance down with it. */
lg_status lg_xmemory(lg_exec *x, size_t *mine, size_t now);

/* ---- rows kept in an arena: ncols datums, then ncols null bytes ---- */

static inline uint8_t *
lg_xrow_nulls(const lg_datum *row, uint32_t ncols)
{
    return (uint8_t *)(uintptr_t)(row + ncols);
}

static inline lg_datum *
lg_xrow_new(lg_arena *a, uint32_t ncols)
{
    return (lg_datum *)lg_arena_alloc(a, ncols * (sizeof(lg_datum) + 1) + 1);
}

/* Copies row `at` of the batch (values too) into the arena. */
lg_datum *lg_xrow_copy(lg_arena *a, lg_vector *const *cols, uint32_t ncols, uint32_t at);

/* Rows in order (spill_store.c). One made by lg_xstore_init stays in memory and its rows are
 * rows[0..n); one made by lg_xstore_init_spill is read by cursor. */
typedef struct lg_xstore {
    lg_arena *arena; /* the slab's */
    uint32_t ncols;
    uint64_t n;
    uint64_t cap;
    lg_datum **rows; /* [out, n) */
    size_t bytes;    /* as told to lg_xmemory */
    size_t peak;
    /* of one that may go out to a temporary file */
    lg_exec *x;
    const lg_oid *types;
    size_t budget;
    uint64_t out;  /* rows on the tape */
    uint64_t held; /* while they are driven out: rows in memory */
    uint64_t run;  /* how often it was reset */
    struct lg_xtape *tape;
    struct lg_xslab *slab;
} lg_xstore;

struct lg_xcursor;

void lg_xslab_unref(struct lg_xslab *s); /* NULL is fine */
void lg_xstore_init(lg_xstore *t, uint32_t ncols);
void lg_xstore_add(lg_xstore *t, lg_datum *row); /* row is in t->arena */
void lg_xstore_add_batch(lg_xstore *t, const lg_xbatch *b);
void lg_xstore_reset(lg_xstore *t);
void lg_xstore_fini(lg_xstore *t);
/* Rows from the cursor's position on into a batch with vectors of its own; LG_END. They live until
 * the cursor's next call. */
lg_status lg_xstore_fill(lg_xstore *t, struct lg_xcursor *c, lg_xbatch *b);

/* ---- hash table of kept rows by some columns ---- */

typedef struct lg_xhash_entry {
    struct lg_xhash_entry *next;
    uint64_t hash;
    lg_datum *row;
    void *extra;
} lg_xhash_entry;

typedef struct lg_xhash {
    lg_arena *arena;
    lg_xhash_entry **buckets;
    uint64_t nbuckets, n;
} lg_xhash;

void lg_xhash_init(lg_xhash *h, lg_arena *a);
lg_xhash_entry *lg_xhash_add(lg_xhash *h, uint64_t hash, lg_datum *row);
static inline lg_xhash_entry *
lg_xhash_first(const lg_xhash *h, uint64_t hash)
{
    return h->nbuckets ? h->buckets[hash & (h->nbuckets - 1)] : NULL;
}

/* ---- order of kept rows ---- */

typedef struct lg_xsort_key {
    uint32_t slot;
    lg_compare_fn cmp;
    bool desc, nulls_first;
} lg_xsort_key;

int lg_xsort_compare(const lg_xsort_key *keys, uint32_t nkeys, const lg_datum *a, const lg_datum *b,
                     uint32_t ncols);
/* In place, stable; stops when the statement is canceled. */
lg_status lg_xsort_rows(lg_exec *x, const lg_xsort_key *keys, uint32_t nkeys, lg_datum **rows,
                        uint64_t n, uint32_t ncols);

/* ---- what a node may keep ---- */

size_t lg_xbudget_sort(const lg_exec *x);
size_t lg_xbudget_hash(const lg_exec *x);
/* The error of a temporary file in PostgreSQL's words. */
lg_status lg_xtemp_error(lg_exec *x, lg_status st, const char *what);

/* ---- tapes ---- */

typedef struct lg_xcolbuf {
    lg_oid type;
    uint8_t store, size; /* as of lg_type */
    bool has_null, wide; /* wide: 8 bytes a value */
    uint8_t *nulls;
    char *data; /* values one behind the other; BYVAL: 8 bytes each */
    size_t len, cap;
} lg_xcolbuf;

typedef struct lg_xtape_chunk {
    uint64_t offset, row; /* of its first byte and row */
} lg_xtape_chunk;

typedef struct lg_xtape {
    lg_exec *x;
    lg_temp_file *file;
    uint64_t id; /* of the file: cursors see that it is another one */
    uint32_t ncols;
    lg_xcolbuf *cols;
    uint32_t gathered; /* rows of the chunk being gathered */
    size_t bytes;      /* of them */
    uint32_t chunk_bytes;
    uint64_t rows; /* all */
    lg_xtape_chunk *dir;
    uint64_t ndir, dir_cap;
    bool finished;
} lg_xtape;

void lg_xtape_init(lg_xtape *t, lg_exec *x, uint32_t ncols, const lg_oid *types,
                   uint32_t chunk_bytes);
LG_MUST lg_status lg_xtape_add(lg_xtape *t, lg_vector *const *cols, uint32_t at);
LG_MUST lg_status lg_xtape_add_row(lg_xtape *t, const lg_datum *row); /* lg_xrow */
LG_MUST lg_status lg_xtape_add_values(lg_xtape *t, const lg_datum *v, const uint8_t *nulls);
LG_MUST lg_status lg_xtape_flush(lg_xtape *t);  /* what was gathered becomes a chunk */
LG_MUST lg_status lg_xtape_finish(lg_xtape *t); /* and memory is given back; no more rows */
void lg_xtape_fini(lg_xtape *t); /* of a zeroed one too; may be used again after init */
uint64_t lg_xtape_bytes(const lg_xtape *t);

typedef struct lg_xchunk {
    uint32_t n;
    uint64_t first; /* row number */
    lg_vector *vecs;
    lg_vector **cols;
    lg_datum **rows; /* when asked for */
} lg_xchunk;

typedef struct lg_xcursor {
    uint64_t pos; /* next row */
    lg_temp_reader *reader;
    uint64_t tape; /* id of what the reader is open on */
    lg_arena *arena;
    lg_xchunk chunk;
    struct lg_xslab *slab; /* rows in memory that were given out */
} lg_xcursor;

/* The chunk that row `pos` is in, whole; LG_END. by_rows: as rows too. */
LG_MUST lg_status lg_xtape_read(lg_xtape *t, lg_xcursor *c, uint64_t pos, bool by_rows);
/* The next chunk as a batch; the cursor's position is at the beginning of one. LG_END. */
LG_MUST lg_status lg_xtape_batch(lg_xtape *t, lg_xcursor *c, lg_xbatch *b);
void lg_xcursor_fini(lg_xcursor *c); /* of a zeroed one too; may be used again */

/* ---- partitions by hash ---- */

#define LG_XPARTS_MAX   64u
#define LG_XPARTS_DEPTH 6u /* levels of partitions within partitions */

/* Tapes by some bits of a hash: `shift` bits were used up by the levels above. */
typedef struct lg_xparts {
    uint32_t n, bits, shift;
    lg_xtape *tapes;
} lg_xparts;

/* How many partitions for `bytes` (expected) of rows with a budget. A power of two. */
uint32_t lg_xparts_number(size_t budget, double bytes);
void lg_xparts_init(lg_xparts *p, lg_exec *x, uint32_t n, uint32_t shift, uint32_t ncols,
                    const lg_oid *types, size_t budget);
static inline uint32_t
lg_xparts_of(const lg_xparts *p, uint64_t hash)
{
    /* The low bits choose buckets: mixed anew, so that a partition fills all of them. */
    uint64_t h = (hash ^ hash >> 29) * 0xBF58476D1CE4E5B9u;
    return (uint32_t)(h >> (64 - p->shift - p->bits)) & (p->n - 1);
}
LG_MUST lg_status lg_xparts_finish(lg_xparts *p);
void lg_xparts_fini(lg_xparts *p);
uint64_t lg_xparts_bytes(const lg_xparts *p);

/* ---- sorted rows (spill_sort.c) ---- */

typedef struct lg_xextsort lg_xextsort;

LG_MUST lg_status lg_xextsort_create(lg_exec *x, uint32_t ncols, const lg_oid *types,
                                     const lg_xsort_key *keys, uint32_t nkeys, size_t budget,
                                     lg_xextsort **ret);
/* One sorted run. Runs come in the order of the input: equal rows keep it. */
LG_MUST lg_status lg_xextsort_run(lg_xextsort *e, lg_datum *const *rows, uint64_t n);
/* The same row by row. */
LG_MUST lg_status lg_xextsort_add(lg_xextsort *e, const lg_datum *row);
LG_MUST lg_status lg_xextsort_end_run(lg_xextsort *e);
/* Merges until one merge gives everything; may be called again to read from the start. */
LG_MUST lg_status lg_xextsort_start(lg_xextsort *e);
/* Up to `cap` rows; they live until the next call. LG_END. */
LG_MUST lg_status lg_xextsort_next(lg_xextsort *e, lg_datum **rows, uint32_t cap, uint32_t *ret_n);
uint64_t lg_xextsort_disk_bytes(const lg_xextsort *e);
void lg_xextsort_destroy(lg_xextsort *e); /* NULL is fine */

/* ---- sets of rows (spill_set.c) ---- */

typedef struct lg_xset lg_xset;

/* LG_UNSUPPORTED: a type has no hash function. */
LG_MUST lg_status lg_xset_create(lg_exec *x, uint32_t ncols, const lg_oid *types, size_t budget,
                                 lg_xset **ret);
uint64_t lg_xset_hash(const lg_xset *s, const lg_datum *v, const uint8_t *nulls);
LG_MUST lg_status lg_xset_has(lg_xset *s, const lg_datum *v, const uint8_t *nulls, uint64_t hash,
                              bool *ret);
/* A copy; also of a row that is there already. */
LG_MUST lg_status lg_xset_add(lg_xset *s, const lg_datum *v, const uint8_t *nulls, uint64_t hash);
LG_MUST lg_status lg_xset_settle(lg_xset *s); /* no more are added: look-ups get cheaper */
uint64_t lg_xset_count(const lg_xset *s);
bool lg_xset_on_disk(const lg_xset *s); /* look-ups in the order of hashes are cheaper then */
void lg_xset_clear(lg_xset *s);
void lg_xset_fini(lg_xset *s); /* NULL is fine */

/* ---- kept rows (lg_xstore) that may go out ---- */

/* budget SIZE_MAX: they stay in memory. */
void lg_xstore_init_spill(lg_xstore *t, lg_exec *x, uint32_t ncols, const lg_oid *types,
                          size_t budget);
/* After lg_xstore_add: is it over the budget? The puts do it themselves. */
LG_MUST lg_status lg_xstore_weigh(lg_xstore *t);
LG_MUST lg_status lg_xstore_put(lg_xstore *t, lg_vector *const *cols, uint32_t at);
LG_MUST lg_status lg_xstore_put_batch(lg_xstore *t, const lg_xbatch *b);
/* Row i; lives until the cursor's next call. */
LG_MUST lg_status lg_xstore_row(lg_xstore *t, lg_xcursor *c, uint64_t i, const lg_datum **ret);
uint64_t lg_xstore_disk_bytes(const lg_xstore *t);

/* ---- kept rows: of cursors that scroll or outlive their transaction ---- */

/* In memory up to work_mem, then in a temporary file of the session. */
typedef struct lg_exec_kept lg_exec_kept;

LG_MUST lg_status lg_exec_kept_create(lg_exec_session *es, uint32_t ncols, const lg_outcol *cols,
                                      lg_exec_kept **ret_kept);
LG_MUST lg_status lg_exec_kept_add(lg_exec_kept *k, const lg_batch *b);
LG_MUST lg_status lg_exec_kept_finish(lg_exec_kept *k); /* no more rows */
uint64_t lg_exec_kept_count(const lg_exec_kept *k);
/* Row i from 0; its values live until the next call. */
LG_MUST lg_status lg_exec_kept_row(lg_exec_kept *k, uint64_t i, const lg_datum **ret_values,
                                   const uint8_t **ret_nulls);
/* Between fetches: gives back what reading takes. After it, close does not block. */
void lg_exec_kept_rest(lg_exec_kept *k);
void lg_exec_kept_close(lg_exec_kept *k); /* NULL is fine */

#endif
