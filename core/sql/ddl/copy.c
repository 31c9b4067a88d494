/* COPY: text, csv and binary; the other end is the client, through the session's callbacks, or a
 * file of the server. */
#include "acl.h"
#include "copy_fast.h"
#include "ddl_internal.h"
#include "encoding.h"
#include "server_file.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct copy {
    lg_util *u;
    char format; /* t text, c csv, b binary */
    char delim, quote, escape;
    const char *null_text;
    bool header, header_match;
    bool is_from;
    const lg_encoding *encoding; /* of the other end */
    lg_relation *rel;
    uint32_t ncols;
    int16_t *atts; /* columns in order */
    lg_oid *types;
    int32_t *typmods;
    const lg_ast *quoted;
    bool *force_quote, *force_not_null, *force_null;
    lg_arena *row;
    lg_strbuf out;
    uint64_t n;
    uint64_t line;
    uint64_t bytes; /* taken or given */
    size_t null_len;
    lg_xcopy_field *fields; /* of the line at hand */
    const char *text;       /* the line; NULL: binary */
    size_t text_len;
    /* input */
    const char *buf;
    size_t len, pos;
    bool eof;
    lg_server_file *file; /* NULL: the client */
    const char *path;
    char *file_buf;
};

#define FILE_BUF 65536

/* ---- the other end: the client, or a file of the server ---- */

static const char *
errno_sqlstate(int e)
{
    switch (e) {
    case EPERM:
    case EACCES:
    case EROFS:
        return "42501";
    case ENOENT:
        return "58P01";
    case EEXIST:
        return "58P02";
    case EISDIR:
    case ENOTDIR:
        return "42809";
    case ENOSPC:
        return "53100";
    case EMFILE:
    case ENFILE:
        return "53000";
    case ENOMEM:
        return "53200";
    default:
        return "58030";
    }
}

static lg_status
end_check_role(lg_util *u, const lg_ast_copy_stmt *s)
{
    bool may;
    const char *role = s->is_program ? "pg_execute_server_program"
                       : s->is_from  ? "pg_read_server_files"
                                     : "pg_write_server_files";
    LG_TRY(lg_cat_is_member(u->cat, lg_cat_user(u->cat),
                            s->is_program ? LG_ROLE_EXECUTE_PROGRAM
                            : s->is_from  ? LG_ROLE_READ_FILES
                                          : LG_ROLE_WRITE_FILES,
                            false, &may));
    if (may)
        return s->is_program
                   ? lg_error_set(u->err, "0A000", "COPY to or from a program is not supported")
                   : LG_OK;
    lg_error_set(u->err, "42501", "must be superuser or have privileges of the %s role to COPY %s",
                 role,
                 s->is_program ? "to or from an external program"
                 : s->is_from  ? "from a file"
                               : "to a file");
    lg_error_hint(u->err, "Anyone can COPY to stdout or from stdin. psql's \\copy command "
                          "also works for anyone.");
    return LG_SQL;
}

static lg_status
end_open(struct copy *c, bool in)
{
    lg_util *u = c->u;
    int e;
    if (!c->path)
        return u->es->copy_start(u->es->arg, in, c->format == 'b', c->ncols);
    if (!in && c->path[0] != '/')
        return lg_error_set(u->err, "42602", "relative path not allowed for COPY to file");
    lg_status st = lg_server_file_open(u->es->run, c->path, !in, &c->file, &e);
    if (st != LG_OK) {
        if (st != LG_IO)
            return st;
        if (in && e == EISDIR)
            return lg_error_set(u->err, "42809", "\"%s\" is a directory", c->path);
        lg_error_set(u->err, errno_sqlstate(e), "could not open file \"%s\" for %s: %s", c->path,
                     in ? "reading" : "writing", strerror(e));
        if (e == ENOENT || e == EACCES)
            lg_error_hint(u->err,
                          "COPY %s instructs the server process to %s a file. You may want a "
                          "client-side facility such as psql's \\copy.",
                          in ? "FROM" : "TO", in ? "read" : "write");
        return LG_SQL;
    }
    if (in)
        c->file_buf = LG_NEWN(u->a, char, FILE_BUF);
    return LG_OK;
}

static lg_status
end_in(struct copy *c, const char **ret_data, size_t *ret_len)
{
    lg_exec_session *es = c->u->es;
    int e;
    if (!c->file)
        return es->copy_in(es->arg, ret_data, ret_len);
    *ret_data = c->file_buf;
    lg_status st = lg_server_file_read(c->file, c->file_buf, FILE_BUF, ret_len, &e);
    return st != LG_IO ? st
                       : lg_error_set(c->u->err, errno_sqlstate(e),
                                      "could not read from COPY file: %s", strerror(e));
}

static lg_status
end_out(struct copy *c, const char *data, size_t len)
{
    lg_exec_session *es = c->u->es;
    int e;
    if (!c->file)
        return es->copy_out(es->arg, data, len);
    lg_status st = lg_server_file_write(c->file, data, len, &e);
    return st != LG_IO ? st
                       : lg_error_set(c->u->err, errno_sqlstate(e),
                                      "could not write to COPY file: %s", strerror(e));
}

static lg_status
end_close(struct copy *c)
{
    lg_exec_session *es = c->u->es;
    int e;
    lg_server_file *f = c->file;
    if (!c->path)
        return c->is_from ? LG_OK : es->copy_end(es->arg);
    c->file = NULL;
    return lg_server_file_close(f, &e) == LG_OK
               ? LG_OK
               : lg_error_set(c->u->err, errno_sqlstate(e), "could not close file \"%s\": %s",
                              c->path, strerror(e));
}

static lg_status
bad(struct copy *c, const char *sqlstate, const char *msg)
{
    return lg_error_set(c->u->err, sqlstate, "%s", msg);
}

static bool
truth(const lg_ast *a)
{
    if (!a)
        return true;
    if (a->tag == LG_AST_STRING) {
        const char *s = lg_ast_str(a);
        return strcasecmp(s, "false") != 0 && strcasecmp(s, "off") != 0 && strcmp(s, "0") != 0;
    }
    return lg_ast_as(a, value)->ival != 0;
}

static lg_status
mark_columns(struct copy *c, const lg_ast *list, bool **ret)
{
    *ret = LG_NEWN(c->u->a, bool, c->ncols + 1);
    if (!list || list->tag != LG_AST_LIST) {
        memset(*ret, 1, c->ncols); /* a star */
        return LG_OK;
    }
    const lg_ast_list *l = &lg_ast_as(list, list_node)->list;
    for (uint32_t i = 0; i < l->n; i++) {
        const char *name = lg_ast_list_str(l, i);
        if (!name) {
            memset(*ret, 1, c->ncols);
            return LG_OK;
        }
        for (uint32_t k = 0; k < c->ncols && c->rel; k++)
            if (strcmp(c->rel->cols[c->atts[k] - 1].name, name) == 0)
                (*ret)[k] = true;
    }
    return LG_OK;
}

static lg_status
one_char(struct copy *c, const lg_ast *arg, const char *what, char *ret)
{
    const char *s = lg_ast_str(arg);
    if (!s || strlen(s) != 1)
        return lg_error_set(c->u->err, "0A000", "COPY %s must be a single one-byte character",
                            what);
    *ret = *s;
    return LG_OK;
}

/* What was written; which do not go together is PostgreSQL's ProcessCopyOptions. */
struct written {
    bool delim, null, header, quote, escape, force_quote, force_not_null, force_null;
};

static lg_status
only_csv(struct copy *c, const char *what)
{
    return lg_error_set(c->u->err, "0A000", "COPY %s available only in CSV mode", what);
}

static lg_status
check_csv_options(struct copy *c, const struct written *w)
{
    if (c->format != 'c')
        return w->quote            ? only_csv(c, "quote")
               : w->escape         ? only_csv(c, "escape")
               : w->force_quote    ? only_csv(c, "force quote")
               : w->force_not_null ? only_csv(c, "force not null")
               : w->force_null     ? only_csv(c, "force null")
                                   : LG_OK;
    if (c->delim == c->quote)
        return bad(c, "22023", "COPY delimiter and quote must be different");
    if (w->force_quote && c->is_from)
        return bad(c, "0A000", "COPY force quote only available using COPY TO");
    if (w->force_not_null && !c->is_from)
        return bad(c, "0A000", "COPY force not null only available using COPY FROM");
    if (w->force_null && !c->is_from)
        return bad(c, "0A000", "COPY force null only available using COPY FROM");
    return LG_OK;
}

static lg_status
check_options(struct copy *c, const struct written *w)
{
    static const char never[] = "\\.abcdefghijklmnopqrstuvwxyz0123456789";
    if (c->format == 'b' && (w->delim || w->null))
        return lg_error_set(c->u->err, "42601", "cannot specify %s in BINARY mode",
                            w->delim ? "DELIMITER" : "NULL");
    if (c->delim == '\n' || c->delim == '\r')
        return bad(c, "22023", "COPY delimiter cannot be newline or carriage return");
    if (strpbrk(c->null_text, "\r\n"))
        return bad(c, "22023", "COPY null representation cannot use newline or carriage return");
    if (c->format == 't' && strchr(never, c->delim))
        return lg_error_set(c->u->err, "22023", "COPY delimiter cannot be \"%c\"", c->delim);
    if (c->format == 'b' && c->header)
        return bad(c, "0A000", "cannot specify HEADER in BINARY mode");
    LG_TRY(check_csv_options(c, w));
    if (c->format != 'b' && strchr(c->null_text, c->delim))
        return bad(c, "0A000", "COPY delimiter must not appear in the NULL specification");
    if (c->format == 'c' && strchr(c->null_text, c->quote))
        return bad(c, "0A000", "CSV quote character must not appear in the NULL specification");
    return LG_OK;
}

static lg_status
header_option(struct copy *c, const lg_ast *arg)
{
    const char *s = arg && arg->tag == LG_AST_STRING ? lg_ast_str(arg) : NULL;
    c->header_match = s && !strcasecmp(s, "match");
    if (c->header_match && !c->is_from)
        return lg_error_set(c->u->err, "0A000", "cannot use \"%s\" with HEADER in COPY TO", s);
    if (s && !c->header_match && strcasecmp(s, "true") != 0 && strcasecmp(s, "false") != 0 &&
        strcasecmp(s, "on") != 0 && strcasecmp(s, "off") != 0)
        return bad(c, "42601", "header requires a Boolean value or \"match\"");
    if (arg && arg->tag == LG_AST_INTEGER && lg_ast_as(arg, value)->ival >> 1)
        return bad(c, "42601", "header requires a Boolean value or \"match\"");
    c->header = truth(arg);
    return LG_OK;
}

static lg_status
encoding_option(struct copy *c, const lg_ast_def_elem *e)
{
    const char *s = e->arg ? lg_ast_str(e->arg) : NULL;
    const lg_encoding *known = s ? lg_encoding_by_name(s) : NULL;
    if (!known)
        return bad(c, "22023", "argument to option \"encoding\" must be a valid encoding name");
    if (!lg_encoding_convertible(known))
        return lg_error_set(
            c->u->err, "42883",
            "default conversion function for encoding \"%s\" to \"%s\" does not exist",
            c->is_from ? known->name : "UTF8", c->is_from ? "UTF8" : known->name);
    c->encoding = known;
    return LG_OK;
}

static lg_status
no_option_twice(struct copy *c, const lg_ast_list *options)
{
    for (uint32_t i = 0; i < options->n; i++)
        for (uint32_t k = 0; k < i; k++) {
            const lg_ast_def_elem *e = lg_ast_as(options->at[i], def_elem);
            if (strcmp(e->defname, lg_ast_as(options->at[k], def_elem)->defname) != 0)
                continue;
            c->u->err->position = 0;
            lg_error_set(c->u->err, "42601", "conflicting or redundant options");
            c->u->err->position = lg_exec_position(c->u->es, e->h.loc);
            return LG_SQL;
        }
    return LG_OK;
}

static lg_status
read_options(struct copy *c, const lg_ast_list *options)
{
    struct written w = {0};
    const char *null_text = NULL;
    LG_TRY(no_option_twice(c, options));
    c->format = 't';
    c->quote = '"';
    for (uint32_t i = 0; i < options->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(options->at[i], def_elem);
        if (strcmp(e->defname, "format") == 0) {
            const char *f = lg_ast_str(e->arg);
            if (!f || (strcmp(f, "text") && strcmp(f, "csv") && strcmp(f, "binary")))
                return lg_error_set(c->u->err, "22023", "COPY format \"%s\" not recognized",
                                    f ? f : "");
            c->format = f[0];
        }
    }
    for (uint32_t i = 0; i < options->n; i++) {
        const lg_ast_def_elem *e = lg_ast_as(options->at[i], def_elem);
        const char *n = e->defname;
        if (strcmp(n, "delimiter") == 0) {
            LG_TRY(one_char(c, e->arg, "delimiter", &c->delim));
            w.delim = true;
        } else if (strcmp(n, "null") == 0) {
            null_text = lg_ast_str(e->arg);
            w.null = true;
        } else if (strcmp(n, "header") == 0) {
            LG_TRY(header_option(c, e->arg));
        } else if (strcmp(n, "quote") == 0) {
            w.quote = true;
            if (c->format == 'c')
                LG_TRY(one_char(c, e->arg, "quote", &c->quote));
        } else if (strcmp(n, "escape") == 0) {
            w.escape = true;
            if (c->format == 'c')
                LG_TRY(one_char(c, e->arg, "escape", &c->escape));
        } else if (strcmp(n, "force_quote") == 0) {
            w.force_quote = true;
            c->quoted = e->arg; /* by the result's names, known later */
        } else if (strcmp(n, "force_not_null") == 0) {
            w.force_not_null = true;
            LG_TRY(mark_columns(c, e->arg, &c->force_not_null));
        } else if (strcmp(n, "force_null") == 0) {
            w.force_null = true;
            LG_TRY(mark_columns(c, e->arg, &c->force_null));
        } else if (strcmp(n, "encoding") == 0) {
            LG_TRY(encoding_option(c, e));
        } else if (strcmp(n, "freeze") != 0 && strcmp(n, "format") != 0) {
            return lg_error_set(c->u->err, "42601", "option \"%s\" not recognized", n);
        }
    }
    if (!w.delim)
        c->delim = c->format == 'c' ? ',' : '\t';
    if (!w.escape)
        c->escape = c->quote;
    c->null_text = null_text ? null_text : c->format == 'c' ? "" : "\\N";
    c->null_len = strlen(c->null_text);
    return check_options(c, &w);
}

static lg_status
pick_columns(struct copy *c, const lg_ast_list *names)
{
    lg_relation *r = c->rel;
    uint32_t cap = names->n ? names->n : r->ncols;
    c->atts = LG_NEWN(c->u->a, int16_t, cap + 1u);
    c->types = LG_NEWN(c->u->a, lg_oid, cap + 1u);
    c->typmods = LG_NEWN(c->u->a, int32_t, cap + 1u);
    for (uint32_t i = 0; i < (names->n ? names->n : r->ncols); i++) {
        const lg_column *col = &r->cols[i];
        if (names->n) {
            const char *name = lg_ast_list_str(names, i);
            col = lg_relation_column_by_name(r, name);
            if (!col)
                return lg_error_set(c->u->err, "42703",
                                    "column \"%s\" of relation \"%s\" does not exist", name,
                                    r->name);
            for (uint32_t k = 0; k < c->ncols; k++)
                if (c->atts[k] == col->attnum)
                    return lg_error_set(c->u->err, "42701",
                                        "column \"%s\" specified more than once", name);
            if (col->generated) {
                lg_error_set(c->u->err, "42P10", "column \"%s\" is a generated column", name);
                lg_error_detail(c->u->err, "Generated columns cannot be used in COPY.");
                return LG_SQL;
            }
        } else if (col->dropped || col->generated) {
            continue;
        }
        c->atts[c->ncols] = col->attnum;
        c->typmods[c->ncols] = col->typmod;
        c->types[c->ncols++] = col->type;
    }
    return LG_OK;
}

/* ---- TO ---- */

static void
put_text(lg_strbuf *o, const char *s, size_t len, char delim)
{
    for (size_t i = 0; i < len; i++) {
        char ch = s[i];
        static const char from[] = "\b\f\n\r\t\v\\", to[] = "bfnrtv\\";
        const char *p = ch ? strchr(from, ch) : NULL;
        if (p) {
            lg_strbuf_putc(o, '\\');
            lg_strbuf_putc(o, to[p - from]);
        } else {
            if (ch == delim)
                lg_strbuf_putc(o, '\\');
            lg_strbuf_putc(o, ch);
        }
    }
}

static void
put_csv(struct copy *c, const char *s, size_t len, bool force)
{
    lg_strbuf *o = &c->out;
    bool need = force || strcmp(s, c->null_text) == 0 || (c->ncols == 1 && strcmp(s, "\\.") == 0);
    for (size_t i = 0; i < len && !need; i++)
        need = s[i] == c->delim || s[i] == c->quote || s[i] == '\n' || s[i] == '\r';
    if (!need) {
        lg_strbuf_append(o, s, len);
        return;
    }
    lg_strbuf_putc(o, c->quote);
    for (size_t i = 0; i < len; i++) {
        if (s[i] == c->quote || s[i] == c->escape)
            lg_strbuf_putc(o, c->escape);
        lg_strbuf_putc(o, s[i]);
    }
    lg_strbuf_putc(o, c->quote);
}

static void
put_be(lg_strbuf *o, uint64_t v, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--)
        lg_strbuf_putc(o, (char)(v >> (8 * i)));
}

static void
progress_begin(const struct copy *c, int command)
{
    lg_xprogress_begin(c->u->es, "COPY", c->rel ? c->rel->oid : 0);
    lg_xprogress_set(c->u->es, LG_COPY_COMMAND, command);
    lg_xprogress_set(c->u->es, LG_COPY_TYPE, c->path ? 1 : 3);
}

static lg_status
flush_out(struct copy *c)
{
    const char *data = c->out.data;
    size_t len = c->out.len;
    if (!len)
        return LG_OK;
    if (c->format != 'b')
        LG_TRY(lg_encoding_from_utf8(c->encoding, data, len, c->row, c->u->err, &data, &len));
    c->bytes += len;
    lg_xprogress_set(c->u->es, LG_COPY_BYTES, (int64_t)c->bytes);
    lg_xprogress_set(c->u->es, LG_COPY_TUPLES, (int64_t)c->n);
    LG_TRY(end_out(c, data, len));
    lg_strbuf_reset(&c->out);
    return LG_OK;
}

/* Clients count on a message for each row; a file is written in larger pieces. */
static lg_status
end_row(struct copy *c)
{
    LG_TRY(lg_strbuf_status(&c->out));
    return c->path && c->out.len < 16384 ? LG_OK : flush_out(c);
}

static lg_status
out_value(struct copy *c, uint32_t k, lg_datum v, bool null)
{
    const char *s;
    size_t len;
    if (c->format == 'b') {
        if (null) {
            put_be(&c->out, UINT32_MAX, 4);
            return LG_OK;
        }
        LG_TRY(lg_type_send(c->u->es->env, c->types[k], v, c->row, c->u->err, &s, &len));
        if (lg_type_sends_text(c->types[k]))
            LG_TRY(lg_encoding_from_utf8(c->encoding, s, len, c->row, c->u->err, &s, &len));
        put_be(&c->out, len, 4);
        lg_strbuf_append(&c->out, s, len);
        return LG_OK;
    }
    if (k)
        lg_strbuf_putc(&c->out, c->delim);
    if (null) {
        lg_strbuf_puts(&c->out, c->null_text);
        return LG_OK;
    }
    LG_TRY(lg_type_output(c->u->es->env, c->types[k], v, c->row, c->u->err, &s, &len));
    s = lg_arena_strndup(c->row, s, len);
    if (c->format == 'c')
        put_csv(c, s, len, c->force_quote && c->force_quote[k]);
    else
        put_text(&c->out, s, len, c->delim);
    return LG_OK;
}

static lg_status
out_rows(void *arg, const lg_batch *b)
{
    struct copy *c = arg;
    for (uint32_t i = 0; i < b->n; i++) {
        uint32_t row = lg_sel_row(b->sel, i);
        if (c->format == 'b')
            put_be(&c->out, c->ncols, 2);
        for (uint32_t k = 0; k < c->ncols; k++)
            LG_TRY(out_value(c, k, lg_vector_value(b->cols[k], row),
                             lg_vector_is_null(b->cols[k], row)));
        if (c->format != 'b')
            lg_strbuf_putc(&c->out, '\n');
        c->n++;
        LG_TRY(end_row(c));
        lg_arena_reset(c->row);
    }
    return LG_OK;
}

/* COPY table TO is SELECT columns FROM table. */
static lg_ast *
select_of(struct copy *c, const lg_ast_copy_stmt *s)
{
    lg_arena *a = c->u->a;
    lg_ast_select_stmt *sel = LG_NEW(a, lg_ast_select_stmt);
    sel->h.tag = LG_AST_SELECT_STMT;
    sel->h.loc = -1;
    sel->op = LG_A_SETOP_NONE;
    sel->target_list.n = c->ncols;
    sel->target_list.at = LG_NEWN(a, lg_ast *, c->ncols + 1);
    for (uint32_t i = 0; i < c->ncols; i++) {
        lg_ast_res_target *t = LG_NEW(a, lg_ast_res_target);
        lg_ast_column_ref *r = LG_NEW(a, lg_ast_column_ref);
        lg_ast_value *v = LG_NEW(a, lg_ast_value);
        v->h.tag = LG_AST_STRING;
        v->sval = c->rel->cols[c->atts[i] - 1].name;
        r->h.tag = LG_AST_COLUMN_REF;
        r->h.loc = t->h.loc = v->h.loc = -1;
        r->fields.n = 1;
        r->fields.at = LG_NEWN(a, lg_ast *, 1);
        r->fields.at[0] = &v->h;
        t->h.tag = LG_AST_RES_TARGET;
        t->val = &r->h;
        sel->target_list.at[i] = &t->h;
    }
    sel->from_clause.n = 1;
    sel->from_clause.at = LG_NEWN(a, lg_ast *, 1);
    sel->from_clause.at[0] = (lg_ast *)(uintptr_t)&s->relation->h;
    return &sel->h;
}

static lg_status
run_out(struct copy *c, const lg_ast *query)
{
    lg_util *u = c->u;
    lg_bind b;
    lg_query *q;
    lg_plan *plan = NULL;
    lg_exec *x = NULL;
    uint64_t n;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(lg_bind_query(&b, query, &q));
    LG_CHECK(lg_exec_plan(u->es, &b, q, &plan));
    if (!plan->ncols) {
        st = bad(c, "0A000", "COPY query must have a RETURNING clause");
        goto out;
    }
    c->ncols = plan->ncols;
    c->types = LG_NEWN(u->a, lg_oid, c->ncols + 1);
    for (uint32_t i = 0; i < c->ncols; i++)
        c->types[i] = plan->cols[i].type;
    if (c->quoted) {
        bool list = c->quoted->tag == LG_AST_LIST;
        const lg_ast_list *l = list ? &lg_ast_as(c->quoted, list_node)->list : NULL;
        c->force_quote = LG_NEWN(u->a, bool, c->ncols + 1);
        for (uint32_t i = 0; i < c->ncols; i++)
            for (uint32_t k = 0; !list || k < l->n; k++) {
                const char *name = list ? lg_ast_list_str(l, k) : NULL;
                if (!name || strcmp(name, plan->cols[i].name) == 0) {
                    c->force_quote[i] = true;
                    break;
                }
            }
    }
    LG_CHECK(lg_exec_open(u->es, plan, NULL, NULL, &x));
    progress_begin(c, 2);
    LG_CHECK(end_open(c, false));
    if (c->format == 'b') {
        lg_strbuf_append(&c->out, "PGCOPY\n\377\r\n\0", 11);
        put_be(&c->out, 0, 8);
    } else if (c->header) {
        for (uint32_t i = 0; i < c->ncols; i++) {
            if (i)
                lg_strbuf_putc(&c->out, c->delim);
            if (c->format == 'c')
                put_csv(c, plan->cols[i].name, strlen(plan->cols[i].name), false);
            else
                put_text(&c->out, plan->cols[i].name, strlen(plan->cols[i].name), c->delim);
        }
        lg_strbuf_putc(&c->out, '\n');
        LG_CHECK(end_row(c));
    }
    st = lg_exec_fetch(x, 0, out_rows, c, &n);
    if (st == LG_END)
        st = LG_OK;
    if (st != LG_OK)
        goto out;
    if (c->format == 'b')
        put_be(&c->out, 0xFFFF, 2);
    LG_CHECK(flush_out(c));
    st = end_close(c);
out:
    lg_exec_close(x);
    if (plan)
        lg_plan_fini(plan);
    else
        lg_bind_fini(&b);
    return st;
}

/* ---- FROM: errors ---- */

#define WHERE_MAX 100u

static void
where_at(struct copy *c, const char *column, const char *value)
{
    lg_error *e = c->u->err;
    if (value && strlen(value) > WHERE_MAX) {
        size_t n = WHERE_MAX;
        while (n > 0 && ((unsigned char)value[n] & 0xC0) == 0x80)
            n--; /* not in the middle of a character */
        value = lg_arena_printf(e->arena, "%.*s...", (int)n, value);
    }
    if (column && value)
        e->context = lg_arena_printf(e->arena, "COPY %s, line %llu, column %s: \"%s\"",
                                     c->rel->name, (unsigned long long)c->line, column, value);
    else if (value)
        e->context = lg_arena_printf(e->arena, "COPY %s, line %llu: \"%s\"", c->rel->name,
                                     (unsigned long long)c->line, value);
    else
        e->context = lg_arena_printf(e->arena, "COPY %s, line %llu", c->rel->name,
                                     (unsigned long long)c->line);
}

/* line: shown with the error; NULL: it cannot be. */
static lg_status
line_verify(struct copy *c, const char *s, size_t len, const char *line)
{
    lg_status st = lg_encoding_verify(s, len, c->u->err);
    if (st != LG_OK)
        where_at(c, NULL, line);
    return st;
}

/* ---- FROM: bytes ---- */

/* Next byte; -1 at the end. */
static lg_status
next_byte(struct copy *c, int *ret)
{
    while (c->pos == c->len) {
        if (c->eof) {
            *ret = -1;
            return LG_OK;
        }
        lg_status st = end_in(c, &c->buf, &c->len);
        if (st == LG_SQL) {
            c->line++;
            where_at(c, NULL, NULL);
        }
        LG_TRY(st);
        c->pos = 0;
        if (!c->len)
            c->eof = true;
        c->bytes += c->len;
        lg_xprogress_set(c->u->es, LG_COPY_BYTES, (int64_t)c->bytes);
        lg_xprogress_set(c->u->es, LG_COPY_TUPLES, (int64_t)c->n);
    }
    *ret = (unsigned char)c->buf[c->pos++];
    return LG_OK;
}

/* One line into the row arena, without its end. csv: quoted line breaks belong to it. LG_END. */
static lg_status
read_line(struct copy *c, char **ret, size_t *ret_len)
{
    size_t cap = 256, n = 0;
    char *p = lg_arena_alloc(c->row, cap);
    bool quoted = false, any = false, escaped = false;
    for (;;) {
        int ch;
        LG_TRY(next_byte(c, &ch));
        if (ch < 0 && quoted)
            return bad(c, "22P04", "unterminated CSV quoted field");
        if (ch < 0)
            break;
        any = true;
        if (c->format == 'c' && ch == c->quote && !escaped)
            quoted = !quoted;
        escaped = c->format != 'c' ? ch == '\\' && !escaped
                                   : quoted && ch == c->escape && c->escape != c->quote && !escaped;
        if (ch == '\n' && !quoted &&
            !(c->format != 'c' && n && p[n - 1] == '\\' && ((n > 1 && p[n - 2] != '\\') || n == 1)))
            break;
        if (n + 1 >= cap) {
            char *q = lg_arena_alloc(c->row, cap * 2);
            memcpy(q, p, n);
            p = q;
            cap *= 2;
        }
        p[n++] = (char)ch;
    }
    if (!any)
        return LG_END;
    if (n && p[n - 1] == '\r')
        n--;
    p[n] = '\0';
    c->line++;
    *ret = p;
    *ret_len = n;
    if (n == 2 && p[0] == '\\' && p[1] == '.')
        return LG_END;
    if (!c->encoding->icu)
        return line_verify(c, p, n, NULL);
    const char *converted;
    lg_status st = lg_encoding_to_utf8(c->encoding, p, n, c->row, c->u->err, &converted, ret_len);
    if (st != LG_OK)
        where_at(c, NULL, NULL);
    else
        *ret = converted == p ? p : (char *)(uintptr_t)converted;
    return st;
}

static char
unescape(const char **p, const char *end)
{
    char ch = *(*p)++;
    switch (ch) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    case 'x': {
        int v = 0, k = 0;
        while (k < 2 && *p < end && isxdigit((unsigned char)**p)) {
            char h = (char)tolower((unsigned char)*(*p)++);
            v = v * 16 + (h <= '9' ? h - '0' : h - 'a' + 10);
            k++;
        }
        return k ? (char)v : 'x';
    }
    default:
        if (ch >= '0' && ch <= '7') {
            int v = ch - '0';
            for (int k = 0; k < 2 && *p < end && **p >= '0' && **p <= '7'; k++)
                v = v * 8 + *(*p)++ - '0';
            return (char)v;
        }
        return ch;
    }
}

static uint32_t
split_text(struct copy *c, char *line, size_t len, lg_xcopy_field *f, uint32_t cap)
{
    const char *p = line, *end = line + len;
    size_t null_len = c->null_len;
    uint32_t n = 0;
    for (;;) {
        const char *start = p;
        char *out = lg_arena_alloc(c->row, (size_t)(end - p) + 1);
        size_t k = 0;
        while (p < end && *p != c->delim) {
            char ch = *p++;
            if (ch == '\\' && p < end)
                ch = unescape(&p, end);
            out[k++] = ch;
        }
        out[k] = '\0';
        if (n < cap) {
            f[n].null =
                (size_t)(p - start) == null_len && memcmp(start, c->null_text, null_len) == 0;
            f[n].s = out;
            f[n].len = k;
        }
        n++;
        if (p >= end)
            return n;
        p++;
    }
}

static uint32_t
split_csv(struct copy *c, char *line, size_t len, lg_xcopy_field *f, uint32_t cap)
{
    const char *p = line, *end = line + len;
    uint32_t n = 0;
    for (;;) {
        char *out = lg_arena_alloc(c->row, (size_t)(end - p) + 1);
        size_t k = 0;
        bool quoted = false, in = false;
        while (p < end && (in || *p != c->delim)) {
            char ch = *p++;
            if (in && ch == c->escape && p < end && (*p == c->quote || *p == c->escape)) {
                out[k++] = *p++;
            } else if (ch == c->quote) {
                in = !in;
                quoted = true;
            } else {
                out[k++] = ch;
            }
        }
        out[k] = '\0';
        if (n < cap) {
            bool is_null = strcmp(out, c->null_text) == 0;
            f[n].null = is_null && (!quoted || (c->force_null && c->force_null[n])) &&
                        !(c->force_not_null && c->force_not_null[n]);
            f[n].s = out;
            f[n].len = k;
        }
        n++;
        if (p >= end)
            return n;
        p++;
    }
}

static lg_status
read_bytes(struct copy *c, void *to, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int ch;
        LG_TRY(next_byte(c, &ch));
        if (ch < 0)
            return bad(c, "22P04", "unexpected EOF in COPY data");
        ((uint8_t *)to)[i] = (uint8_t)ch;
    }
    return LG_OK;
}

static lg_status
read_be32(struct copy *c, uint32_t *ret)
{
    uint8_t b[4];
    LG_TRY(read_bytes(c, b, 4));
    *ret = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return LG_OK;
}

static lg_status
binary_header(struct copy *c)
{
    char sig[11];
    uint32_t flags, ext;
    LG_TRY(read_bytes(c, sig, 11));
    if (memcmp(sig, "PGCOPY\n\377\r\n\0", 11) != 0)
        return bad(c, "22P04", "COPY file signature not recognized");
    LG_TRY(read_be32(c, &flags));
    LG_TRY(read_be32(c, &ext));
    while (ext--) {
        char skip;
        LG_TRY(read_bytes(c, &skip, 1));
    }
    return LG_OK;
}

/* ---- FROM: rows ---- */

#define COPY_ROWS  1000u /* put in at once, as by PostgreSQL: of two errors the same one is told */
#define COPY_BYTES (4u << 20) /* memory of values that are gathered or were left out by WHERE */

struct load {
    struct copy *c;
    lg_exec *x;
    lg_xtarget t;
    lg_xinsert *rows;
    lg_arena *values; /* of the rows gathered */
    lg_plan_target pt;
    lg_expr **defaults; /* per column of the table; NULL: none, or given */
    lg_expr *where;
    lg_datum *v;
    uint8_t *nulls;
};

/* The fields of the next line, *ret_n, perhaps fewer than there should be; LG_END. */
static lg_status
text_fields(struct copy *c, uint32_t *ret_n)
{
    char *line;
    lg_xcopy_field *f = c->fields;
    size_t len;
    if (c->format == 't' && c->pos < c->len && !c->encoding->icu) {
        len = lg_xcopy_line(c->buf + c->pos, c->len - c->pos, c->delim, c->null_text, c->null_len,
                            f, c->ncols);
        if (len > 0) {
            c->text = f->s;
            c->text_len = (size_t)(f[c->ncols - 1].s + f[c->ncols - 1].len - f->s);
            c->pos += len;
            c->line++;
            *ret_n = c->ncols;
            return line_verify(c, c->text, c->text_len, NULL);
        }
    }
    LG_TRY(read_line(c, &line, &len));
    c->text = line;
    c->text_len = len;
    uint32_t n = c->format == 'c' ? split_csv(c, line, len, f, c->ncols)
                                  : split_text(c, line, len, f, c->ncols);
    for (uint32_t i = 0; c->format == 't' && i < n && i < c->ncols; i++) /* escapes make bytes */
        LG_TRY(line_verify(c, f[i].s, f[i].len, line));
    *ret_n = n;
    if (n > c->ncols) {
        lg_status st = bad(c, "22P04", "extra data after last expected column");
        where_at(c, NULL, line);
        return st;
    }
    return LG_OK;
}

static lg_status
text_row(struct load *l)
{
    struct copy *c = l->c;
    uint32_t n;
    LG_TRY(text_fields(c, &n));
    for (uint32_t i = 0; i < c->ncols; i++) {
        const lg_xcopy_field *f = &c->fields[i];
        if (i >= n) {
            lg_error_set(c->u->err, "22P04", "missing data for column \"%s\"",
                         c->rel->cols[c->atts[i] - 1].name);
            where_at(c, NULL, lg_arena_strndup(c->row, c->text, c->text_len));
            return LG_SQL;
        }
        int16_t k = (int16_t)(c->atts[i] - 1);
        l->nulls[k] = f->null;
        l->v[k] = 0;
        if (f->null || lg_xcopy_fast(c->types[i], c->typmods[i], f->s, f->len, l->values, &l->v[k]))
            continue;
        const char *s = lg_arena_strndup(c->row, f->s, f->len);
        lg_status st = lg_type_input(c->u->es->env, c->types[i], s, c->typmods[i], l->values,
                                     c->u->err, &l->v[k]);
        if (st != LG_OK) {
            where_at(c, c->rel->cols[k].name, s);
            return st;
        }
    }
    return LG_OK;
}

static lg_status
binary_row(struct load *l)
{
    struct copy *c = l->c;
    uint8_t b[2];
    LG_TRY(read_bytes(c, b, 2));
    uint32_t n = (uint32_t)b[0] << 8 | b[1];
    c->line++;
    if (n == 0xFFFF)
        return LG_END;
    if (n != c->ncols)
        return lg_error_set(c->u->err, "22P04", "row field count is %u, expected %u", n, c->ncols);
    for (uint32_t i = 0; i < n; i++) {
        int16_t k = (int16_t)(c->atts[i] - 1);
        uint32_t len;
        LG_TRY(read_be32(c, &len));
        l->nulls[k] = len == UINT32_MAX;
        l->v[k] = 0;
        if (l->nulls[k])
            continue;
        if (len > (1u << 30))
            return bad(c, "22P04", "invalid field size");
        char *bytes = lg_arena_alloc(c->row, len + 1);
        const char *data = bytes;
        size_t size = len;
        LG_TRY(read_bytes(c, bytes, len));
        if (lg_type_sends_text(c->types[i]))
            LG_TRY(lg_encoding_to_utf8(c->encoding, bytes, len, c->row, c->u->err, &data, &size));
        LG_TRY(lg_type_recv(c->u->es->env, c->types[i], data, size, c->typmods[i], l->values,
                            c->u->err, &l->v[k]));
    }
    return LG_OK;
}

/* The error is about a row of that line. */
static lg_status
insert_outcome(struct copy *c, lg_status st, uint64_t line)
{
    if (st == LG_SQL && line > 0) {
        c->line = line;
        where_at(c, NULL, NULL);
    }
    return st;
}

static lg_status
load_row(struct load *l)
{
    struct copy *c = l->c;
    for (uint16_t i = 0; i < c->rel->ncols; i++) {
        bool null = true;
        l->v[i] = 0;
        if (l->defaults[i])
            LG_TRY(lg_xexpr_scalar(l->x, l->values, l->defaults[i], &l->v[i], &null));
        l->nulls[i] = null;
    }
    lg_status st = c->format == 'b' ? binary_row(l) : text_row(l);
    uint64_t about;
    LG_TRY(st);
    if (l->where) {
        lg_datum r;
        bool null;
        for (uint16_t i = 0; i < c->rel->ncols; i++)
            lg_vector_set(l->t.cols[i], 0, l->v[i], l->nulls[i]);
        lg_ectx x = {.x = l->x, .cols = l->t.cols, .cap = 1, .arena = c->row};
        LG_TRY(lg_xexpr_eval(&x, l->where, &r, &null));
        if (null || !lg_bool(r)) {
            if (lg_arena_used_bytes(l->values) < COPY_BYTES)
                return LG_OK;
            st = lg_xinsert_flush(l->rows, &about);
            return insert_outcome(c, st, about);
        }
    }
    st = lg_xtarget_check(&l->t, l->values, l->v, l->nulls);
    if (st == LG_SQL)
        where_at(c, NULL, c->text ? lg_arena_strndup(c->row, c->text, c->text_len) : NULL);
    LG_TRY(st);
    st = lg_xinsert_add(l->rows, l->v, l->nulls, c->line, &about);
    c->n++;
    return insert_outcome(c, st, about);
}

static lg_status
load_prepare(struct load *l, lg_bind *b, const lg_ast_copy_stmt *s)
{
    struct copy *c = l->c;
    lg_relation *r = c->rel;
    uint32_t ids;
    LG_TRY(lg_plan_target_make(b, r, &l->pt));
    l->defaults = LG_NEWN(c->u->a, lg_expr *, r->ncols + 1u);
    l->v = LG_NEWN(c->u->a, lg_datum, r->ncols + 1u);
    l->nulls = LG_NEWN(c->u->a, uint8_t, r->ncols + 1u);
    LG_TRY(lg_exec_bare(c->u->es, 4096, &l->x));
    for (uint16_t i = 0; i < r->ncols; i++) {
        bool given = r->cols[i].dropped || r->cols[i].generated;
        for (uint32_t k = 0; k < c->ncols; k++)
            given |= c->atts[k] == r->cols[i].attnum;
        if (given || (!r->cols[i].default_sql && !r->cols[i].identity))
            continue;
        lg_expr *e;
        LG_TRY(lg_bind_column_default(b, r, &r->cols[i], &e));
        LG_TRY(lg_plan_expr(b, e, &l->defaults[i], &ids));
    }
    if (s->where_clause) {
        lg_expr *e;
        LG_TRY(lg_bind_expr(b, s->where_clause, LG_PLACE_WHERE, r, LG_T_BOOL, -1, NULL, &e));
        LG_TRY(lg_plan_expr(b, e, &l->where, &ids));
    }
    c->fields = LG_NEWN(c->u->a, lg_xcopy_field, c->ncols + 1);
    LG_TRY(lg_xtarget_open(l->x, &l->pt, 0, &l->t));
    l->rows = lg_xinsert_open(&l->t, COPY_ROWS);
    l->values = lg_xinsert_arena(l->rows);
    return LG_OK;
}

/* HEADER MATCH: the names of the columns, in their order. */
static lg_status
match_header(struct copy *c, char *line, size_t len)
{
    lg_xcopy_field *f = LG_NEWN(c->row, lg_xcopy_field, c->ncols + 1u);
    uint32_t n = c->format == 'c' ? split_csv(c, line, len, f, c->ncols)
                                  : split_text(c, line, len, f, c->ncols);
    if (n != c->ncols)
        return lg_error_set(c->u->err, "22P04",
                            "wrong number of fields in header line: got %u, expected %u", n,
                            c->ncols);
    for (uint32_t i = 0; i < n; i++) {
        const char *want = c->rel->cols[c->atts[i] - 1].name;
        const char *got = lg_arena_strndup(c->row, f[i].s ? f[i].s : "", f[i].s ? f[i].len : 0);
        if (f[i].null)
            return lg_error_set(c->u->err, "22P04",
                                "column name mismatch in header line field %u: got null value "
                                "(\"%s\"), expected \"%s\"",
                                i + 1, c->null_text, want);
        if (strcmp(got, want) != 0)
            return lg_error_set(c->u->err, "22P04",
                                "column name mismatch in header line field %u: got \"%s\", "
                                "expected \"%s\"",
                                i + 1, got, want);
    }
    return LG_OK;
}

static lg_status
run_in(struct copy *c, const lg_ast_copy_stmt *s)
{
    lg_util *u = c->u;
    struct load l = {.c = c};
    lg_bind b;
    lg_exec_bind_init(u->es, u->a, &b);
    lg_status st = LG_OK;
    LG_CHECK(load_prepare(&l, &b, s));
    progress_begin(c, 1);
    LG_CHECK(end_open(c, true));
    if (c->format == 'b') {
        LG_CHECK(binary_header(c));
    } else if (c->header) {
        char *line;
        size_t len;
        st = read_line(c, &line, &len);
        if (st == LG_END)
            c->eof = true;
        else if (st != LG_OK)
            goto out;
        else if (c->header_match)
            LG_CHECK(match_header(c, line, len));
    }
    do {
        lg_arena_reset(c->row);
        st = load_row(&l);
        if (u->es->check_cancel && lg_fiber_self() && lg_fiber_should_yield()) {
            lg_fiber_yield();
            lg_status k = u->es->check_cancel(u->es->arg);
            if (st == LG_OK)
                st = k;
        }
    } while (st == LG_OK);
    if (st != LG_END)
        goto out;
    uint64_t about;
    st = lg_xinsert_flush(l.rows, &about);
    LG_CHECK(insert_outcome(c, st, about));
    while (!c->eof) { /* what follows \. is thrown away */
        LG_CHECK(end_in(c, &c->buf, &c->len));
        c->eof = c->len == 0;
    }
    st = end_close(c);
out:
    lg_xinsert_close(l.rows);
    lg_exec_close(l.x);
    lg_bind_fini(&b);
    return st;
}

lg_status
lg_ddl_copy(lg_util *u, const lg_ast_copy_stmt *s)
{
    struct copy c = {.u = u};
    lg_status st = LG_OK;
    if (s->filename || s->is_program)
        LG_TRY(end_check_role(u, s));
    c.path = s->filename;
    c.is_from = s->is_from;
    c.encoding =
        u->es->client_encoding ? u->es->client_encoding : lg_encoding_by_id(LG_ENCODING_UTF8);
    c.row = lg_arena_create("copy row", 8192);
    lg_strbuf_init(&c.out, 1u << 30);
    if (s->relation) {
        LG_CHECK(lg_ddl_open(u, s->relation,
                             s->is_from ? LG_LOCK_ROW_EXCLUSIVE : LG_LOCK_ACCESS_SHARE, false,
                             &c.rel));
        if (c.rel->kind != LG_REL_TABLE && !c.rel->virtual_rel) {
            st = lg_error_set(u->err, "42809", "cannot copy %s %s \"%s\"",
                              s->is_from ? "to" : "from",
                              c.rel->kind == LG_REL_VIEW      ? "view"
                              : c.rel->kind == LG_REL_MATVIEW ? "materialized view"
                                                              : "sequence",
                              c.rel->name);
            if (c.rel->kind != LG_REL_SEQUENCE && !s->is_from)
                lg_error_hint(u->err, "Try the COPY (SELECT ...) TO variant.");
            goto out;
        }
        if (s->is_from && c.rel->is_system) {
            st = lg_error_set(u->err, "42501", "permission denied: \"%s\" is a system catalog",
                              c.rel->name);
            goto out;
        }
        LG_CHECK(pick_columns(&c, &s->attlist));
        if (s->is_from) /* COPY TO is a query, which checks for itself */
            LG_CHECK(lg_ddl_check_privilege(u, c.rel, LG_ACL_INSERT, c.ncols, c.atts));
    }
    LG_CHECK(read_options(&c, &s->options));
    if (s->is_from)
        LG_CHECK(run_in(&c, s));
    else
        LG_CHECK(run_out(&c, s->query ? s->query : select_of(&c, s)));
    snprintf(u->tag, LG_TAG_MAX, "COPY %llu", (unsigned long long)c.n);
out:;
    int ignored; /* a statement that failed has said why */
    (void)lg_server_file_close(c.file, &ignored);
    lg_strbuf_fini(&c.out);
    lg_arena_destroy(c.row);
    lg_relation_unref(c.rel);
    return st;
}
