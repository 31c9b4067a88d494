/* The session environment that functions see: settings, clock, time zone, randomness, and what
 * upper layers provide. Filled in by core/session (or a test with lg_env_init); read-only here but
 * for the random state. Nothing in core/types reads a clock or draws randomness by itself. */
#ifndef LG_TYPES_ENV_H
#define LG_TYPES_ENV_H

#include "datum.h"
#include "error.h"

struct lg_call;
typedef struct lg_tz lg_tz;               /* one time zone's rules */
typedef struct lg_tz_cache lg_tz_cache;   /* the zones loaded so far; one per instance */
typedef struct lg_fntable lg_fntable;     /* func.h */
typedef struct lg_usertypes lg_usertypes; /* usertype.h */

typedef enum lg_datestyle {
    LG_DATESTYLE_ISO,
    LG_DATESTYLE_SQL,
    LG_DATESTYLE_POSTGRES,
    LG_DATESTYLE_GERMAN
} lg_datestyle;
typedef enum lg_dateorder { LG_DATEORDER_MDY, LG_DATEORDER_DMY, LG_DATEORDER_YMD } lg_dateorder;
typedef enum lg_intervalstyle {
    LG_INTERVALSTYLE_POSTGRES,
    LG_INTERVALSTYLE_ISO_8601,
    LG_INTERVALSTYLE_SQL_STANDARD,
    LG_INTERVALSTYLE_POSTGRES_VERBOSE
} lg_intervalstyle;

typedef struct lg_env {
    int64_t txn_ts;                 /* now(): timestamptz microseconds since 2000-01-01 */
    int64_t stmt_ts;                /* statement_timestamp() */
    int64_t (*clock_ts)(void *arg); /* clock_timestamp() */
    void (*random_bytes)(void *arg, void *buf, size_t len); /* gen_random_uuid(), seeds */
    void *arg;                                              /* of both */
    lg_tz_cache *tzs;
    const lg_tz *tz; /* the session's TimeZone; NULL = UTC */
    lg_datestyle datestyle;
    lg_dateorder dateorder;
    lg_intervalstyle intervalstyle;
    int extra_float_digits; /* 1: shortest exact */
    bool bytea_escape;      /* bytea_output = escape */
    uint64_t rand_state[2]; /* random(), setseed() */
    bool rand_seeded;
    /* WHERE CURRENT OF: of (cursor's name, table's OID and name) the row that the cursor is on. NULL:
     * there are no cursors. */
    lg_datum (*current_of)(struct lg_call *c);
    const lg_fntable *ext;    /* implementations by upper layers; may be NULL */
    const lg_usertypes *user; /* types made by users; NULL: there are none */
    void *session;            /* whatever those implementations need */
    /* Asked by functions that may take long: LG_OK, or why to stop. May yield. NULL: never. */
    lg_status (*check_cancel)(void *arg);
    void *check_arg;
} lg_env;

/* Defaults: UTC, ISO MDY, postgres intervals, extra_float_digits 1; clocks at 0. */
void lg_env_init(lg_env *env);

/* Microseconds between 1970-01-01 and 2000-01-01: timestamptz = unix_us - this. */
#define LG_TS_UNIX_EPOCH_US 946684800000000LL

/* Time zones from the system's tzdata (TZif files) or POSIX strings. */
lg_tz_cache *lg_tz_cache_create(void);
void lg_tz_cache_destroy(lg_tz_cache *c);
/* "Europe/Berlin", "UTC", "+05:30" forms. NULL: no such zone. The cache owns the result. Reads
 * a file the first time a zone is met. */
const lg_tz *lg_tz_get(lg_tz_cache *c, const char *name);
const char *lg_tz_name(const lg_tz *tz);
/* Offset east of Greenwich in seconds at a unix time; ret_abbrev may be NULL. */
int32_t lg_tz_offset(const lg_tz *tz, int64_t unix_s, bool *ret_is_dst, const char **ret_abbrev);

#endif
