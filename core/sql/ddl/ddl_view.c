/* Views and materialized views: CREATE, options, REFRESH.
 *
 * A view's query is kept as text with every name qualified (pg_rewrite). A materialized view is a
 * table of kind 'm' with such a text; REFRESH fills new segments, which take the old ones' place at
 * commit, so that readers of the old content wait for the lock only. CONCURRENTLY compares instead,
 * and changes rows as any other statement would, beside readers. */
#include "array.h"
#include "ddl_internal.h"
#include "map.h"
#include <ctype.h>
#include <string.h>
#include <strings.h>

static bool
word_at(const char *p, const char *from, const char *word)
{
    size_t n = strlen(word);
    return strncasecmp(p, word, n) == 0 && (p == from || !isalnum((unsigned char)p[-1])) &&
           p[-1] != '_' && !isalnum((unsigned char)p[n]) && p[n] != '_';
}

/* The text of a view's query: what follows its AS, up to the statement's end. Quotes, comments and
 * parentheses are stepped over. */
static const char *
query_text(lg_util *u, int32_t loc)
{
    const char *sql = u->es->sql, *start = NULL;
    int depth = 0;
    if (!sql || loc < 0 || (size_t)loc > strlen(sql))
        return NULL;
    const char *p = sql + loc;
    for (const char *from = p; *p; p++) {
        if (*p == '\'' || *p == '"') {
            char quote = *p;
            for (p++; *p && *p != quote; p++)
                ;
            if (!*p)
                break;
        } else if (p[0] == '-' && p[1] == '-') {
            while (p[1] && p[1] != '\n')
                p++;
        } else if (p[0] == '/' && p[1] == '*') {
            const char *end = strstr(p + 2, "*/");
            if (!end)
                break;
            p = end + 1;
        } else if (*p == '(') {
            depth++;
        } else if (*p == ')') {
            depth--;
        } else if (depth == 0 && *p == ';') {
            break;
        } else if (depth == 0 && !start && p > from && word_at(p, from, "as")) {
            start = ++p + 1;
        }
    }
    if (!start)
        return NULL;
    while (isspace((unsigned char)*start))
        start++;
    while (p > start && isspace((unsigned char)p[-1]))
        p--;
    return lg_arena_strndup(u->a, start, (size_t)(p - start));
}

/* The query as text in which every name is qualified, so that it means the same whatever the
 * search path; only when it binds to the same columns again, else the text as written. */
static const char *
stored_text(lg_util *u, const lg_query *q, const lg_ddl_column *cols, uint32_t n, const char *text)
{
    lg_deparse d = {.arena = u->a,
                    .env = u->es->env,
                    .relation_name = lg_ddl_qualified_name,
                    .arg = u,
                    .type_oids = true};
    const char **names = LG_NEWN(u->a, const char *, n + 1), *made;
    lg_parse_tree *t;
    lg_query *again;
    lg_outcol *out;
    lg_error err;
    lg_bind b;
    for (uint32_t i = 0; i < n; i++)
        names[i] = cols[i].name;
    lg_error_init(&err, u->a);
    if (lg_deparse_query(&d, q, n, names, &made) != LG_OK ||
        lg_parse_sql(u->es->run, made, u->a, &err, &t) != LG_OK || t->n != 1)
        return text;
    lg_bind_init(&b, u->cat, u->es->run, u->a, u->es->env, &err, NULL);
    bool same = lg_bind_query(&b, t->stmts[0].stmt, &again) == LG_OK &&
                lg_query_outcols(again, u->a, &out) == n;
    for (uint32_t i = 0; same && i < n; i++)
        same = (out[i].type == cols[i].type) && !strcmp(out[i].name, cols[i].name);
    lg_bind_fini(&b);
    return same ? made : text;
}

/* The rule that makes a relation a view. */
static lg_status
rule_insert(lg_util *u, lg_oid oid, const char *text, const lg_bind *b, const lg_query *q)
{
    lg_cat_row row;
    lg_oid rule;
    LG_TRY(lg_cat_new_oid(u->cat, &rule));
    lg_cat_row_init(LG_REL_pg_rewrite, &row);
    SETC(&row, pg_rewrite, oid, rule);
    SETC(&row, pg_rewrite, rulename, lg_cat_name(u->a, "_RETURN"));
    SETC(&row, pg_rewrite, ev_class, oid);
    SETC(&row, pg_rewrite, ev_type, lg_datum_char('1'));
    SETC(&row, pg_rewrite, ev_enabled, lg_datum_char('O'));
    SETC(&row, pg_rewrite, is_instead, 1);
    SETC(&row, pg_rewrite, ev_qual, lg_datum_cstring_text(u->a, "<>"));
    SETC(&row, pg_rewrite, ev_action, lg_datum_cstring_text(u->a, text));
    LG_TRY(lg_cat_insert(u->cat, LG_REL_pg_rewrite, &row));
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_rewrite, rule, 0, LG_REL_pg_class, oid, 0, 'i'));
    LG_TRY(lg_ddl_depend(u, LG_REL_pg_rewrite, rule, 0, LG_REL_pg_class, oid, 0, 'n'));
    return lg_ddl_depend_query(u, LG_REL_pg_rewrite, rule, b, q);
}

/* ---- options ---- */

static const char *const option_names[] = {"check_option", "security_barrier", "security_invoker"};
#define NOPTIONS 3

typedef struct view_options {
    const char *value[NOPTIONS]; /* NULL: not set */
} view_options;

static lg_status
option_set(lg_util *u, view_options *o, const char *name, const char *value)
{
    static const char *const bools[] = {"true", "false", "on", "off", "yes", "no", "1", "0"};
    uint32_t at = 0;
    while (at < NOPTIONS && strcasecmp(option_names[at], name) != 0)
        at++;
    if (at == NOPTIONS)
        return lg_error_set(u->err, "22023", "unrecognized parameter \"%s\"", name);
    bool ok = !at && (!strcasecmp(value, "local") || !strcasecmp(value, "cascaded"));
    for (size_t i = 0; at && i < sizeof bools / sizeof *bools; i++)
        ok |= !strcasecmp(value, bools[i]);
    if (!ok) {
        lg_error_set(u->err, "22023", "invalid value for %s option \"%s\": %s",
                     at ? "boolean" : "enum", option_names[at], value);
        if (!at)
            lg_error_detail(u->err, "Valid values are \"local\" and \"cascaded\".");
        return LG_SQL;
    }
    o->value[at] = value;
    return LG_OK;
}

static lg_status
options_from(lg_util *u, const lg_ast_list *list, view_options *o)
{
    for (uint32_t i = 0; i < list->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(list->at[i], def_elem);
        const char *v = e->arg ? lg_ast_str(e->arg) : "true";
        if (e->arg && e->arg->tag == LG_AST_INTEGER)
            v = lg_arena_printf(u->a, "%d", lg_ast_as(e->arg, value)->ival);
        else if (!v && e->arg && e->arg->tag == LG_AST_TYPE_NAME)
            v = lg_ast_list_str(&lg_ast_as(e->arg, type_name)->names, 0);
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(lg_ast_as(list->at[k], def_elem)->defname, e->defname))
                return lg_error_set(u->err, "22023", "parameter \"%s\" specified more than once",
                                    e->defname);
        LG_TRY(option_set(u, o, e->defname, v ? v : ""));
    }
    return LG_OK;
}

static void
set_options(lg_cat_row *row, void *arg)
{
    lg_datum d = *(lg_datum *)arg;
    if (d) {
        SETC(row, pg_class, reloptions, d);
    } else {
        row->v[LG_AT_pg_class_reloptions - 1] = 0;
        row->null[LG_AT_pg_class_reloptions - 1] = 1;
    }
}

static lg_status
options_store(lg_util *u, lg_oid view, const view_options *o)
{
    lg_datum list[NOPTIONS], d = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < NOPTIONS; i++)
        if (o->value[i])
            list[n++] = lg_datum_cstring_text(
                u->a, lg_arena_printf(u->a, "%s=%s", option_names[i], o->value[i]));
    if (n)
        d = lg_array_make(u->a, LG_T_TEXT, n, list, NULL);
    return lg_ddl_class_update(u, view, set_options, &d);
}

/* A check option needs a view that can be changed. */
static lg_status
check_option_allowed(lg_util *u, lg_oid oid)
{
    lg_relation *r;
    lg_bind b;
    bool ok = false;
    const char *why = NULL;
    LG_TRY(lg_cat_relation_by_oid(u->cat, oid, &r));
    lg_exec_bind_init(u->es, u->a, &b);
    uint8_t *cols = LG_NEWN(u->a, uint8_t, r->ncols + 1u);
    lg_status st = lg_bind_view_updatable(&b, r, cols, &ok, &why);
    lg_bind_fini(&b);
    lg_relation_unref(r);
    LG_TRY(st);
    if (ok)
        return LG_OK;
    lg_error_set(u->err, "0A000",
                 "WITH CHECK OPTION is supported only on automatically updatable views");
    if (why)
        lg_error_hint(u->err, "%s", why);
    return LG_SQL;
}

lg_status
lg_ddl_view_options(lg_util *u, lg_relation *r, const lg_ast_list *list, bool reset)
{
    view_options o = {{NULL}};
    if (r->check_option)
        o.value[0] = r->check_option == 'l' ? "local" : "cascaded";
    if (r->security_barrier)
        o.value[1] = "true";
    if (r->security_invoker)
        o.value[2] = "true";
    for (uint32_t i = 0; reset && i < list->n; i++)
        for (uint32_t k = 0; k < NOPTIONS; k++)
            if (!strcasecmp(lg_ast_as(list->at[i], def_elem)->defname, option_names[k]))
                o.value[k] = NULL;
    if (!reset)
        LG_TRY(options_from(u, list, &o));
    LG_TRY(options_store(u, r->oid, &o));
    LG_TRY(lg_cat_touch(u->cat, r->oid));
    return !reset && o.value[0] ? check_option_allowed(u, r->oid) : LG_OK;
}

/* ---- CREATE VIEW ---- */

/* CREATE OR REPLACE VIEW may only add columns at the end. */
static lg_status
check_columns(lg_util *u, const lg_relation *old, const lg_ddl_column *cols, uint32_t n)
{
    if (n < old->ncols)
        return lg_error_set(u->err, "42P16", "cannot drop columns from view");
    for (uint16_t i = 0; i < old->ncols; i++) {
        const lg_column *c = &old->cols[i];
        if (strcmp(c->name, cols[i].name) != 0) {
            lg_error_set(u->err, "42P16", "cannot change name of view column \"%s\" to \"%s\"",
                         c->name, cols[i].name);
            lg_error_hint(u->err, "Use ALTER VIEW ... RENAME COLUMN ... to change name of view "
                                  "column instead.");
            return LG_SQL;
        }
        if (c->type != cols[i].type || c->typmod != cols[i].typmod)
            return lg_error_set(u->err, "42P16",
                                "cannot change data type of view column \"%s\" from %s to %s",
                                c->name, lg_type_name(u->es->env, c->type, c->typmod, u->a),
                                lg_type_name(u->es->env, cols[i].type, cols[i].typmod, u->a));
    }
    return LG_OK;
}

static void
set_natts(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relnatts, lg_datum_int2(*(int16_t *)arg));
}

static lg_status
replace_view(lg_util *u, const lg_relation *old, const lg_ddl_column *cols, uint32_t n)
{
    int16_t natts = (int16_t)n;
    if (old->kind != LG_REL_VIEW)
        return lg_error_set(u->err, "42809", "\"%s\" is not a view", old->name);
    LG_TRY(lg_ddl_check_owner(u, old));
    LG_TRY(check_columns(u, old, cols, n));
    for (uint32_t i = old->ncols; i < n; i++)
        LG_TRY(lg_ddl_attribute_insert(u, old->oid, (int16_t)(i + 1), &cols[i]));
    LG_TRY(lg_ddl_class_update(u, old->oid, set_natts, &natts));
    return lg_ddl_remove_rule(u, old->oid);
}

static lg_status
view_columns(lg_util *u, const lg_query *q, const lg_ast_list *names, uint32_t *ret_n,
             lg_ddl_column **ret)
{
    lg_outcol *out;
    uint32_t n = lg_query_outcols(q, u->a, &out);
    lg_ddl_column *cols = LG_NEWN(u->a, lg_ddl_column, n + 1);
    if (names->n > n)
        return lg_error_set(u->err, "42601",
                            q->cmd == LG_CMD_SELECT && names->n > n
                                ? "CREATE VIEW specifies more column names than columns"
                                : "too many column names were specified");
    for (uint32_t i = 0; i < n; i++) {
        const char *given = lg_ast_list_str(names, i);
        cols[i].name = given ? given : out[i].name;
        cols[i].type = out[i].type == LG_T_UNKNOWN ? LG_T_TEXT : out[i].type;
        cols[i].typmod = out[i].typmod;
        cols[i].collation = out[i].collation;
        LG_TRY(lg_ddl_column_base(u, cols[i].name, cols[i].type, &(lg_oid){0}));
        for (uint32_t k = 0; k < i; k++)
            if (!strcmp(cols[i].name, cols[k].name))
                return lg_error_set(u->err, "42701", "column \"%s\" specified more than once",
                                    cols[i].name);
    }
    *ret_n = n;
    *ret = cols;
    return LG_OK;
}

/* The text without WITH [LOCAL | CASCADED] CHECK OPTION at its end. */
static const char *
without_check(lg_util *u, const char *text)
{
    static const char *const words[] = {"option", "check", NULL, "with"};
    size_t end = strlen(text);
    for (int i = 0; i < 4; i++) {
        size_t from = end;
        while (from && isspace((unsigned char)text[from - 1]))
            from--;
        size_t stop = from;
        while (from && isalpha((unsigned char)text[from - 1]))
            from--;
        if (!words[i]) {
            bool local = stop - from == 5 && !strncasecmp(text + from, "local", 5);
            bool casc = stop - from == 8 && !strncasecmp(text + from, "cascaded", 8);
            if (!local && !casc)
                continue;
        } else if (stop - from != strlen(words[i]) ||
                   strncasecmp(text + from, words[i], stop - from) != 0) {
            return text;
        }
        end = from;
    }
    return lg_arena_strndup(u->a, text, end);
}

static lg_status
view_options_of(lg_util *u, const lg_ast_view_stmt *s, view_options *o)
{
    LG_TRY(options_from(u, &s->options, o));
    if (s->with_check_option > LG_A_NO_CHECK_OPTION) {
        if (o->value[0])
            return lg_error_set(u->err, "22023",
                                "parameter \"check_option\" specified more than "
                                "once");
        o->value[0] = s->with_check_option == LG_A_LOCAL_CHECK_OPTION ? "local" : "cascaded";
    }
    return LG_OK;
}

static lg_status
view_query(lg_util *u, lg_bind *b, const lg_ast *query, int32_t loc, const lg_ast_list *names,
           lg_query **ret_q, uint32_t *ret_n, lg_ddl_column **ret_cols, const char **ret_text)
{
    LG_TRY(lg_bind_query(b, query, ret_q));
    if ((*ret_q)->has_ctes_modifying)
        return lg_error_set(u->err, "0A000",
                            "views must not contain data-modifying statements in WITH");
    LG_TRY(view_columns(u, *ret_q, names, ret_n, ret_cols));
    const char *text = query_text(u, loc);
    if (!text)
        return lg_error_set(u->err, "0A000", "the text of the view's query is not at hand");
    *ret_text = stored_text(u, *ret_q, *ret_cols, *ret_n, without_check(u, text));
    return LG_OK;
}

static bool
reads_temporary(const lg_bind *b)
{
    for (uint32_t i = 0; i < b->nrelations; i++)
        if (b->relations[i].rel->persistence == 't')
            return true;
    return false;
}

lg_status
lg_ddl_create_view(lg_util *u, const lg_ast_view_stmt *s)
{
    lg_oid nsp, oid;
    uint32_t n;
    lg_bind b;
    lg_query *q;
    lg_ddl_column *cols;
    lg_relation *old = NULL;
    const char *text = NULL;
    view_options o = {{NULL}};
    snprintf(u->tag, LG_TAG_MAX, "CREATE VIEW");
    LG_TRY(view_options_of(u, s, &o));
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(view_query(u, &b, s->query, s->view->h.loc, &s->aliases, &q, &n, &cols, &text));
    lg_ast_range_var place = *s->view;
    if (reads_temporary(&b) && !lg_ddl_wants_temp(u, &place)) {
        place.relpersistence = "t";
        lg_ddl_notice(u, "00000", "view \"%s\" will be a temporary view", place.relname);
    }
    LG_CHECK(lg_ddl_namespace_for(u, &place, &nsp));
    st = lg_ddl_open(u, s->view, LG_LOCK_ACCESS_EXCLUSIVE, true, &old);
    if (st == LG_OK && old->namespace_oid == nsp) {
        if (!s->replace) {
            st = lg_error_set(u->err, "42P07", "relation \"%s\" already exists", old->name);
            goto out;
        }
        oid = old->oid;
        LG_CHECK(replace_view(u, old, cols, n));
    } else if (st == LG_OK || st == LG_NOT_FOUND) {
        LG_CHECK(lg_cat_new_oid(u->cat, &oid));
        LG_CHECK(lg_ddl_class_insert(u, oid, s->view->relname, nsp, 'v', NULL, (uint16_t)n, 'p'));
        for (uint32_t i = 0; i < n; i++)
            LG_CHECK(lg_ddl_attribute_insert(u, oid, (int16_t)(i + 1), &cols[i]));
    } else {
        goto out;
    }
    LG_CHECK(rule_insert(u, oid, text, &b, q));
    LG_CHECK(options_store(u, oid, &o));
    LG_CHECK(lg_cat_touch(u->cat, oid));
    if (o.value[0])
        st = check_option_allowed(u, oid);
out:
    lg_relation_unref(old);
    lg_bind_fini(&b);
    return st;
}

/* ---- materialized views ---- */

static void
set_matview(lg_cat_row *row, void *arg)
{
    SETC(row, pg_class, relkind, lg_datum_char(LG_REL_MATVIEW));
    SETC(row, pg_class, relhasrules, 1);
    SETC(row, pg_class, relispopulated, *(bool *)arg);
}

lg_status
lg_ddl_create_matview(lg_util *u, const lg_ast_create_table_as_stmt *s)
{
    lg_oid nsp, oid;
    bool exists, filled = !s->into->skip_data;
    uint32_t n;
    lg_bind b;
    lg_query *q;
    lg_plan *plan = NULL;
    lg_ddl_column *cols;
    const char *text;
    const lg_ast_range_var *rv = s->into->rel;
    uint64_t rows = 0;
    snprintf(u->tag, LG_TAG_MAX, "CREATE MATERIALIZED VIEW");
    LG_TRY(lg_ddl_namespace_for(u, rv, &nsp));
    LG_TRY(lg_ddl_check_free(u, nsp, rv->relname, s->if_not_exists, &exists));
    if (exists)
        return LG_OK;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_bind_query(&b, s->query, &q));
    if (q->has_ctes_modifying) {
        st = lg_error_set(u->err, "0A000",
                          "materialized views must not use data-modifying statements in WITH");
        goto out;
    }
    if (s->into->col_names.n > lg_query_outcols(q, u->a, &(lg_outcol *){NULL})) {
        st = lg_error_set(u->err, "42601", "too many column names were specified");
        goto out;
    }
    LG_CHECK(view_columns(u, q, &s->into->col_names, &n, &cols));
    text = query_text(u, rv->h.loc);
    if (!text) {
        st = lg_error_set(u->err, "0A000", "the text of the view's query is not at hand");
        goto out;
    }
    text = stored_text(u, q, cols, n, text);
    LG_CHECK(lg_ddl_table_make(u, nsp, rv->relname, 'p', n, cols, &oid));
    LG_CHECK(rule_insert(u, oid, text, &b, q));
    LG_CHECK(lg_ddl_class_update(u, oid, set_matview, &filled));
    LG_CHECK(lg_cat_touch(u->cat, oid));
    if (filled) {
        LG_CHECK(lg_exec_plan(u->es, &b, q, &plan));
        LG_CHECK(lg_ddl_fill(u, oid, plan, &rows));
        snprintf(u->tag, LG_TAG_MAX, "SELECT %llu", (unsigned long long)rows);
    }
out:
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    return st;
}

/* What was in it goes with its segments. */
static lg_status
refill(lg_util *u, lg_relation *r, const lg_plan *plan)
{
    uint64_t rows;
    bool filled = plan != NULL;
    LG_TRY(lg_ddl_new_segment(u, r->oid, LG_SEG_HEAP, &r->storage));
    for (uint16_t k = 0; k < r->nindexes; k++)
        LG_TRY(lg_ddl_new_segment(u, r->indexes[k]->oid, LG_SEG_BTREE, &r->indexes[k]->storage));
    LG_TRY(lg_ddl_class_update(u, r->oid, set_matview, &filled));
    LG_TRY(lg_cat_touch(u->cat, r->oid));
    return filled ? lg_ddl_fill(u, r->oid, plan, &rows) : LG_OK;
}

/* ---- REFRESH CONCURRENTLY: the new rows beside those that are there ---- */

typedef struct new_row {
    struct new_row *next; /* of all */
    struct new_row *same; /* an equal one */
    const uint8_t *data;
    size_t len;
    bool kept; /* it is there already */
} new_row;

typedef struct diff {
    lg_util *u;
    lg_relation *rel;
    lg_arena *a;
    lg_strmap *rows; /* encoded row -> the last new_row of that content */
    new_row *all;
    lg_xtarget t;
} diff;

static lg_status
note_row(diff *d, const lg_datum *v, const uint8_t *nulls)
{
    bool any_null = false;
    new_row *r = LG_NEW(d->a, new_row);
    lg_row_encode_arena(d->rel->rowcols, d->rel->ncols, v, nulls, d->a, &r->data, &r->len);
    for (uint16_t i = 0; i < d->rel->ncols; i++)
        any_null |= nulls[i] != 0;
    r->same = lg_strmap_put(d->rows, r->data, r->len, r);
    r->next = d->all;
    d->all = r;
    if (!r->same || any_null)
        return LG_OK;
    lg_error_set(d->u->err, "21000",
                 "new data for materialized view \"%s\" contains duplicate rows without any "
                 "null columns",
                 d->rel->name);
    lg_error_detail(d->u->err, "Row: (%s)", lg_xtarget_row_text(&d->t, d->a, v, nulls));
    return LG_SQL;
}

static lg_status
note_rows(void *arg, const lg_batch *b)
{
    diff *d = arg;
    lg_datum *v = LG_NEWN(d->a, lg_datum, b->ncols + 1);
    uint8_t *nulls = LG_NEWN(d->a, uint8_t, b->ncols + 1);
    for (uint32_t i = 0; i < b->n; i++) {
        lg_batch_row(b, i, v, nulls);
        LG_TRY(note_row(d, v, nulls));
    }
    return LG_OK;
}

/* Rows that are not among the new ones go. */
static lg_status
delete_old(diff *d)
{
    lg_ddl_rows old;
    uint16_t n = d->rel->ncols;
    lg_status st = lg_ddl_rows_open(&old, d->u, d->rel);
    LG_CHECK(st);
    while ((st = lg_ddl_rows_next(&old)) == LG_OK) {
        const uint8_t *data;
        size_t len;
        lg_row_encode_arena(d->rel->rowcols, n, old.values, old.nulls, old.a, &data, &len);
        new_row *r = lg_strmap_get(d->rows, data, len);
        while (r && r->kept)
            r = r->same;
        if (r)
            r->kept = true;
        else
            LG_CHECK(lg_xtarget_delete(&d->t, old.a, NULL, old.tid, old.values, old.nulls));
    }
out:
    lg_ddl_rows_close(&old);
    return st == LG_END ? LG_OK : st;
}

static lg_status
insert_new(diff *d)
{
    uint16_t n = d->rel->ncols;
    lg_arena *a = lg_arena_create("refresh", 0);
    lg_status st = LG_OK;
    for (const new_row *r = d->all; r && st == LG_OK; r = r->next) {
        lg_tid tid, other;
        if (r->kept)
            continue;
        lg_arena_reset(a);
        lg_datum *v = LG_NEWN(a, lg_datum, n + 1u);
        uint8_t *nulls = LG_NEWN(a, uint8_t, n + 1u);
        st = lg_xrow_decode(d->rel, r->data, r->len, v, nulls);
        if (st == LG_OK)
            st = lg_xtarget_insert(&d->t, a, v, nulls, false, 0, NULL, &tid, &other);
    }
    lg_arena_destroy(a);
    return st;
}

static lg_status
refresh_beside(lg_util *u, lg_relation *r, const lg_plan *plan)
{
    diff d = {.u = u, .rel = r, .a = lg_arena_create("refresh", 0), .rows = lg_strmap_create()};
    lg_exec *x = NULL, *bare = NULL;
    lg_plan_target pt;
    lg_bind b;
    uint64_t n;
    lg_status st = LG_OK;
    lg_exec_bind_init(u->es, u->a, &b);
    LG_CHECK(lg_plan_target_make(&b, r, &pt));
    LG_CHECK(lg_exec_bare(u->es, 1024, &bare));
    LG_CHECK(lg_xtarget_open(bare, &pt, 0, &d.t));
    LG_CHECK(lg_exec_open(u->es, plan, NULL, NULL, &x));
    st = lg_exec_fetch(x, 0, note_rows, &d, &n);
    if (st == LG_END)
        st = LG_OK;
    LG_CHECK(st);
    LG_CHECK(delete_old(&d));
    st = insert_new(&d);
out:
    lg_exec_close(x);
    lg_exec_close(bare);
    lg_bind_fini(&b);
    lg_strmap_destroy(d.rows);
    lg_arena_destroy(d.a);
    return st;
}

static lg_status
check_refresh(lg_util *u, const lg_ast_refresh_mat_view_stmt *s, const lg_relation *r)
{
    bool unique = false;
    if (r->kind != LG_REL_MATVIEW)
        return lg_error_set(u->err, "0A000", "\"%s\" is not a materialized view", r->name);
    LG_TRY(lg_ddl_check_owner(u, r));
    if (!s->concurrent)
        return LG_OK;
    if (!r->populated)
        return lg_error_set(
            u->err, "0A000",
            "CONCURRENTLY cannot be used when the materialized view is not populated");
    if (s->skip_data)
        return lg_error_set(u->err, "42601",
                            "CONCURRENTLY and WITH NO DATA options cannot be used together");
    for (uint16_t i = 0; i < r->nindexes; i++) {
        const lg_index *ix = r->indexes[i];
        unique |= ix->unique && ix->valid && !ix->predicate_sql && !ix->nexprs;
    }
    if (unique)
        return LG_OK;
    lg_error_set(u->err, "55000", "cannot refresh materialized view \"%s.%s\" concurrently",
                 lg_quote_ident(u->a, r->schema), lg_quote_ident(u->a, r->name));
    lg_error_hint(u->err, "Create a unique index with no WHERE clause on one or more columns of "
                          "the materialized view.");
    return LG_SQL;
}

lg_status
lg_ddl_refresh(lg_util *u, const lg_ast_refresh_mat_view_stmt *s)
{
    lg_relation *r;
    lg_parse_tree *t;
    lg_bind b;
    lg_query *q;
    lg_plan *plan = NULL;
    snprintf(u->tag, LG_TAG_MAX, "REFRESH MATERIALIZED VIEW");
    LG_TRY(lg_ddl_open(u, s->relation, s->concurrent ? LG_LOCK_EXCLUSIVE : LG_LOCK_ACCESS_EXCLUSIVE,
                       false, &r));
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(check_refresh(u, s, r));
    if (s->skip_data) {
        st = refill(u, r, NULL);
        goto out;
    }
    b.sql = NULL;
    b.check_as = r->owner;
    LG_CHECK(lg_parse_sql(u->es->run, r->view_sql, u->a, u->err, &t));
    LG_CHECK(lg_bind_query(&b, t->stmts[0].stmt, &q));
    LG_CHECK(lg_exec_plan(u->es, &b, q, &plan));
    st = s->concurrent ? refresh_beside(u, r, plan) : refill(u, r, plan);
out:
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    lg_relation_unref(r);
    return st;
}
