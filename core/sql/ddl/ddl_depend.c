/* Dependencies: what pg_depend is told when an object is made, and what goes when one is dropped.
 *
 * MODEL  PostgreSQL's (dependency.c). A row says that an object, or (sub) a column, needs another:
 *     n normal    it is in the way of a drop, or goes with it under CASCADE and is reported
 *     a auto      it goes along and nobody is told: an index with its column
 *     i internal  part of the other: dropping it means to drop the other, so it is refused by itself
 * Not stored, since they follow from what the objects are: a row type is part of its relation (a
 * composite's relation of its type), an array type of its element's, and everything needs its schema.
 *
 * DROP   lg_ddl_delete walks from the objects named to all that need them, depth first; an object
 * stands in the list after all that need it. The list read backwards is the report, read forwards
 * the order of removal (ddl_remove.c). Each relation is locked before it is asked what needs it, so
 * nothing is added behind the walk's back. Objects are visited in the order of their OIDs, the
 * newest first: PostgreSQL's order, too. A view's rule, as an object, is the view. */
#include "cat_proc.h"
#include "ddl_internal.h"
#include "usertype.h"
#include <stdlib.h>
#include <string.h>

#define REPORTED_MAX 100u
#define DEPTH_MAX    500u

/* ---- recording ---- */

lg_status
lg_ddl_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub, lg_oid refcls, lg_oid refobj,
              int32_t refsub, char type)
{
    lg_cat_row row;
    lg_cat_row_init(LG_REL_pg_depend, &row);
    SETC(&row, pg_depend, classid, cls);
    SETC(&row, pg_depend, objid, obj);
    SETC(&row, pg_depend, objsubid, lg_datum_int4(sub));
    SETC(&row, pg_depend, refclassid, refcls);
    SETC(&row, pg_depend, refobjid, refobj);
    SETC(&row, pg_depend, refobjsubid, lg_datum_int4(refsub));
    SETC(&row, pg_depend, deptype, lg_datum_char(type));
    return lg_cat_insert(u->cat, LG_REL_pg_depend, &row);
}

lg_status
lg_ddl_depend_text(lg_util *u, lg_oid cls, lg_oid obj, const char *text)
{
    for (const char *p = text; p && (p = strstr(p, "\"#")); p++) {
        char *end;
        lg_proc *f;
        lg_oid oid = (lg_oid)strtoul(p + 2, &end, 10);
        if (p - text > 8 && strncmp(p - 8, "COLLATE ", 8) == 0) {
            LG_TRY(lg_ddl_collation_depend(u, cls, obj, 0, oid));
            continue;
        }
        if (strncmp(end, "\"(", 2) != 0)
            continue;
        lg_status st = lg_cat_proc(u->cat, oid, u->a, &f);
        if (st == LG_OK)
            st = lg_ddl_depend(u, cls, obj, 0, LG_REL_pg_proc, oid, 0, 'n');
        if (st != LG_OK && st != LG_NOT_FOUND)
            return st;
    }
    return LG_OK;
}

static lg_status
forget(lg_util *u, lg_oid index, uint16_t nkeys, lg_oid cls, lg_oid obj, int32_t sub)
{
    lg_datum k[3] = {lg_datum_oid(cls), lg_datum_oid(obj), lg_datum_int4(sub)};
    return lg_cat_delete_where(u->cat, LG_REL_pg_depend, index, nkeys, k, NULL);
}

lg_status
lg_ddl_depend_forget(lg_util *u, lg_oid cls, lg_oid obj)
{
    LG_TRY(forget(u, LG_IX_pg_depend_depender_index, 2, cls, obj, 0));
    return forget(u, LG_IX_pg_depend_reference_index, 2, cls, obj, 0);
}

lg_status
lg_ddl_depend_forget_sub(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub)
{
    return forget(u, LG_IX_pg_depend_depender_index, 3, cls, obj, sub);
}

lg_status
lg_ddl_depend_forget_column(lg_util *u, lg_oid rel, int32_t att)
{
    LG_TRY(forget(u, LG_IX_pg_depend_depender_index, 3, LG_REL_pg_class, rel, att));
    return forget(u, LG_IX_pg_depend_reference_index, 3, LG_REL_pg_class, rel, att);
}

struct columns {
    uint8_t *used;
    uint16_t n;
};

static bool
collect_columns(const lg_expr *e, void *arg)
{
    struct columns *c = arg;
    if (e && e->kind == LG_EX_VAR && e->var.attno > 0 && e->var.attno <= (int16_t)c->n)
        c->used[e->var.attno] = 1;
    return e && lg_expr_walk(e, collect_columns, c);
}

lg_status
lg_ddl_depend_columns(lg_util *u, lg_oid cls, lg_oid obj, lg_relation *rel, const char *text,
                      bool boolean, char type)
{
    lg_bind b;
    lg_expr *e;
    if (!text)
        return LG_OK;
    struct columns c = {LG_NEWN(u->a, uint8_t, rel->ncols + 1u), rel->ncols};
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = lg_bind_expr_text(&b, text, boolean ? LG_PLACE_CHECK : LG_PLACE_USING, rel,
                                     boolean ? LG_T_BOOL : 0, -1, &e);
    if (st == LG_OK)
        collect_columns(e, &c);
    for (uint16_t i = 1; i <= rel->ncols && st == LG_OK; i++)
        if (c.used[i])
            st = lg_ddl_depend(u, cls, obj, 0, LG_REL_pg_class, rel->oid, i, type);
    lg_bind_fini(&b);
    return st;
}

struct noting {
    lg_util *u;
    lg_ddl_object *seen;
    uint32_t n, cap;
};

static void
note_use(void *arg, const lg_relation *rel, int16_t attnum, lg_oid type)
{
    struct noting *w = arg;
    lg_ddl_object o = {rel ? LG_REL_pg_class : LG_REL_pg_type, rel ? rel->oid : type, attnum};
    if (rel ? rel->oid < LG_OID_FIRST_NORMAL : lg_usertype_of(type) == LG_UT_NONE)
        return;
    for (uint32_t i = 0; i < w->n; i++)
        if (w->seen[i].cls == o.cls && w->seen[i].obj == o.obj && w->seen[i].sub == o.sub)
            return;
    w->seen = lg_ddl_room(w->u, w->seen, w->n, &w->cap, sizeof *w->seen);
    w->seen[w->n++] = o;
}

/* The whole relation is named where no column of it is. */
static bool
covered(const struct noting *w, const lg_ddl_object *o)
{
    for (uint32_t i = 0; o->cls == LG_REL_pg_class && !o->sub && i < w->n; i++)
        if (w->seen[i].cls == o->cls && w->seen[i].obj == o->obj && w->seen[i].sub)
            return true;
    return false;
}

lg_status
lg_ddl_depend_query(lg_util *u, lg_oid cls, lg_oid obj, const lg_bind *b, const lg_query *q)
{
    struct noting w = {.u = u};
    lg_query_uses(q, u->a, note_use, &w);
    for (uint32_t i = 0; i < w.n; i++)
        if (!covered(&w, &w.seen[i]))
            LG_TRY(lg_ddl_depend(u, cls, obj, 0, w.seen[i].cls, w.seen[i].obj, w.seen[i].sub, 'n'));
    for (uint32_t i = 0; i < b->nkeys; i++)
        LG_TRY(lg_ddl_depend(u, cls, obj, 0, LG_REL_pg_constraint, b->keys[i], 0, 'n'));
    for (uint32_t i = 0; i < b->nprocs; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++)
            again |= b->procs[k] == b->procs[i];
        if (!again)
            LG_TRY(lg_ddl_depend(u, cls, obj, 0, LG_REL_pg_proc, b->procs[i], 0, 'n'));
    }
    for (uint32_t i = 0; i < b->ncolls; i++)
        LG_TRY(lg_ddl_collation_depend(u, cls, obj, 0, b->colls[i]));
    return LG_OK;
}

/* ---- reading ---- */

typedef struct link {
    lg_ddl_object o;
    char type;
    uint64_t order; /* of making */
} link;

typedef struct links {
    link *at;
    uint32_t n, cap;
} links;

/* Row and array types have their element's number, which is the relation's: all made at once. */
static uint64_t
order_of(const lg_ddl_object *o)
{
    if (o->cls == LG_REL_pg_collation)
        return (uint64_t)lg_usertype_number(o->obj) * 4 + 3;
    if (o->cls != LG_REL_pg_type)
        return (uint64_t)o->obj * 4 + 3 * (o->cls != LG_REL_pg_class);
    return (uint64_t)lg_usertype_number(o->obj) * 4 + (lg_type_elem(o->obj) ? 1 : 2);
}

static void
links_add(lg_util *u, links *l, lg_ddl_object o, char type, uint64_t order)
{
    l->at = lg_ddl_room(u, l->at, l->n, &l->cap, sizeof *l->at);
    l->at[l->n++] = (link){o, type, order};
}

/* A rule as an object is its view; *ret_obj 0: it is gone. */
static lg_status
view_of_rule(lg_util *u, lg_oid rule, lg_oid *ret_view)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(rule);
    *ret_view = 0;
    lg_status st =
        lg_cat_find(u->cat, LG_REL_pg_rewrite, LG_IX_pg_rewrite_oid_index, 1, &key, u->a, &row);
    if (st == LG_OK)
        *ret_view = lg_oid_of(GETC(&row, pg_rewrite, ev_class));
    return st == LG_NOT_FOUND ? LG_OK : st;
}

/* Rows about the object: those that need it, or (owners) those that it needs. */
static lg_status
links_stored(lg_util *u, const lg_ddl_object *o, bool owners, links *l)
{
    lg_cat_scan s;
    lg_cat_row row;
    uint32_t from = l->n;
    lg_datum keys[3] = {lg_datum_oid(o->cls), lg_datum_oid(o->obj), lg_datum_int4(o->sub)};
    lg_status st =
        lg_cat_scan_open(u->cat, LG_REL_pg_depend,
                         owners ? LG_IX_pg_depend_depender_index : LG_IX_pg_depend_reference_index,
                         o->sub ? 3 : 2, keys, u->a, &s);
    while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
        lg_ddl_object x = {lg_oid_of(GETC(&row, pg_depend, classid)),
                           lg_oid_of(GETC(&row, pg_depend, objid)),
                           lg_int4(GETC(&row, pg_depend, objsubid))};
        if (owners)
            x = (lg_ddl_object){lg_oid_of(GETC(&row, pg_depend, refclassid)),
                                lg_oid_of(GETC(&row, pg_depend, refobjid)),
                                lg_int4(GETC(&row, pg_depend, refobjsubid))};
        links_add(u, l, x, lg_char(GETC(&row, pg_depend, deptype)), order_of(&x));
    }
    lg_cat_scan_close(&s);
    if (st != LG_END && st != LG_OK)
        return st;
    uint32_t n = from;
    for (uint32_t i = from; i < l->n; i++) {
        link *x = &l->at[i];
        if (x->o.cls == LG_REL_pg_rewrite) {
            x->o.cls = LG_REL_pg_class;
            LG_TRY(view_of_rule(u, x->o.obj, &x->o.obj));
        }
        if (x->o.obj && !(x->o.cls == o->cls && x->o.obj == o->obj && !o->sub))
            l->at[n++] = *x;
    }
    l->n = n;
    return LG_OK;
}

static lg_status
relation_kind(lg_util *u, lg_oid oid, char *ret)
{
    lg_cat_row row;
    lg_datum key = lg_datum_oid(oid);
    *ret = 0;
    lg_status st =
        lg_cat_find(u->cat, LG_REL_pg_class, LG_IX_pg_class_oid_index, 1, &key, u->a, &row);
    if (st == LG_OK)
        *ret = lg_char(GETC(&row, pg_class, relkind));
    return st == LG_NOT_FOUND ? LG_OK : st;
}

static void
links_derive(lg_util *u, links *l, lg_oid cls, lg_oid obj, char type)
{
    lg_ddl_object o = {cls, obj, 0};
    links_add(u, l, o, type, order_of(&o));
}

/* What is in a schema. */
static lg_status
links_schema(lg_util *u, lg_oid nsp, links *l)
{
    static const struct {
        lg_oid table, cls;
        int oid, nsp, kind;
        const char *kinds;
    } from[] = {{LG_REL_pg_class, LG_REL_pg_class, LG_AT_pg_class_oid, LG_AT_pg_class_relnamespace,
                 LG_AT_pg_class_relkind, "rvmSc"},
                {LG_REL_pg_type, LG_REL_pg_type, LG_AT_pg_type_oid, LG_AT_pg_type_typnamespace,
                 LG_AT_pg_type_typtype, "ed"},
                {LG_REL_lg_proc, LG_REL_pg_proc, LG_AT_lg_proc_oid, LG_AT_lg_proc_pronamespace,
                 LG_AT_lg_proc_prokind, "fpaw"},
                {LG_REL_lg_collation, LG_REL_pg_collation, LG_AT_lg_collation_oid,
                 LG_AT_lg_collation_collnamespace, LG_AT_lg_collation_collprovider, "ci"}};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        lg_cat_scan s;
        lg_cat_row row;
        lg_status st = lg_cat_scan_open(u->cat, from[i].table, 0, 0, NULL, u->a, &s);
        while (st == LG_OK && (st = lg_cat_scan_next(&s, &row)) == LG_OK) {
            char kind = lg_char(LG_ROW_GET(&row, from[i].kind));
            lg_oid oid = lg_oid_of(LG_ROW_GET(&row, from[i].oid));
            if (lg_oid_of(LG_ROW_GET(&row, from[i].nsp)) != nsp || !strchr(from[i].kinds, kind))
                continue;
            if (kind == LG_REL_COMPOSITE && i == 0)
                links_derive(u, l, LG_REL_pg_type, lg_usertype_oid(LG_UT_ROW, oid), 'n');
            else
                links_derive(u, l, from[i].cls, oid, 'n');
        }
        lg_cat_scan_close(&s);
        if (st != LG_END)
            return st;
    }
    return LG_OK;
}

static lg_status
dependents(lg_util *u, const lg_ddl_object *o, links *l)
{
    char kind;
    LG_TRY(links_stored(u, o, false, l));
    if (o->sub)
        return LG_OK;
    if (o->cls == LG_REL_pg_namespace)
        return links_schema(u, o->obj, l);
    if (o->cls == LG_REL_pg_class) {
        LG_TRY(relation_kind(u, o->obj, &kind));
        if (kind && strchr("rvm", kind))
            links_derive(u, l, LG_REL_pg_type, lg_usertype_oid(LG_UT_ROW, o->obj), 'i');
    } else if (o->cls == LG_REL_pg_type && !lg_type_elem(o->obj)) {
        links_derive(u, l, LG_REL_pg_type, lg_type_array(o->obj), 'i');
        if (lg_usertype_of(o->obj) == LG_UT_ROW) {
            LG_TRY(relation_kind(u, lg_usertype_number(o->obj), &kind));
            if (kind == LG_REL_COMPOSITE)
                links_derive(u, l, LG_REL_pg_class, lg_usertype_number(o->obj), 'i');
        }
    }
    return LG_OK;
}

/* What it is a part of. */
static lg_status
owners(lg_util *u, const lg_ddl_object *o, links *l)
{
    char kind;
    LG_TRY(links_stored(u, o, true, l));
    if (o->sub || (o->cls != LG_REL_pg_class && o->cls != LG_REL_pg_type))
        return LG_OK;
    if (o->cls == LG_REL_pg_type && lg_type_elem(o->obj)) {
        links_derive(u, l, LG_REL_pg_type, lg_type_elem(o->obj), 'i');
    } else if (o->cls == LG_REL_pg_class) {
        LG_TRY(relation_kind(u, o->obj, &kind));
        if (kind == LG_REL_COMPOSITE)
            links_derive(u, l, LG_REL_pg_type, lg_usertype_oid(LG_UT_ROW, o->obj), 'i');
    } else if (lg_usertype_of(o->obj) == LG_UT_ROW) {
        LG_TRY(relation_kind(u, lg_usertype_number(o->obj), &kind));
        if (kind != LG_REL_COMPOSITE)
            links_derive(u, l, LG_REL_pg_class, lg_usertype_number(o->obj), 'i');
    }
    return LG_OK;
}

static int
by_making(const void *a, const void *b)
{
    const link *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

lg_status
lg_ddl_column_links(lg_util *u, lg_oid rel, int16_t att, lg_ddl_object **ret, uint32_t *ret_n)
{
    links l = {0};
    lg_ddl_object o = {LG_REL_pg_class, rel, att};
    LG_TRY(links_stored(u, &o, false, &l));
    if (l.n)
        qsort(l.at, l.n, sizeof *l.at, by_making);
    *ret = LG_NEWN(u->a, lg_ddl_object, l.n + 1);
    *ret_n = l.n;
    for (uint32_t i = 0; i < l.n; i++)
        (*ret)[i] = l.at[i].o;
    return LG_OK;
}

/* ---- the walk ---- */

enum {
    ORIGINAL = 1,   /* named by the statement */
    NORMAL = 2,     /* reached by a row n, */
    AUTO = 4,       /* a, */
    INTERNAL = 8,   /* i, */
    REVERSE = 16,   /* from a part of it */
    SUBOBJECT = 32, /* a column whose whole table goes, too */
};

typedef struct target {
    lg_ddl_object o, by;
    unsigned flags;
} target;

typedef struct frame {
    struct frame *next;
    lg_ddl_object o;
    unsigned flags;
} frame;

typedef struct walk {
    lg_util *u;
    target *at;
    uint32_t n, cap, depth;
    const lg_ddl_object *named;
    uint32_t nnamed;
} walk;

static bool
same(const lg_ddl_object *x, const lg_ddl_object *y)
{
    return x->cls == y->cls && x->obj == y->obj;
}

/* Is the object, or the table of the column, being looked at further up? */
static bool
on_stack(const lg_ddl_object *o, unsigned flags, frame *stack)
{
    bool found = false;
    for (frame *f = stack; f; f = f->next) {
        if (!same(&f->o, o))
            continue;
        if (f->o.sub == o->sub) {
            f->flags |= flags;
            return true;
        }
        found |= !f->o.sub;
    }
    return found;
}

static bool
in_list(walk *w, const lg_ddl_object *o, unsigned flags)
{
    bool found = false;
    for (uint32_t i = w->n; i-- > 0;) {
        target *t = &w->at[i];
        if (!same(&t->o, o))
            continue;
        if (t->o.sub == o->sub) {
            t->flags |= flags;
            found = true;
        } else if (!t->o.sub) {
            found = true;
        } else if (!o->sub && flags) {
            t->flags |= flags | SUBOBJECT;
        }
    }
    return found;
}

static void
list_add(walk *w, const frame *f, const frame *by)
{
    w->at = lg_ddl_room(w->u, w->at, w->n, &w->cap, sizeof *w->at);
    w->at[w->n++] = (target){f->o, by ? by->o : (lg_ddl_object){0, 0, 0}, f->flags};
}

static const char *
words(lg_util *u, const lg_ddl_object *o)
{
    const char *text;
    if (lg_syscat_describe(u->es, u->a, o->cls, o->obj, o->sub, &text) != LG_OK)
        return NULL;
    return text;
}

/* PostgreSQL's order: the newest first, columns of one by number. */
static int
by_order(const void *a, const void *b)
{
    const link *x = a, *y = b;
    if (x->order != y->order)
        return x->order > y->order ? -1 : 1;
    return (x->o.sub > y->o.sub) - (x->o.sub < y->o.sub);
}

static int
by_age(const void *a, const void *b)
{
    uint64_t x = order_of(a), y = order_of(b);
    return (x < y) - (x > y);
}

void
lg_ddl_objects_sort(lg_ddl_object *at, uint32_t n)
{
    if (n)
        qsort(at, n, sizeof *at, by_age);
}

static lg_status find(walk *w, const lg_ddl_object *o, unsigned flags, frame *stack);

/* A part of something that is not on the way goes with its whole. *ret_done: it did. */
static lg_status
find_owner(walk *w, const lg_ddl_object *o, unsigned flags, frame *stack, bool *ret_done)
{
    lg_util *u = w->u;
    links l = {0};
    const link *whole = NULL;
    *ret_done = false;
    LG_TRY(owners(u, o, &l));
    for (uint32_t i = 0; i < l.n; i++) {
        if (l.at[i].type != 'i')
            continue;
        if (stack && on_stack(&l.at[i].o, 0, stack))
            continue;
        whole = &l.at[i];
        break;
    }
    if (!whole)
        return LG_OK;
    if (!stack) {
        for (uint32_t i = 0; i < w->nnamed; i++)
            if (same(&w->named[i], &whole->o)) {
                *ret_done = true; /* it goes with that */
                return LG_OK;
            }
        const char *other = words(u, &whole->o);
        lg_error_set(u->err, "2BP01", "cannot drop %s because %s requires it", words(u, o), other);
        lg_error_hint(u->err, "You can drop %s instead.", other);
        return LG_SQL;
    }
    *ret_done = true;
    LG_TRY(find(w, &whole->o, REVERSE, stack));
    in_list(w, o, flags);
    return LG_OK;
}

static lg_status
find(walk *w, const lg_ddl_object *o, unsigned flags, frame *stack)
{
    lg_util *u = w->u;
    links l = {0};
    bool done;
    if (on_stack(o, flags, stack) || in_list(w, o, flags))
        return LG_OK;
    if (w->depth == DEPTH_MAX)
        return lg_error_set(u->err, "54001", "stack depth limit exceeded");
    if (o->cls == LG_REL_pg_class)
        LG_TRY(lg_cat_lock(u->cat, o->obj, LG_LOCK_ACCESS_EXCLUSIVE, false));
    LG_TRY(find_owner(w, o, flags, stack, &done));
    if (done)
        return LG_OK;
    LG_TRY(dependents(u, o, &l));
    if (l.n)
        qsort(l.at, l.n, sizeof *l.at, by_order);
    frame own = {stack, *o, flags};
    w->depth++;
    for (uint32_t i = 0; i < l.n; i++)
        LG_TRY(find(w, &l.at[i].o,
                    l.at[i].type == 'n'   ? NORMAL
                    : l.at[i].type == 'i' ? INTERNAL
                                          : AUTO,
                    &own));
    w->depth--;
    list_add(w, &own, stack);
    return LG_OK;
}

/* ---- the report ---- */

typedef struct report {
    const char *text;
    uint32_t n;
} report;

static void
report_add(lg_util *u, report *r, const char *line)
{
    if (r->n++ < REPORTED_MAX)
        r->text = r->text ? lg_arena_printf(u->a, "%s\n%s", r->text, line) : line;
}

static const char *
report_text(lg_util *u, const report *r)
{
    uint32_t more = r->n > REPORTED_MAX ? r->n - REPORTED_MAX : 0;
    return more ? lg_arena_printf(u->a, "%s\nand %u other object%s (see server log for list)",
                                  r->text, more, more == 1 ? "" : "s")
                : r->text;
}

static lg_status
tell(const walk *w, bool cascade)
{
    lg_util *u = w->u;
    report r = {0};
    for (uint32_t i = w->n; i-- > 0;) {
        const target *t = &w->at[i];
        if (t->flags & (ORIGINAL | SUBOBJECT | AUTO | INTERNAL))
            continue;
        const char *what = words(u, &t->o);
        if (!what) /* gone */
            continue;
        report_add(u, &r,
                   cascade ? lg_arena_printf(u->a, "drop cascades to %s", what)
                           : lg_arena_printf(u->a, "%s depends on %s", what, words(u, &t->by)));
    }
    if (!r.n)
        return LG_OK;
    if (!cascade) {
        if (w->nnamed == 1)
            lg_error_set(u->err, "2BP01", "cannot drop %s because other objects depend on it",
                         words(u, &w->named[0]));
        else
            lg_error_set(u->err, "2BP01",
                         "cannot drop desired object(s) because other objects depend on them");
        lg_error_detail(u->err, "%s", report_text(u, &r));
        lg_error_hint(u->err, "Use DROP ... CASCADE to drop the dependent objects too.");
        return LG_SQL;
    }
    if (r.n == 1)
        lg_ddl_notice(u, "00000", "%s", r.text);
    else if (u->es->notice)
        u->es->notice(u->es->arg, "NOTICE", "00000",
                      lg_arena_printf(u->a, "drop cascades to %u other objects", r.n),
                      report_text(u, &r));
    return LG_OK;
}

/* Does it go with a relation, or column, that goes as a whole? */
static bool
goes_along(const walk *w, const lg_ddl_object *o)
{
    for (uint32_t i = 0; i < w->n; i++)
        if (same(&w->at[i].o, o) && (!w->at[i].o.sub || w->at[i].o.sub == o->sub))
            return true;
    return false;
}

lg_status
lg_ddl_delete(lg_util *u, const lg_ddl_object *at, uint32_t n, unsigned how)
{
    walk w = {.u = u, .named = at, .nnamed = n};
    for (uint32_t i = 0; i < n; i++)
        LG_TRY(find(&w, &at[i], ORIGINAL, NULL));
    if (!(how & LG_DDL_QUIET))
        LG_TRY(tell(&w, how & LG_DDL_CASCADE));
    for (uint32_t i = 0; i < w.n; i++) {
        const lg_ddl_object *o = &w.at[i].o;
        lg_ddl_object whole;
        if (w.at[i].flags & SUBOBJECT)
            continue;
        LG_TRY(lg_ddl_remove_place(u, o, &whole));
        if (!whole.cls || !goes_along(&w, &whole))
            LG_TRY(lg_ddl_remove(u, o));
    }
    return LG_OK;
}
