/* Columns: parts of tables kept decoded in memory, for queries that read much.
 *
 * A chunk is what LG_CHUNK_BLOCKS neighbouring blocks of a heap segment hold, column by column, in
 * the order of the rows. Columns are made when a scan first wants them. By-value columns lie as
 * offsets from their least value in 0, 1, 2, 4 or 8 bytes; others as codes of 1 or 2 bytes into the
 * chunk's distinct values, which are datums where they lie, and for numerics also integers
 * (numeric_scaled.h). So a filter looks at a few bytes a row, at each distinct value once, and at
 * no row where least and greatest value say enough.
 *
 * TRUTH stays in the blocks: a chunk says of which blocks in which versions it was made, and from
 * which snapshot on these versions look the same to all (`since`). Who uses it asks the access
 * method first whether the blocks are here, readable and unchanged; a block that was changed,
 * evicted or taken by another instance makes the chunk worthless to him. Nothing is ever changed
 * in place: a published column stays as it is, columns that were missing are added.
 *
 * MEMORY is bounded (max_bytes). Chunks leave when they have not been used for some scans; while
 * none has, new ones are not kept: a table larger than the bound is kept in part instead of being
 * pushed out by its own scan. A chunk whose blocks keep changing is not made again and again.
 *
 * One instance's worker uses it; nothing here blocks. Chunks are counted references. */
#ifndef LG_COLUMNS_COLUMNS_H
#define LG_COLUMNS_COLUMNS_H

#include "list.h"
#include "rowcodec.h"

#define LG_CHUNK_BLOCKS 64u

typedef enum lg_chunk_kind { LG_CHUNK_NONE, LG_CHUNK_INT, LG_CHUNK_DICT } lg_chunk_kind;

typedef struct lg_chunk_col {
    uint8_t kind;  /* lg_chunk_kind; NONE: not kept */
    uint8_t width; /* bytes a row: INT 0 (all rows are min), 1, 2, 4, 8; DICT 1, 2 */
    int8_t num_scale;
    void *rows;       /* INT: datum - min; DICT: position in values. NULL rows: 0 */
    uint8_t *null;    /* 1: NULL; NULL: none is */
    int64_t min, max; /* INT: of the rows that are not NULL; min > max: all are */
    uint32_t nvalues;
    uint32_t *value_at; /* DICT: where in bytes */
    uint8_t *bytes;
    int64_t *num; /* DICT of numerics that all have num_scale: the values; else NULL */
} lg_chunk_col;

typedef struct lg_chunk_block {
    uint32_t block;
    uint64_t version;
} lg_chunk_block;

typedef struct lg_chunk {
    uint64_t key;
    uint32_t end; /* of the range of blocks that it was made of */
    uint32_t nblocks, nrows;
    lg_chunk_block blocks[LG_CHUNK_BLOCKS];
    uint64_t since; /* SCN */
    uint16_t ncols;
    lg_chunk_col *cols;
    /* the cache's */
    lg_list lru;
    uint32_t refs;
    uint64_t used; /* scan number */
    size_t bytes;
    struct lg_columns *in; /* NULL: not kept */
} lg_chunk;

static inline lg_datum
lg_chunk_value(const lg_chunk_col *c, uint32_t code)
{
    return lg_datum_ptr(c->bytes + c->value_at[code]);
}

/* ---- the cache ---- */

typedef struct lg_columns lg_columns;

lg_columns *lg_columns_create(size_t max_bytes);
void lg_columns_destroy(lg_columns *c); /* NULL is fine; no chunk may be referred to */
void lg_columns_scan_begin(lg_columns *c);
/* A reference to the chunk that begins at this block; NULL: none is kept. */
lg_chunk *lg_columns_get(lg_columns *c, uint32_t file, uint32_t first);
/* What a user says of the chunk it got: it could be used or not. */
void lg_columns_hit(lg_columns *c, lg_chunk *k);
void lg_columns_stale(lg_columns *c, lg_chunk *k); /* no longer kept; the reference stays */
/* Is there room, and has making this chunk paid off so far? */
bool lg_columns_worth(lg_columns *c, uint32_t file, uint32_t first);
/* Keeps a new chunk (whose reference stays the caller's) in place of one that is there. */
void lg_columns_add(lg_columns *c, uint32_t file, uint32_t first, lg_chunk *k);
/* A chunk was made that nobody can keep. */
void lg_columns_wasted(lg_columns *c, uint32_t file, uint32_t first);
/* More columns of the same blocks in the same versions: moves them from `from` to k. */
void lg_columns_merge(lg_chunk *k, lg_chunk *from);
void lg_chunk_put(lg_chunk *k); /* lets the reference go; NULL is fine */
size_t lg_columns_bytes(const lg_columns *c);

typedef struct lg_columns_info {
    size_t bytes, max_bytes;
    uint64_t chunks, scans; /* kept now; scans begun */
    /* since the start: chunks used by a scan, found worthless, kept anew, pushed out, not kept for
     * want of room, and makings that nobody could keep */
    uint64_t hits, stale, added, evicted, refused, wasted;
} lg_columns_info;
void lg_columns_info_get(const lg_columns *c, lg_columns_info *ret);
/* What is kept of each file: fn for some chunk of it after the other. */
void lg_columns_visit(const lg_columns *c, void (*fn)(void *arg, uint32_t file, const lg_chunk *k),
                      void *arg);

/* ---- making a chunk ---- */

typedef struct lg_chunk_build lg_chunk_build;

/* want[i]: make column i (of n). cols must outlive it. */
lg_chunk_build *lg_chunk_build_begin(const lg_rowcol *cols, uint16_t n, const bool *want);
/* False: this row cannot be in a chunk (it was stored before a column was added; too many rows;
 * corrupt): nothing can. */
bool lg_chunk_build_row(lg_chunk_build *b, const uint8_t *row, uint32_t len);
/* The chunk, with a reference and in no cache. Frees the build. */
lg_chunk *lg_chunk_build_end(lg_chunk_build *b);
void lg_chunk_build_drop(lg_chunk_build *b);

#endif
