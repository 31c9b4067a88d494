/* Collations: which there are, and how ICU's order, fold and raise text.
 *
 * default (100), C (950), POSIX (951) and ucs_basic order by bytes and know ASCII's case: functions
 * take lg_collation_is_c as the short way. ICU's are deterministic: texts that ICU takes for equal
 * are told apart by their bytes, so equality and hashes need no collation at all.
 *
 * ICU's collators are opened when first used and kept with the instance's zones (lg_tz_cache).
 * Nothing here blocks, but for ICU reading its data on first use. */
#ifndef LG_TYPES_COLLATE_H
#define LG_TYPES_COLLATE_H

#include "env.h"
#include "func.h"

#define LG_COLLATION_DEFAULT   100u
#define LG_COLLATION_C         950u
#define LG_COLLATION_POSIX     951u
#define LG_COLLATION_UCS_BASIC 12340u

typedef struct lg_collation {
    lg_oid oid;
    const char *name;
    const char *locale; /* ICU's; NULL: C */
} lg_collation;

uint32_t lg_collation_count(void);
const lg_collation *lg_collation_at(uint32_t i);
const lg_collation *lg_collation_get(lg_oid oid);           /* NULL: none */
const lg_collation *lg_collation_by_name(const char *name); /* likewise */
const char *lg_collation_version(lg_arena *a, lg_oid oid);  /* NULL: it has none */

static inline bool
lg_collation_is_c(lg_oid oid)
{
    return oid == 0 || oid == LG_COLLATION_DEFAULT || oid == LG_COLLATION_C ||
           oid == LG_COLLATION_POSIX || oid == LG_COLLATION_UCS_BASIC;
}

/* One that orders, for who has no environment (keys of indexes): lives as long as the zones. NULL:
 * the collation orders by bytes. */
typedef struct lg_collator lg_collator;
const lg_collator *lg_collator_get(lg_tz_cache *tzs, lg_oid collation);
int lg_collator_compare(const lg_collator *c, const char *a, size_t na, const char *b, size_t nb);
/* ICU's sort key, with its final 0, in buf or else in the arena. */
size_t lg_collator_key(const lg_collator *c, lg_arena *arena, const char *s, size_t n, uint8_t *buf,
                       size_t cap, uint8_t **ret);

int lg_collate_compare(const lg_env *env, lg_oid collation, const char *a, size_t na, const char *b,
                       size_t nb);
typedef enum lg_case { LG_CASE_LOWER, LG_CASE_UPPER, LG_CASE_TITLE } lg_case;
/* Argument 0 in the case asked for, by the call's ICU collation. */
lg_datum lg_collate_case(lg_call *c, lg_case to);

/* (text, oid of an ICU collation) to bytea: bytes that compare as the texts do. Not in pg_proc; the
 * planner sorts by it. */
extern const lg_func lg_collate_key_func;

#endif
