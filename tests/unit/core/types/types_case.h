/* One call compared with what PostgreSQL 15 answered.
 *
 * CASE(what, args, expected): `what` is an operator, a function, or "::type" for a cast; args are
 * "type:text" joined by \x1f (an argument "type" alone is NULL); expected is the output function's
 * text, "NULL", or "!SQLSTATE message". */
#ifndef LG_TYPES_CASE_H
#define LG_TYPES_CASE_H

typedef struct types_case {
    const char *what;
    const char *args;
    const char *expected;
} types_case;

/* Runs one; returns false after printing what differs. */
int types_case_run(const types_case *t);
void types_cases_run(const types_case *t, int n);

#endif
