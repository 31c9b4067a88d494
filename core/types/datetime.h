/* Calendar, time zones and the text forms of dates and times. */
#ifndef LG_TYPES_DATETIME_H
#define LG_TYPES_DATETIME_H

#include "types_internal.h"

#define LG_US_PER_S       1000000LL
#define LG_US_PER_DAY     86400000000LL
#define LG_PG_EPOCH_JDATE 2451545 /* 2000-01-01 */
/* Timestamps lie in [MIN, END): 4713-11-24 BC to the end of 294276. */
#define LG_TS_MIN   (-211813488000000000LL)
#define LG_TS_END   9223371331200000000LL
#define LG_DATE_END 2145031949 /* 5874898-01-01 */

static inline bool
lg_ts_finite(int64_t t)
{
    return t != LG_TS_INFINITY && t != LG_TS_NEG_INFINITY;
}
/* The date as a timestamp; infinities stay. False: out of range. */
bool lg_date_to_ts(int32_t date, int64_t *ret);
static inline bool
lg_date_finite(int32_t d)
{
    return d != LG_DATE_INFINITY && d != LG_DATE_NEG_INFINITY;
}
static inline bool
lg_ts_valid(int64_t t)
{
    return t >= LG_TS_MIN && t < LG_TS_END;
}

/* Broken-down time. Years count astronomically: 0 is 1 BC. */
typedef struct lg_dt {
    int year, mon, day;
    int hour, min, sec, us;
    int32_t offset; /* seconds east, when made from a timestamptz */
    const char *abbrev;
} lg_dt;

int lg_jdate(int year, int mon, int day);
void lg_jdate_split(int jd, int *year, int *mon, int *day);
bool lg_date_valid(int year, int mon, int day);
int lg_month_days(int year, int mon);

void lg_ts_split(int64_t ts, lg_dt *ret);                                       /* timestamp */
void lg_tstz_split(const lg_env *env, int64_t ts, const lg_tz *tz, lg_dt *ret); /* in a zone */
/* False: out of range. */
bool lg_ts_join(const lg_dt *dt, int64_t *ret);
/* The offset that holds at a local time in a zone (PostgreSQL's choice for gaps and overlaps). */
int32_t lg_tz_local_offset(const lg_tz *tz, int64_t local_ts);
int64_t lg_ts_to_local(const lg_tz *tz, int64_t tstz); /* timestamptz -> timestamp in the zone */
int64_t lg_ts_to_utc(const lg_tz *tz, int64_t local);  /* and back */

/* What a text denotes. */
typedef enum lg_dt_kind {
    LG_DT_NORMAL,
    LG_DT_INFINITY,
    LG_DT_NEG_INFINITY,
    LG_DT_EPOCH,
    LG_DT_NOW,
    LG_DT_TODAY,
    LG_DT_TOMORROW,
    LG_DT_YESTERDAY
} lg_dt_kind;

typedef struct lg_dt_parsed {
    lg_dt_kind kind;
    lg_dt dt;
    bool has_date, has_time, has_zone;
    int32_t offset;    /* seconds east, when has_zone and zone is NULL */
    const lg_tz *zone; /* a named zone */
} lg_dt_parsed;

/* Reads a date and/or time; on error c->st is set (type_name for the message). */
bool lg_dt_parse(lg_call *c, const char *s, const char *type_name, lg_dt_parsed *ret);
/* "+5", "-08:30", "+0530": seconds east. */
typedef enum lg_zone_number { LG_ZONE_OK, LG_ZONE_BAD, LG_ZONE_RANGE } lg_zone_number;
lg_zone_number lg_zone_numeric(const char *p, int32_t *ret_offset);
/* A zone by name, abbreviation or POSIX string: fixed offset or a lg_tz. */
bool lg_zone_find(lg_call *c, const char *name, const lg_tz **ret_tz, int32_t *ret_offset);

void lg_date_text(const lg_env *env, int32_t date, char *buf);             /* 32 bytes */
void lg_time_text(int64_t us, char *buf);                                  /* 24 bytes */
void lg_ts_text(const lg_env *env, int64_t ts, bool with_zone, char *buf); /* 80 bytes */
void lg_zone_text(int32_t offset_east, char *buf);                         /* "+05:30" */
void lg_interval_text(const lg_env *env, lg_interval iv, char *buf);       /* 160 bytes */

/* Rounds to `precision` decimals of a second; -1: none. */
int64_t lg_time_round(int64_t us, int32_t precision);
bool lg_interval_parse(lg_call *c, const char *s, int32_t typmod, lg_interval *ret);
bool lg_interval_typmod(lg_call *c, lg_interval *iv, int32_t typmod);
/* timestamp + interval; false and an error when out of range. tz NULL with with_zone: UTC. */
bool lg_ts_add_interval(lg_call *c, int64_t ts, lg_interval iv, bool with_zone, int64_t *ret);

/* CURRENT_DATE and kin for the binder: values in the session's zone at the transaction's start. */
int32_t lg_env_current_date(const lg_env *env);
int64_t lg_env_localtimestamp(const lg_env *env);

#endif
