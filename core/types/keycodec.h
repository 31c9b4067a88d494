/* Keys normalized for memcmp: the B-tree needs no type system.
 *
 * Each column is a marker byte (NULLS LAST: 1 value, 2 NULL; NULLS FIRST: 0 NULL, 1 value) and an
 * order-preserving encoding of the value, which for DESC is inverted byte by byte. Encodings are
 * prefix-free, so concatenation compares column by column, and equal values (by the type's btree
 * equality) have equal encodings. Text order is that of the bytes (collation "C"), or of an ICU
 * collation: ICU's sort key, then the text, which tells apart what ICU takes for equal.
 *
 * Range scans: encode the first k columns as a prefix P. Rows with exactly these values lie in
 * [P, P 0xFF): every further column begins with a marker below 0xFF. A row id appended after the
 * last column makes keys unique without disturbing order. */
#ifndef LG_TYPES_KEYCODEC_H
#define LG_TYPES_KEYCODEC_H

#include "type.h"

typedef struct lg_keycol {
    lg_oid type;
    bool desc;
    bool nulls_first;                   /* PostgreSQL's default: the same as desc */
    lg_oid collation;                   /* of a text whose order is ICU's; else 0 */
    const struct lg_collator *collator; /* collate.h; with the collation */
} lg_keycol;

/* Is there a key encoding (a btree order) for the type? */
bool lg_key_supported(lg_oid type);
/* Can lg_key_decode give back the very value (index-only scans)? */
bool lg_key_lossless(lg_oid type);
/* The order of two values of the column, ascending; the type must have one (lg_key_supported). */
int lg_key_compare(const lg_keycol *col, lg_datum a, lg_datum b);

/* Encodes n columns into buf of cap bytes. Returns the bytes needed: a result > cap means that
 * nothing useful was written; call again with more. ret_has_null (may be NULL): any column NULL
 * (unique indexes do not compare those). */
size_t lg_key_encode(const lg_keycol *cols, uint32_t n, const lg_datum *values,
                     const uint8_t *nulls, uint8_t *buf, size_t cap, bool *ret_has_null);
/* Decodes the first n columns; by-reference values are made in the arena. ret_used (may be NULL):
 * bytes consumed. A column whose type is not lossless is skipped: its datum is 0 and its null is
 * right. LG_CORRUPT when the bytes make no sense. */
LG_MUST lg_status lg_key_decode(const lg_keycol *cols, uint32_t n, const uint8_t *key, size_t len,
                                lg_arena *a, lg_datum *ret_values, uint8_t *ret_nulls,
                                size_t *ret_used);

#endif
