/* Error detail, kept in an arena. */
#include "error.h"
#include <string.h>

void
lg_error_init(lg_error *e, lg_arena *arena)
{
    memset(e, 0, sizeof *e);
    e->arena = arena;
}

void
lg_error_clear(lg_error *e)
{
    lg_error_init(e, e->arena);
}

lg_status
lg_error_set(lg_error *e, const char *sqlstate, const char *fmt, ...)
{
    if (e->set)
        return LG_SQL;
    e->set = true;
    memcpy(e->sqlstate, sqlstate, 5);
    e->sqlstate[5] = 0;
    va_list ap;
    va_start(ap, fmt);
    e->message = lg_arena_vprintf(e->arena, fmt, ap);
    va_end(ap);
    return LG_SQL;
}

void
lg_error_detail(lg_error *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->detail = lg_arena_vprintf(e->arena, fmt, ap);
    va_end(ap);
}

void
lg_error_hint(lg_error *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->hint = lg_arena_vprintf(e->arena, fmt, ap);
    va_end(ap);
}

void
lg_error_context(lg_error *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    e->context = lg_arena_vprintf(e->arena, fmt, ap);
    va_end(ap);
}

void
lg_error_from_status(lg_error *e, lg_status st)
{
    if (e->set)
        return;
    (void)lg_error_set(e, lg_status_sqlstate(st), "%s", lg_status_text(st));
    if (st == LG_DISK_FULL)
        lg_error_hint(e, "Drop what is not needed or add a disk; v$datafile and gv$undostat show "
                         "what is taken.");
    else if (st == LG_UNDO_FULL)
        lg_error_hint(e, "End long transactions (gv$transaction), change fewer rows in one, or add "
                         "a disk.");
}
