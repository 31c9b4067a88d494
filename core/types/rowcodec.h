/* Rows as bytes, for the heap.
 *
 * Layout: u16 natts with the top bit set when a null bitmap follows; the bitmap (bit set = not
 * null), (natts+7)/8 bytes; then the attributes that are not null, packed without alignment:
 * by-value `size` bytes little-endian, fixed `size` bytes, varlen u32 length and bytes.
 * A stored row may have fewer attributes than the table has now (ALTER TABLE ADD COLUMN): the rest
 * read as missing, and the caller puts NULL or the column's stored default. */
#ifndef LG_TYPES_ROWCODEC_H
#define LG_TYPES_ROWCODEC_H

#include "type.h"
#include "vector.h"

/* One column's storage; prepared once per table so that decoding looks nothing up. */
typedef struct lg_rowcol {
    lg_oid type;
    uint8_t store; /* lg_store */
    uint8_t size;
    bool is_signed; /* by-value, sign-extended when loaded */
} lg_rowcol;

#define LG_ROW_MAX_COLUMNS 1600

/* Columns of user-made types: pass the OID of their storage's built-in type. Dropped columns keep
 * their type and are encoded as NULL. */
void lg_rowcol_init(lg_rowcol *c, lg_oid type);

size_t lg_row_size(const lg_rowcol *cols, uint32_t n, const lg_datum *values, const uint8_t *nulls);
/* Writes exactly lg_row_size bytes and returns that. nulls NULL: none is null. */
size_t lg_row_encode(const lg_rowcol *cols, uint32_t n, const lg_datum *values,
                     const uint8_t *nulls, uint8_t *buf);
/* Size and encode into the arena. */
void lg_row_encode_arena(const lg_rowcol *cols, uint32_t n, const lg_datum *values,
                         const uint8_t *nulls, lg_arena *a, const uint8_t **ret, size_t *ret_len);

/* How many attributes the row has. */
uint32_t lg_row_natts(const uint8_t *row, size_t len);
/* Decodes columns 0..upto-1; by-reference datums point into `row`, which must stay put (copy them
 * with lg_datum_copy to keep them longer). ret_natts (may be NULL): how many of them were stored;
 * from there on nulls are set. LG_CORRUPT when the bytes make no sense. */
LG_MUST lg_status lg_row_decode(const lg_rowcol *cols, uint32_t upto, const uint8_t *row,
                                size_t len, lg_datum *ret_values, uint8_t *ret_nulls,
                                uint32_t *ret_natts);
/* The same into row number `at` of one vector per column; vecs[i] NULL: column i not wanted. */
LG_MUST lg_status lg_row_decode_vectors(const lg_rowcol *cols, uint32_t upto, const uint8_t *row,
                                        size_t len, lg_vector *const *vecs, uint32_t at,
                                        uint32_t *ret_natts);

#endif
