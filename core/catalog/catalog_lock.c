/* Enqueues as the catalog uses them: table locks (TM) of a session's transaction, and the
 * dictionary enqueue (DICT), under whose sticky SHARE mode an instance keeps its cache. */
#include "catalog_internal.h"

/* ---- DICT ---- */

static lg_ges_res
dict_resource(void)
{
    return (lg_ges_res){.type = LG_GES_DICTIONARY};
}

static void
dict_fell(void *arg, lg_ges_res res, lg_lock_mode now)
{
    (void)res;
    if (lg_lock_covers(now, LG_LOCK_SHARE))
        return;
    ((lg_cat_dict *)arg)->held =
        false; /* what changes meanwhile is read from the ring (catalog_deps.c) */
}

void
lg_cat__dict_init(lg_cat_dict *d, lg_ges *ges)
{
    lg_ges_owner_init(ges, &d->owner, d);
    lg_ges_notify(ges, LG_GES_DICTIONARY, dict_fell, d);
}

/* Makes sure that every change committed before this call is applied, and that the instance's mode
 * on DICT covers SHARE from then on if nobody asks it back at once. The session that holds DICT itself
 * reads its own cache and never comes here. */
lg_status
lg_cat__dict_share(lg_cat *c)
{
    lg_catalog *cat = c->cat;
    lg_cat_dict *d = cat->dict;
    while (!d->held) {
        if (d->x) {
            LG_TRY(lg_waitq_wait(&d->waitq, LG_WAIT_ENQ_OTHER, LG_FOREVER, true));
            continue;
        }
        d->x++; /* one fiber asks, the others wait for it */
        lg_status st = lg_ges_lock(&d->owner, dict_resource(), LG_LOCK_SHARE, 0, LG_FOREVER);
        if (st == LG_OK) {
            st = lg_cat__ring_read(cat);
            d->held = st == LG_OK;
            (void)!lg_ges_unlock(&d->owner, dict_resource(), LG_LOCK_SHARE, 0); /* stays sticky */
        }
        d->x--;
        lg_waitq_wake_all(&d->waitq);
        return st;
    }
    return LG_OK;
}

/* A fiber that got SHARE before may set dict_held while this one waits. */
lg_status
lg_cat__dict_exclusive(lg_cat *c)
{
    c->cat->dict->held = false;
    LG_TRY(lg_ges_lock(c->owner, dict_resource(), LG_LOCK_EXCLUSIVE, 0, LG_FOREVER));
    c->cat->dict->held = false;
    return LG_OK;
}

void
lg_cat__dict_let_go(lg_cat *c)
{
    (void)!lg_ges_unlock(c->owner, dict_resource(), LG_LOCK_EXCLUSIVE, 0);
}

/* ---- TM ---- */

static bool
asked_before(uintptr_t held, lg_lock_mode mode)
{
    for (int m = mode; m <= LG_LOCK_ACCESS_EXCLUSIVE; m++)
        if ((held & (uintptr_t)1 << m) && lg_lock_covers((lg_lock_mode)m, mode))
            return true;
    return false;
}

void
lg_cat_lock_serializable(lg_cat *c, void (*locked)(void *arg), void *arg)
{
    c->locked = locked;
    c->locked_arg = arg;
}

static lg_lock_mode
serializable_mode(lg_lock_mode mode)
{
    switch (mode) {
    case LG_LOCK_ACCESS_SHARE:
    case LG_LOCK_ROW_SHARE:
        return LG_LOCK_SHARE;
    case LG_LOCK_ROW_EXCLUSIVE:
        return LG_LOCK_SHARE_ROW_EXCLUSIVE;
    default:
        return mode;
    }
}

lg_status
lg_cat_lock(lg_cat *c, lg_oid rel, lg_lockmode mode, bool nowait)
{
    lg_catalog *cat = c->cat;
    if (c->locked)
        mode = serializable_mode(mode);
    if (mode == LG_LOCK_NONE || lg_cat__system_by_oid(cat, rel))
        return LG_OK;
    if (asked_before((uintptr_t)lg_map_get(c->locks, rel), mode))
        return LG_OK;
    lg_time deadline = LG_FOREVER;
    if (c->lock_timeout_ms)
        deadline = lg_run_now_ns(cat->run) + c->lock_timeout_ms * LG_MS;
    lg_ges_res res = {.type = LG_GES_TABLE, .id1 = cat->database, .id2 = rel};
    LG_TRY(lg_ges_lock(c->owner, res, mode, nowait ? LG_GES_NOWAIT : 0, deadline));
    uintptr_t held = (uintptr_t)lg_map_get(c->locks, rel) | (uintptr_t)1 << mode;
    lg_map_put(c->locks, rel, (void *)held);
    if (c->ddl) /* its own cache does not hear of others' changes: after the lock it looks again */
        lg_cat__cache_forget(&c->own, rel);
    LG_TRY(lg_cat_refresh(c)); /* who waited for the lock must find `stale` true */
    if (c->locked)
        c->locked(c->locked_arg);
    return LG_OK;
}

lg_status
lg_cat_lock_session(lg_cat *c, lg_oid rel, lg_lockmode mode, lg_time deadline)
{
    lg_ges_res res = {.type = LG_GES_TABLE, .id1 = c->cat->database, .id2 = rel};
    return lg_ges_lock(c->owner, res, mode, LG_GES_SESSION, deadline);
}

void
lg_cat_unlock_session(lg_cat *c, lg_oid rel, lg_lockmode mode)
{
    lg_ges_res res = {.type = LG_GES_TABLE, .id1 = c->cat->database, .id2 = rel};
    (void)!lg_ges_unlock(c->owner, res, mode, LG_GES_SESSION);
}

lg_status
lg_cat_lock_held(lg_cat *c, lg_oid rel, lg_lockmode *ret_mode)
{
    uintptr_t held = (uintptr_t)lg_map_get(c->locks, rel);
    if (!held)
        return LG_NOT_FOUND;
    int m = LG_LOCK_ACCESS_EXCLUSIVE;
    while (!(held & (uintptr_t)1 << m))
        m--;
    *ret_mode = (lg_lockmode)m;
    return LG_OK;
}
