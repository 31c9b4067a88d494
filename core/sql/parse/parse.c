/* Parsing through libpg_query: depth bound, parse, unpack, convert. See parse.h. */
#include "parse_internal.h"
#include "run.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tokens on one path from the root: each tree level takes at least one, and 34,000 levels (of 1,920
 * bytes, in unpacking) fill the 64 MiB native stack. Texts with half as many bytes cannot have as
 * many tokens. */
#define MAX_PATH_TOKENS 20000u
#define MAX_PAREN_DEPTH 10000u

typedef struct parse_job {
    const char *sql;
    lg_arena *a;
    lg_error *err;
    lg_parse_tree *tree;
    lg_status st;
} parse_job;

static lg_status
too_deep(lg_error *err)
{
    lg_error_set(err, "54001", "stack depth limit exceeded");
    lg_error_hint(err,
                  "Increase the configuration parameter \"max_stack_depth\" (currently 2048kB), "
                  "after ensuring the platform's stack depth limit is adequate.");
    return LG_SQL;
}

/* The longest sum, over the open brackets, of tokens since the last comma or semicolon. */
static lg_status
check_depth(const char *sql, lg_arena *a, lg_error *err)
{
    PgQueryScanResult r = pg_query_scan(sql);
    lg_status st = LG_OK;
    if (!r.error) {
        PgQuery__ScanResult *s =
            pg_query__scan_result__unpack(NULL, r.pbuf.len, (const uint8_t *)r.pbuf.data);
        uint32_t *since = LG_NEWN(a, uint32_t, MAX_PAREN_DEPTH + 1);
        uint32_t depth = 0, total = 0;
        for (size_t i = 0; s && i < s->n_tokens && st == LG_OK; i++) {
            switch ((int)s->tokens[i]->token) {
            case PG_QUERY__TOKEN__ASCII_40:
            case PG_QUERY__TOKEN__ASCII_91:
                total++, since[depth]++;
                if (depth == MAX_PAREN_DEPTH)
                    st = too_deep(err);
                else
                    since[++depth] = 0;
                break;
            case PG_QUERY__TOKEN__ASCII_41:
            case PG_QUERY__TOKEN__ASCII_93:
                if (depth)
                    total -= since[depth--];
                break;
            case PG_QUERY__TOKEN__ASCII_44:
            case PG_QUERY__TOKEN__ASCII_59:
                total -= since[depth];
                since[depth] = 0;
                break;
            default:
                total++, since[depth]++;
            }
            if (total > MAX_PATH_TOKENS)
                st = too_deep(err);
        }
        if (s)
            pg_query__scan_result__free_unpacked(s, NULL);
    }
    pg_query_free_scan_result(r);
    return st;
}

/* The library gives no SQLSTATE; PostgreSQL's follows from the text. */
static const char *
sqlstate_of(const char *message)
{
    static const struct {
        const char *part, *state;
    } known[] = {
        {"invalid byte sequence", "22021"},
        {"invalid Unicode", "22025"},
        {"Unicode escape", "22025"},
        {"invalid escape string", "22025"},
        {"unsafe use of", "22P06"},
        {"is not implemented", "0A000"},
        {"not supported", "0A000"},
        {"not yet implemented", "0A000"},
        {"cannot be marked", "0A000"},
        {"is only supported for ON DELETE", "0A000"},
        {"zero-length delimited identifier", "42601"},
        {"WITH TIES cannot be specified", "42601"},
        {"frame start", "42P20"},
        {"frame end", "42P20"},
        {"invalid name syntax", "42602"},
        {"precision for type float", "22023"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(message, known[i].part))
            return known[i].state;
    return "42601";
}

static lg_status
report(const PgQueryError *e, lg_error *err)
{
    lg_error_set(err, sqlstate_of(e->message), "%s", e->message);
    if (!strcmp(e->message, "subquery in FROM must have an alias"))
        lg_error_hint(err, "For example, FROM (SELECT ...) [AS] foo.");
    if (!strcmp(e->message, "VALUES in FROM must have an alias"))
        lg_error_hint(err, "For example, FROM (VALUES ...) [AS] foo.");
    if (!err->position && e->cursorpos > 0)
        err->position = e->cursorpos; /* counts characters already */
    return LG_SQL;
}

static void
trim(const char *sql, lg_parse_stmt *s)
{
    while (s->len > 0 && strchr(" \t\r\n\f", sql[s->loc]))
        s->loc++, s->len--;
    while (s->len > 0 && strchr(" \t\r\n\f", sql[s->loc + s->len - 1]))
        s->len--;
}

static lg_status
convert_tree(parse_job *j, const PgQuery__ParseResult *r)
{
    lg_parse_tree *t = LG_NEW(j->a, lg_parse_tree);
    t->sql = lg_arena_strdup(j->a, j->sql);
    t->stmts = LG_NEWN(j->a, lg_parse_stmt, r->n_stmts + 1);
    for (size_t i = 0; i < r->n_stmts; i++) {
        const PgQuery__RawStmt *raw = r->stmts[i];
        lg_parse_stmt *s = &t->stmts[t->n++];
        const char *unsupported = NULL;
        s->stmt = lg_parse__convert(j->a, raw->stmt, &unsupported);
        s->loc = raw->stmt_location;
        s->len = raw->stmt_len ? raw->stmt_len : (int32_t)strlen(j->sql) - raw->stmt_location;
        trim(t->sql, s);
        if (!s->stmt || unsupported) {
            char tag[LG_COMMAND_TAG_MAX];
            return lg_error_set(j->err, "0A000", "%s is not supported",
                                lg_parse__command_tag(raw->stmt, tag));
        }
    }
    j->tree = t;
    return LG_OK;
}

static void
parse_on_deep_stack(void *arg)
{
    parse_job *j = (parse_job *)arg;
    if (strlen(j->sql) > MAX_PATH_TOKENS / 2) {
        j->st = check_depth(j->sql, j->a, j->err);
        if (j->st)
            return;
    }
    PgQueryProtobufParseResult r = pg_query_parse_protobuf(j->sql);
    if (r.error) {
        j->st = report(r.error, j->err);
    } else {
        PgQuery__ParseResult *p = pg_query__parse_result__unpack(
            NULL, r.parse_tree.len, (const uint8_t *)r.parse_tree.data);
        j->st = p ? convert_tree(j, p) : LG_INTERNAL;
        if (p)
            pg_query__parse_result__free_unpacked(p, NULL);
    }
    pg_query_free_protobuf_parse_result(r);
}

lg_status
lg_parse_sql(struct lg_run *run, const char *sql, lg_arena *a, lg_error *err,
             lg_parse_tree **ret_tree)
{
    parse_job j = {.sql = sql, .a = a, .err = err, .st = LG_OK};
    if (run)
        lg_run_on_native_stack(run, parse_on_deep_stack, &j);
    else
        parse_on_deep_stack(&j);
    if (j.st == LG_OK)
        *ret_tree = j.tree;
    return j.st;
}

/* "SELECT <text>" or the like, whose only target is wanted. */
static lg_status
parse_wrapped(struct lg_run *run, const char *before, const char *text, const char *after,
              lg_arena *a, lg_error *err, lg_ast **ret)
{
    lg_parse_tree *t;
    LG_TRY(lg_parse_sql(run, lg_arena_printf(a, "%s%s%s", before, text, after), a, err, &t));
    if (t->n == 1 && t->stmts[0].stmt->tag == LG_AST_SELECT_STMT) {
        const lg_ast_select_stmt *s = lg_ast_as(t->stmts[0].stmt, select_stmt);
        if (s->target_list.n == 1 && !s->from_clause.n && !s->where_clause &&
            s->target_list.at[0]->tag == LG_AST_RES_TARGET) {
            *ret = lg_ast_as(s->target_list.at[0], res_target)->val;
            return LG_OK;
        }
    }
    return lg_error_set(err, "42601", "syntax error in \"%s\"", text);
}

lg_status
lg_parse_expr(struct lg_run *run, const char *text, lg_arena *a, lg_error *err, lg_ast **ret_expr)
{
    return parse_wrapped(run, "SELECT (", text, ")", a, err, ret_expr);
}

lg_status
lg_parse_type(struct lg_run *run, const char *text, lg_arena *a, lg_error *err,
              lg_ast_type_name **ret_type)
{
    lg_ast *e;
    LG_TRY(parse_wrapped(run, "SELECT NULL::", text, "", a, err, &e));
    if (e->tag != LG_AST_TYPE_CAST)
        return lg_error_set(err, "42601", "invalid type name \"%s\"", text);
    *ret_type = lg_ast_as(e, type_cast)->type_name;
    return LG_OK;
}

int
lg_parse_position(const char *sql, int32_t byte_offset)
{
    int pos = 1;
    for (int32_t i = 0; i < byte_offset && sql[i]; i++)
        if (((unsigned char)sql[i + 1] & 0xC0) != 0x80)
            pos++;
    return pos;
}

const char *
lg_ast_tag_name(lg_ast_tag tag)
{
    static const char *const names[] = {
        [LG_AST_NONE] = "none",     [LG_AST_INTEGER] = "Integer",
        [LG_AST_FLOAT] = "Float",   [LG_AST_BOOLEAN] = "Boolean",
        [LG_AST_STRING] = "String", [LG_AST_BIT_STRING] = "BitString",
        [LG_AST_NULL] = "Null",     [LG_AST_LIST] = "List",
#define LG_AST(Message, name, TAG, fields) [LG_AST_##TAG] = #Message,
#include "ast.def"
#undef LG_AST
    };
    return tag < LG_AST_TAG_COUNT ? names[tag] : "unknown";
}

/* ---- normalizing ---- */

typedef struct norm_job {
    const char *sql;
    lg_arena *a;
    const char *text;
    lg_parse_const *consts;
    uint32_t n;
    lg_status st;
} norm_job;

static bool
is_const_token(int t)
{
    return t == PG_QUERY__TOKEN__ICONST || t == PG_QUERY__TOKEN__FCONST ||
           t == PG_QUERY__TOKEN__SCONST;
}

/* Copies one token, folding what is not quoted. Returns where the next byte goes. */
static char *
put_token(char *out, const char *sql, const PgQuery__ScanToken *t)
{
    bool fold = t->token == PG_QUERY__TOKEN__IDENT || t->keyword_kind;
    for (int32_t i = t->start; i < t->end; i++) {
        char ch = sql[i];
        if (sql[t->start] == '"')
            fold = false;
        *out++ = fold && ch >= 'A' && ch <= 'Z' ? (char)(ch + 32) : ch;
    }
    return out;
}

static void
normalize_tokens(norm_job *j, const PgQuery__ScanResult *s)
{
    int32_t next = 1;
    size_t nconst = 0;
    for (size_t i = 0; i < s->n_tokens; i++) {
        const PgQuery__ScanToken *t = s->tokens[i];
        nconst += is_const_token((int)t->token);
        if (t->token == PG_QUERY__TOKEN__PARAM) {
            int32_t p = atoi(j->sql + t->start + 1);
            next = p >= next ? p + 1 : next;
        }
    }
    j->consts = LG_NEWN(j->a, lg_parse_const, nconst + 1);
    char *out = lg_arena_alloc(j->a, strlen(j->sql) + s->n_tokens * 13 + 1);
    j->text = out;
    int32_t end = 0;
    for (size_t i = 0; i < s->n_tokens; i++) {
        const PgQuery__ScanToken *t = s->tokens[i];
        if (t->token == PG_QUERY__TOKEN__SQL_COMMENT || t->token == PG_QUERY__TOKEN__C_COMMENT)
            continue;
        if (out != j->text && t->start > end)
            *out++ = ' ';
        end = t->end;
        if (is_const_token((int)t->token)) {
            j->consts[j->n++] = (lg_parse_const){t->start, t->end - t->start, next};
            out += sprintf(out, "$%d", next++);
        } else {
            out = put_token(out, j->sql, t);
        }
    }
    *out = 0;
}

static void
normalize_on_deep_stack(void *arg)
{
    norm_job *j = (norm_job *)arg;
    PgQueryScanResult r = pg_query_scan(j->sql);
    j->st = LG_INVALID;
    if (!r.error) {
        PgQuery__ScanResult *s =
            pg_query__scan_result__unpack(NULL, r.pbuf.len, (const uint8_t *)r.pbuf.data);
        if (s) {
            normalize_tokens(j, s);
            pg_query__scan_result__free_unpacked(s, NULL);
            j->st = LG_OK;
        }
    }
    pg_query_free_scan_result(r);
}

lg_status
lg_parse_normalize(struct lg_run *run, const char *sql, lg_arena *a, const char **ret_text,
                   lg_parse_const **ret_consts, uint32_t *ret_n_consts)
{
    norm_job j = {.sql = sql, .a = a};
    if (run)
        lg_run_on_native_stack(run, normalize_on_deep_stack, &j);
    else
        normalize_on_deep_stack(&j);
    LG_TRY(j.st);
    *ret_text = j.text;
    *ret_consts = j.consts;
    *ret_n_consts = j.n;
    return LG_OK;
}

/* ---- as pg_stat_statements knows it ---- */

typedef struct print_job {
    const char *sql;
    lg_arena *a; /* NULL: only the fingerprint */
    const char *text;
    uint64_t fingerprint;
} print_job;

static void
print_on_deep_stack(void *arg)
{
    print_job *j = (print_job *)arg;
    if (!j->a) {
        PgQueryFingerprintResult f = pg_query_fingerprint(j->sql);
        j->fingerprint = f.error ? 0 : f.fingerprint;
        pg_query_free_fingerprint_result(f);
        return;
    }
    PgQueryNormalizeResult n = pg_query_normalize(j->sql);
    j->text = n.error ? j->sql : lg_arena_strdup(j->a, n.normalized_query);
    pg_query_free_normalize_result(n);
}

static void
print_run(struct lg_run *run, print_job *j)
{
    if (run)
        lg_run_on_native_stack(run, print_on_deep_stack, j);
    else
        print_on_deep_stack(j);
}

uint64_t
lg_parse_fingerprint(struct lg_run *run, const char *sql)
{
    print_job j = {.sql = sql};
    print_run(run, &j);
    return j.fingerprint;
}

const char *
lg_parse_pg_normalize(struct lg_run *run, const char *sql, lg_arena *a)
{
    print_job j = {.sql = sql, .a = a};
    print_run(run, &j);
    return j.text;
}
