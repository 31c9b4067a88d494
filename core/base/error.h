/* Error detail for a client: what PostgreSQL puts into an ErrorResponse. One lg_error is owned by
 * each session and passed down through the SQL layers; the first error wins until it is cleared.
 * Storage and cluster code returns a bare status and knows nothing of this. */
#ifndef LG_BASE_ERROR_H
#define LG_BASE_ERROR_H

#include "arena.h"
#include "status.h"

typedef struct lg_error {
    lg_arena *arena; /* texts live here */
    bool set;
    char sqlstate[6];
    const char *message;
    const char *detail; /* or NULL, as all below */
    const char *hint;
    const char *context;
    const char *schema;
    const char *table;
    const char *column;
    const char *datatype;
    const char *constraint;
    int position; /* 1-based character position in the query; 0 unknown */
} lg_error;

void lg_error_init(lg_error *e, lg_arena *arena);
void lg_error_clear(lg_error *e);

/* Sets SQLSTATE and message, returns LG_SQL so that `return lg_error_set(...)` reads well. The
 * first error is kept: a second call changes nothing. */
__attribute__((format(printf, 3, 4), cold)) lg_status
lg_error_set(lg_error *e, const char *sqlstate, const char *fmt, ...);
__attribute__((format(printf, 2, 3), cold)) void lg_error_detail(lg_error *e, const char *fmt, ...);
__attribute__((format(printf, 2, 3), cold)) void lg_error_hint(lg_error *e, const char *fmt, ...);
__attribute__((format(printf, 2, 3), cold)) void lg_error_context(lg_error *e, const char *fmt,
                                                                  ...);

/* For a bare status from below: fills in its SQLSTATE and text unless an error is set already. */
void lg_error_from_status(lg_error *e, lg_status st);

#endif
