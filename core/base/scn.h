/* SCN: the system change number, a 48-bit Lamport clock shared by all instances.
 *
 * Every message carries the sender's SCN; the receiver advances past it. A commit takes the next
 * SCN; a snapshot is the current SCN. Because every transfer of a block or of a transaction's
 * outcome is a message, whatever an instance could have seen when it took snapshot s is numbered
 * at or below s, and whatever is changed in what it has read is numbered above.
 *
 * A block version packs {scn 48, seq 16}: seq counts changes of a block at an equal SCN.
 */
#ifndef LG_BASE_SCN_H
#define LG_BASE_SCN_H

#include <stdint.h>

typedef uint64_t lg_scn;     /* 48 bits used; 0 = none */
typedef uint64_t lg_version; /* scn << 16 | seq; 0 = never written */

#define LG_SCN_NONE 0
#define LG_SCN_MAX  ((1ULL << 48) - 1)

typedef struct lg_scn_clock {
    uint64_t now; /* owned by the instance's worker */
} lg_scn_clock;

static inline lg_scn
lg_scn_current(const lg_scn_clock *c)
{
    return c->now;
}

/* Takes the next SCN: strictly greater than any returned or observed before. */
static inline lg_scn
lg_scn_next(lg_scn_clock *c)
{
    return ++c->now;
}

/* Advances past an SCN heard from elsewhere. */
static inline void
lg_scn_observe(lg_scn_clock *c, lg_scn heard)
{
    if (heard > c->now)
        c->now = heard;
}

static inline lg_scn
lg_version_scn(lg_version v)
{
    return v >> 16;
}

/* The version after `before` for a change made at SCN `now`: strictly greater than `before`. */
static inline lg_version
lg_version_next(lg_version before, lg_scn now)
{
    lg_version v = now << 16;
    return v > before ? v : before + 1;
}

#endif
