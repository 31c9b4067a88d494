/* Cursors that outlive their transaction (WITH HOLD) or move backwards (SCROLL): their rows are
 * kept (in memory up to work_mem, beyond it in a temporary file). A SCROLL cursor is run to its end
 * when it is opened; a held one when its transaction commits. Positions are PostgreSQL's: 0 before
 * the first row, n + 1 after the last.
 *
 * A cursor that was declared neither SCROLL nor NO SCROLL is run again, as of its own snapshot,
 * when someone first moves backwards in it. */
#include "session_internal.h"
#include <string.h>

struct lg_session_held {
    lg_exec_kept *rows;
    uint32_t ncols;
    const lg_outcol *cols;
    uint64_t n;
    uint64_t pos;
};

void
lg_session__held_drop(lg_session_held *h)
{
    if (!h)
        return;
    lg_exec_kept_close(h->rows);
    lg_free(h);
}

static lg_status
hold_rows(void *arg, const lg_batch *b)
{
    lg_session_held *h = arg;
    lg_batch all = *b;
    all.ncols = h->ncols; /* the hidden ones, too */
    h->n += b->n;
    return lg_exec_kept_add(h->rows, &all);
}

/* Runs the rest of the cursor's statement and keeps the rows. */
static lg_status
materialize(lg_session *s, lg_portal *p)
{
    if (p->held)
        return LG_OK;
    if (!p->exec)
        LG_TRY(lg_session__portal_open(s, p));
    const lg_plan *plan = p->planned->plan;
    for (uint32_t c = 0; c < plan->ncols; c++)
        if (plan->cols[c].type == LG_T_RECORD)
            return lg_error_set(&s->err, "0A000",
                                "records in held or scrollable cursors are not supported");
    lg_session_held *h = lg_zalloc(sizeof *h);
    h->ncols = plan->ncols + p->planned->nhidden;
    h->cols = plan->cols;
    lg_status st = lg_exec_kept_create(&s->es, h->ncols, h->cols, &h->rows);
    if (st != LG_OK) {
        lg_free(h);
        return st;
    }
    uint64_t n;
    lg_portal *outer = s->running;
    s->running = p;
    s->es.snapshot = &p->snapshot;
    st = lg_exec_fetch(p->exec, 0, hold_rows, h, &n);
    if (st == LG_END || st == LG_OK)
        st = lg_exec_kept_finish(h->rows);
    s->running = outer;
    s->es.snapshot = outer ? &outer->snapshot : &s->snapshot;
    if (st != LG_OK) {
        lg_session__held_drop(h);
        return st;
    }
    lg_exec_close(p->exec);
    p->exec = NULL;
    p->held = h;
    return LG_OK;
}

lg_status
lg_session__cursor_opened(lg_session *s, lg_portal *p)
{
    return p->scroll ? materialize(s, p) : LG_OK;
}

lg_status
lg_session__cursors_hold(lg_session *s)
{
    size_t pos = 0, len;
    const char *name;
    void *v;
    while (lg_strmap_next(s->portals, &pos, &name, &len, &v)) {
        lg_portal *p = v;
        if (!p->hold || p->survives)
            continue;
        LG_TRY(materialize(s, p));
        p->survives = true;
    }
    return LG_OK;
}

/* Moves backwards in a cursor that was read forwards: the same rows once more. */
static lg_status
rewind_to_scroll(lg_session *s, lg_portal *p)
{
    uint64_t before = p->rows;
    bool done = p->done;
    lg_snapshot snapshot = p->snapshot, now = s->snapshot;
    lg_exec_close(p->exec);
    p->exec = NULL;
    s->snapshot = snapshot; /* opening takes the statement's */
    lg_status st = materialize(s, p);
    s->snapshot = now;
    LG_TRY(st);
    p->held->pos = done ? p->held->n + 1 : before;
    return LG_OK;
}

static lg_status
deliver(lg_session *s, lg_portal *p, uint64_t from, uint64_t n, bool backwards)
{
    lg_session_held *h = p->held;
    uint32_t shown = h->ncols - p->planned->nhidden;
    lg_session_sink sink = {s, p->formats, p->nformats, h->cols, shown};
    lg_vector **cols = LG_NEWN(s->statement, lg_vector *, h->ncols + 1);
    p->rows += n;
    if (p->drop_rows)
        return LG_OK;
    for (uint32_t c = 0; c < h->ncols; c++) {
        cols[c] = LG_NEW(s->statement, lg_vector);
        lg_vector_init(cols[c], s->statement, h->cols[c].type, 1);
    }
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = backwards ? from - i : from + i; /* from 1 */
        lg_batch b = {.ncols = shown, .cols = cols, .n = 1};
        const lg_datum *v;
        const uint8_t *nulls;
        LG_TRY(lg_exec_kept_row(h->rows, row - 1, &v, &nulls));
        for (uint32_t c = 0; c < h->ncols; c++)
            lg_vector_set(cols[c], 0, v[c], nulls[c]);
        LG_TRY(lg_session__sink(&sink, &b));
    }
    lg_exec_kept_rest(h->rows);
    return LG_OK;
}

/* ---- WHERE CURRENT OF ---- */

void
lg_session__cursor_note(lg_portal *p, const lg_batch *b, uint32_t i)
{
    uint32_t n = p->planned->nhidden, row = lg_sel_row(b->sel, i);
    if (!p->at) {
        p->at = LG_NEWN(p->arena, uint64_t, n);
        p->at_null = LG_NEWN(p->arena, bool, n);
    }
    for (uint32_t k = 0; k < n; k++) {
        const lg_vector *v = b->cols[b->ncols + k]; /* b->ncols are shown */
        p->at_null[k] = lg_vector_is_null(v, row);
        p->at[k] = p->at_null[k] ? 0 : lg_vector_value(v, row);
    }
}

/* The ctid in hidden column k of the row that the cursor is on; false: it is on none. */
static bool
row_of(lg_call *c, lg_portal *p, uint32_t k, lg_datum *ret)
{
    lg_session_held *h = p->held;
    const lg_datum *v;
    const uint8_t *nulls;
    if (!h) {
        *ret = p->at ? p->at[k] : 0;
        c->isnull = p->at && p->at_null[k];
        return p->on_row && p->at;
    }
    if (h->pos < 1 || h->pos > h->n)
        return false;
    uint32_t at = h->ncols - p->planned->nhidden + k;
    c->st = lg_exec_kept_row(h->rows, h->pos - 1, &v, &nulls);
    if (c->st != LG_OK)
        return true;
    *ret = v[at];
    c->isnull = nulls[at];
    lg_exec_kept_rest(h->rows);
    return true;
}

lg_datum
lg_session__current_of(lg_call *c)
{
    lg_session *s = ((lg_exec_session *)c->env->session)->arg;
    const char *name = lg_text_cstring(c->arena, c->args[0]);
    const char *table = lg_text_cstring(c->arena, c->args[2]);
    lg_portal *p = lg_session__portal_find(s, name);
    uint32_t found = 0, at = 0;
    lg_datum tid = 0;
    if (!p || !p->is_cursor)
        return lg_call_error(c, "34000", "cursor \"%s\" does not exist", name);
    if (p->survives)
        return lg_call_error(c, "24000", "cursor \"%s\" is held from a previous transaction", name);
    for (uint32_t k = 0; k < p->planned->nhidden; k++)
        if (p->planned->hidden[k] == lg_oid_of(c->args[1])) {
            found++;
            at = k;
        }
    if (p->planned->marked && found != 1)
        return lg_call_error(c, "24000",
                             found ? "cursor \"%s\" has multiple FOR UPDATE/SHARE references to "
                                     "table \"%s\""
                                   : "cursor \"%s\" does not have a FOR UPDATE/SHARE reference to "
                                     "table \"%s\"",
                             name, table);
    if (!found)
        return lg_call_error(c, "24000",
                             "cursor \"%s\" is not a simply updatable scan of table \"%s\"", name,
                             table);
    if (!row_of(c, p, at, &tid))
        return lg_call_error(c, "24000", "cursor \"%s\" is not positioned on a row", name);
    return tid;
}

/* The one row at a place, which may lie outside. */
static lg_status
go_to(lg_session *s, lg_portal *p, int64_t place)
{
    lg_session_held *h = p->held;
    bool inside = place >= 1 && place <= (int64_t)h->n;
    h->pos = place < 1 ? 0 : inside ? (uint64_t)place : h->n + 1;
    return inside ? deliver(s, p, h->pos, 1, false) : LG_OK;
}

static lg_status
fetch_forward(lg_session *s, lg_portal *p, uint64_t count)
{
    lg_session_held *h = p->held;
    uint64_t left = h->pos >= h->n ? 0 : h->n - h->pos, from = h->pos + 1;
    uint64_t n = count < left ? count : left;
    h->pos = count > left ? h->n + 1 : h->pos + count;
    return deliver(s, p, from, n, false);
}

static lg_status
fetch_backward(lg_session *s, lg_portal *p, uint64_t count)
{
    lg_session_held *h = p->held;
    uint64_t left = h->pos ? h->pos - 1 : 0, from = left;
    uint64_t n = count < left ? count : left;
    h->pos = count > left ? 0 : h->pos - count;
    return deliver(s, p, from, n, true);
}

lg_status
lg_session__cursor_fetch(lg_session *s, lg_portal *p, int direction, int64_t how_many)
{
    bool backwards = direction == LG_A_FETCH_BACKWARD ? how_many > 0 : how_many < 0;
    bool forward_only = direction == LG_A_FETCH_FORWARD && how_many > 0;
    if (direction == LG_A_FETCH_RELATIVE && how_many == 1) {
        direction = LG_A_FETCH_FORWARD;
        forward_only = true;
    }
    if (!p->held && forward_only) {
        char ignored[LG_TAG_MAX];
        lg_status st = LG_OK;
        if (!p->done)
            st = lg_session__portal_run(s, p, how_many == LG_A_FETCH_ALL ? 0 : (uint64_t)how_many,
                                        ignored);
        return st == LG_END ? LG_OK : st;
    }
    if (p->no_scroll && (!p->held || backwards || direction == LG_A_FETCH_ABSOLUTE)) {
        lg_error_set(&s->err, "55000", "cursor can only scan forward");
        lg_error_hint(&s->err, "Declare it with SCROLL option to enable backward scan.");
        return LG_SQL;
    }
    if (!p->held)
        LG_TRY(rewind_to_scroll(s, p));
    int64_t n = (int64_t)p->held->n, pos = (int64_t)p->held->pos;
    switch (direction) {
    case LG_A_FETCH_ABSOLUTE:
        return go_to(s, p, how_many < 0 ? n + 1 + how_many : how_many);
    case LG_A_FETCH_RELATIVE:
        return go_to(s, p, pos + how_many);
    case LG_A_FETCH_BACKWARD:
        how_many = how_many == LG_A_FETCH_ALL ? INT64_MAX : how_many;
        return how_many == 0  ? go_to(s, p, pos)
               : how_many < 0 ? fetch_forward(s, p, (uint64_t)-how_many)
                              : fetch_backward(s, p, (uint64_t)how_many);
    default:
        how_many = how_many == LG_A_FETCH_ALL ? INT64_MAX : how_many;
        return how_many == 0  ? go_to(s, p, pos)
               : how_many < 0 ? fetch_backward(s, p, (uint64_t)-how_many)
                              : fetch_forward(s, p, (uint64_t)how_many);
    }
}
