/* Executions: one without a plan, the end of any, whether to stop. */
#include "eval_internal.h"

lg_status
lg_exec_bare(lg_exec_session *es, uint32_t n_ids, lg_exec **ret)
{
    static const lg_plan none;
    lg_arena *a = lg_arena_create("expressions", 0);
    lg_exec *x = LG_NEW(a, lg_exec);
    x->es = es;
    x->plan = &none;
    x->arena = a;
    x->sites = LG_NEWN(a, void *, n_ids + 1);
    *ret = x;
    return LG_OK;
}

void
lg_exec_close(lg_exec *x)
{
    if (!x)
        return;
    if (x->end)
        x->end(x);
    lg_arena_destroy(x->arena);
}

lg_status
lg_xcheck(lg_exec *x)
{
    if (x->team)
        return lg_team_stopped(x->team) ? LG_CANCELED : LG_OK;
    if (!lg_fiber_self() || !lg_fiber_should_yield())
        return LG_OK;
    lg_fiber_yield();
    return x->es->check_cancel ? x->es->check_cancel(x->es->arg) : LG_OK;
}

/* A cancel that has not been taken yet, before rows are given out and before success is told: what
 * was computed meanwhile may be nonsense (lg_poll). It also comes before the error that such
 * nonsense led to. */
lg_status
lg_xcanceled(lg_exec_session *es, lg_status st)
{
    bool failed = lg_failed(st);
    lg_status c = es->check_cancel ? es->check_cancel(es->arg) : LG_OK;
    if (c == LG_OK)
        return st;
    if (failed)
        lg_error_clear(es->err);
    return c;
}
