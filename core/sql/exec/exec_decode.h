/* Rows of a sequential scan into vectors, with simple conditions tested on the way (exec_decode.c).
 */
#ifndef LG_EXEC_DECODE_H
#define LG_EXEC_DECODE_H

#include "exec_internal.h"
#include "rowcodec.h"

typedef struct lg_xdecode lg_xdecode;
/* May a hash join above have a match for the key? */
typedef bool (*lg_xmaybe_fn)(void *arg, lg_datum key);

/* In the execution's arena. Takes conditions off s->quals. */
lg_xdecode *lg_xdecode_create(lg_xnode *s, const lg_relation *rel);
/* Another condition; before the vectors are set. False: not possible any more. */
bool lg_xdecode_probe(lg_xdecode *d, uint16_t att, lg_xmaybe_fn maybe, void *arg);
void lg_xdecode_want(const lg_xdecode *d, bool *want); /* columns that the conditions need */
void lg_xdecode_vectors(lg_xdecode *d, lg_vector **vecs, uint16_t upto, lg_vector *ctid,
                        uint32_t cap);
lg_status lg_xdecode_start(lg_xdecode *d);
/* A batch: begin, row by row, done. lg_xdecode_row is an lg_access_visit_fn. */
void lg_xdecode_batch(lg_xdecode *d);
bool lg_xdecode_row(void *arg, lg_tid tid, const uint8_t *row, uint32_t len);
bool lg_xdecode_full(const lg_xdecode *d);
lg_status lg_xdecode_done(lg_xdecode *d, uint32_t *ret_n);

/* exec_scan.c: the rows that s (which has not begun) gives need only those keys of its output
 * column `slot` for which maybe says true. Nothing happens where that cannot be used. */
void lg_xscan_push(lg_xnode *s, uint32_t slot, lg_xmaybe_fn maybe, void *arg);

#endif
