/* Status codes: what every Lagoon function that can fail returns.
 *
 * 0 is success, negative values are errors, positive values are expected outcomes ("not found").
 * The list with SQLSTATEs is status.def. Library code returns or logs, never both. Detail for a
 * client (message, hint, position) lives in lg_error (error.h), owned by the session.
 *
 * Functions are declared `LG_MUST lg_status lg_x(...)`: an ignored status is a compile error. To
 * drop one on purpose, say why and write `(void)!lg_x()` ... or better, LG_KEEP it.
 */
#ifndef LG_BASE_STATUS_H
#define LG_BASE_STATUS_H

#include <stdbool.h>

#define LG_STATUS(name, value, sqlstate, text) LG_##name = (value),
typedef enum lg_status {
#include "status.def"
} lg_status;
#undef LG_STATUS

#define LG_MUST __attribute__((warn_unused_result))

/* Returns on anything but LG_OK. */
#define LG_TRY(expr)                                                                               \
    do {                                                                                           \
        lg_status lg_try_st_ = (expr);                                                             \
        if (__builtin_expect(lg_try_st_ != LG_OK, 0))                                              \
            return lg_try_st_;                                                                     \
    } while (0)

/* Needs a local `lg_status st` and the one label `out:`; jumps there on anything but LG_OK. */
#define LG_CHECK(expr)                                                                             \
    do {                                                                                           \
        st = (expr);                                                                               \
        if (__builtin_expect(st != LG_OK, 0))                                                      \
            goto out;                                                                              \
    } while (0)

/* In cleanup: keeps the first error in `st`. */
#define LG_KEEP(expr)                                                                              \
    do {                                                                                           \
        lg_status lg_keep_st_ = (expr);                                                            \
        if (st == LG_OK && lg_keep_st_ < 0)                                                        \
            st = lg_keep_st_;                                                                      \
    } while (0)

static inline bool
lg_failed(lg_status st)
{
    return st < 0;
}

/* Static strings; never NULL, also for a value that is not in the list. */
const char *lg_status_name(lg_status st);
const char *lg_status_sqlstate(lg_status st);
const char *lg_status_text(lg_status st);

#endif
