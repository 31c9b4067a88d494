/* Collations: which there are, and how ICU's order, fold and raise text.
 *
 * default (100), C (950), POSIX (951) and ucs_basic order by bytes and know ASCII's case: functions
 * take lg_collation_is_c as the short way. ICU's are deterministic: texts that ICU takes for equal
 * are told apart by their bytes, so equality and hashes need no collation at all.
 *
 * Those that users made are known by their OIDs, as types are (usertype.h): the upper four bits are
 * an lg_collation_class, so whether one orders by bytes follows from the OID alone. ICU's locale of
 * one never changes; who meets the OID in the catalog tells it (lg_collation_add) before anything
 * can order by it.
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

typedef enum lg_collation_class {
    LG_COLLATION_BUILTIN,
    LG_COLLATION_BYTES, /* a user's, of C or POSIX */
    LG_COLLATION_ICU    /* a user's */
} lg_collation_class;

static inline lg_collation_class
lg_collation_class_of(lg_oid oid)
{
    return (lg_collation_class)(oid >> 28);
}
static inline lg_oid
lg_collation_oid(lg_collation_class k, lg_oid number)
{
    return (lg_oid)k << 28 | number;
}

/* The built-in ones. */
uint32_t lg_collation_count(void);
const lg_collation *lg_collation_at(uint32_t i);
const lg_collation *lg_collation_get(lg_oid oid);           /* NULL: none */
const lg_collation *lg_collation_by_name(const char *name); /* likewise */
/* Of an ICU locale; NULL: ICU does not know it, or locale is NULL. */
const char *lg_collation_version(lg_arena *a, const char *locale);
/* A user's collation of class ICU and its locale; again is nothing. */
void lg_collation_add(lg_tz_cache *tzs, lg_oid oid, const char *locale);
bool lg_collation_known(lg_tz_cache *tzs, lg_oid oid);
/* Can ICU open it? NULL: yes; else its word for why not. */
const char *lg_collation_refused(const char *locale);

static inline bool
lg_collation_is_c(lg_oid oid)
{
    return oid == 0 || oid == LG_COLLATION_DEFAULT || oid == LG_COLLATION_C ||
           oid == LG_COLLATION_POSIX || oid == LG_COLLATION_UCS_BASIC ||
           lg_collation_class_of(oid) == LG_COLLATION_BYTES;
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
/* The text that such a key was made of (char(n): without its blanks). */
lg_datum lg_collate_key_text(lg_arena *a, lg_datum key);

#endif
