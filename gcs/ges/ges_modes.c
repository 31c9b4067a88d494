/* Lock modes: PostgreSQL's conflict table (documentation, 13.3), its "covers" order and joins. */
#include "ges_internal.h"

#define B(m) (1u << (m))
enum {
    AS = LG_LOCK_ACCESS_SHARE,
    RS = LG_LOCK_ROW_SHARE,
    RE = LG_LOCK_ROW_EXCLUSIVE,
    SUE = LG_LOCK_SHARE_UPDATE_EXCLUSIVE,
    SH = LG_LOCK_SHARE,
    SRE = LG_LOCK_SHARE_ROW_EXCLUSIVE,
    EX = LG_LOCK_EXCLUSIVE,
    AE = LG_LOCK_ACCESS_EXCLUSIVE
};

static const uint16_t conflicts[LG_LOCK_MODES] = {
    [LG_LOCK_NONE] = 0,
    [AS] = B(AE),
    [RS] = B(EX) | B(AE),
    [RE] = B(SH) | B(SRE) | B(EX) | B(AE),
    [SUE] = B(SUE) | B(SH) | B(SRE) | B(EX) | B(AE),
    [SH] = B(RE) | B(SUE) | B(SRE) | B(EX) | B(AE),
    [SRE] = B(RE) | B(SUE) | B(SH) | B(SRE) | B(EX) | B(AE),
    [EX] = B(RS) | B(RE) | B(SUE) | B(SH) | B(SRE) | B(EX) | B(AE),
    [AE] = B(AS) | B(RS) | B(RE) | B(SUE) | B(SH) | B(SRE) | B(EX) | B(AE),
};

bool
lg_lock_conflicts(lg_lock_mode a, lg_lock_mode b)
{
    return (conflicts[a] & B(b)) != 0;
}

bool
lg_lock_covers(lg_lock_mode a, lg_lock_mode b)
{
    if (b == LG_LOCK_NONE)
        return true;
    return a != LG_LOCK_NONE && (conflicts[b] & ~conflicts[a]) == 0;
}

lg_lock_mode
lg_lock_join(lg_lock_mode a, lg_lock_mode b)
{
    for (int m = 0; m < LG_LOCK_MODES; m++)
        if (lg_lock_covers((lg_lock_mode)m, a) && lg_lock_covers((lg_lock_mode)m, b))
            return (lg_lock_mode)m;
    return LG_LOCK_ACCESS_EXCLUSIVE;
}

const char *
lg_lock_mode_name(lg_lock_mode m)
{
    static const char *const names[LG_LOCK_MODES] = {
        "None",
        "AccessShareLock",
        "RowShareLock",
        "RowExclusiveLock",
        "ShareUpdateExclusiveLock",
        "ShareLock",
        "ShareRowExclusiveLock",
        "ExclusiveLock",
        "AccessExclusiveLock",
    };
    return (unsigned)m < LG_LOCK_MODES ? names[m] : "?";
}
