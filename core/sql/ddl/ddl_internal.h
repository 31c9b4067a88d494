/* Inside core/sql/ddl: the running statement, catalog rows of relations. */
#ifndef LG_DDL_INTERNAL_H
#define LG_DDL_INTERNAL_H

#include "array.h"
#include "assert.h"
#include "cat_collation.h"
#include "ddl.h"
#include "rows.h"
#include "map.h"
#include "mem.h"
#include "strbuf.h"
#include "syscat.h"
#include "txn.h"
#include "type.h"
#include <stdio.h>

/* A running utility statement. */
typedef struct lg_util {
    lg_exec_session *es;
    lg_cat *cat;
    lg_error *err;
    lg_arena *a;
    const lg_bind *params;
    lg_exec_sink sink;
    void *sink_arg;
    char *tag;
} lg_util;

#define SETC(row, tab, col, d) LG_ROW_SET((row), LG_AT_##tab##_##col, (lg_datum)(d))
#define GETC(row, tab, col)    LG_ROW_GET((row), LG_AT_##tab##_##col)
#define NULLC(row, tab, col)   LG_ROW_NULL((row), LG_AT_##tab##_##col)

typedef struct lg_ddl_column {
    const char *name;
    lg_oid type;
    int32_t typmod;
    lg_oid collation; /* 0: the type's own */
    bool not_null;
    char identity; /* 'a', 'd', 0 */
    char generated;
    const char *default_sql;
    bool has_missing;
    bool of_index; /* a key of an index */
    lg_datum missing;
} lg_ddl_column;

typedef struct lg_ddl_index {
    const char *name;
    lg_oid oid; /* set by lg_ddl_index_create */
    uint16_t nkeys, natts;
    int16_t attnum[LG_INDEX_MAX_KEYS];
    lg_oid type[LG_INDEX_MAX_KEYS];
    lg_oid opclass[LG_INDEX_MAX_KEYS];
    lg_oid collation[LG_INDEX_MAX_KEYS]; /* 0: the column's or the type's */
    bool desc[LG_INDEX_MAX_KEYS], nulls_first[LG_INDEX_MAX_KEYS];
    const char *expr[LG_INDEX_MAX_KEYS];     /* texts where attnum is 0 */
    const char *att_name[LG_INDEX_MAX_KEYS]; /* NULL: the column's own, of an expression "expr" */
    bool unique, primary, nulls_not_distinct, immediate;
    bool invalid; /* being built beside writers */
    bool of_constraint;
    const char *predicate_sql;
} lg_ddl_index;

/* An array in the statement's arena, with room for one more after n. */
void *lg_ddl_room(lg_util *u, void *at, uint32_t n, uint32_t *cap, size_t size);

/* ---- names ---- */
/* The next row of a scan, unless the statement was canceled. */
lg_status lg_ddl_next(lg_util *u, const lg_access *acc, void *scan, lg_arena *a, lg_tid *ret_tid,
                      const uint8_t **ret_row, size_t *ret_len);

/* All stored rows of a table, the newest versions (ddl_rows.c). What next gives lives until the next
 * next; close is fine for a zeroed one. */
typedef struct lg_ddl_rows {
    lg_util *u;
    lg_relation *rel;
    const lg_access *acc;
    void *scan;
    lg_arena *a; /* of the row */
    lg_tid tid;
    lg_datum *values;
    uint8_t *nulls;
} lg_ddl_rows;

LG_MUST lg_status lg_ddl_rows_open(lg_ddl_rows *r, lg_util *u, lg_relation *rel);
LG_MUST lg_status lg_ddl_rows_next(lg_ddl_rows *r); /* LG_END */
/* An expression over the row, by the vectors of a target of the same table. */
LG_MUST lg_status lg_ddl_rows_eval(lg_ddl_rows *r, lg_xtarget *over, const lg_expr *e,
                                   lg_datum *ret, uint8_t *ret_null);
void lg_ddl_rows_close(lg_ddl_rows *r);

lg_status lg_ddl_namespace_for(lg_util *u, const lg_ast_range_var *rv, lg_oid *ret_nsp);
LG_MUST lg_status lg_ddl_schema_missing(lg_util *u, const char *schema, bool missing_ok);
/* With the lock, current. LG_NOT_FOUND when missing_ok, else 42P01. */
lg_status lg_ddl_open(lg_util *u, const lg_ast_range_var *rv, lg_lockmode mode, bool missing_ok,
                      lg_relation **ret_rel);
lg_status lg_ddl_open_oid(lg_util *u, lg_oid oid, lg_lockmode mode, lg_relation **ret_rel);
/* The names of a list as a range variable ("schema"."name"). */
lg_ast_range_var *lg_ddl_range_var(lg_util *u, const lg_ast *list);
/* 42P07 when the name is taken; *ret_exists with if_not_exists. */
lg_status lg_ddl_check_free(lg_util *u, lg_oid nsp, const char *name, bool if_not_exists,
                            bool *ret_exists);
/* The type below a column's domains; 42P16 for types that no column can have. */
lg_status lg_ddl_column_base(lg_util *u, const char *column, lg_oid type, lg_oid *ret_base);
/* "t_a_key": cut to 63 bytes and numbered until it is free. */
lg_status lg_ddl_choose_name(lg_util *u, lg_oid nsp, const char *name1, const char *name2,
                             const char *label, const char **ret_name);
/* The list that a new object of the user gets by ALTER DEFAULT PRIVILEGES; 0: none. */
lg_status lg_ddl_default_acl(lg_util *u, char stored_type, lg_oid nsp, lg_datum *ret);
/* The schema goes: so do default privileges in it. */
lg_status lg_ddl_default_acl_forget(lg_util *u, lg_oid nsp);
/* A list with the old owner's place taken by the new one. */
lg_datum lg_ddl_acl_new_owner(lg_util *u, lg_datum list, lg_oid from, lg_oid to);
/* 42501 unless the user has all of `want` (acl.h) on the relation, or on each of the columns. */
lg_status lg_ddl_check_privilege(lg_util *u, const lg_relation *rel, uint32_t want, uint32_t ncols,
                                 const int16_t *cols);
/* 55006 when checks of its rows are pending; action: "ALTER TABLE". */
lg_status lg_ddl_check_unused(lg_util *u, const lg_relation *rel, const char *action);
lg_status lg_ddl_check_owner(lg_util *u, const lg_relation *rel);
lg_status lg_ddl_role(lg_util *u, const lg_ast_role_spec *r, lg_oid *ret_oid);
/* Expression to stored text: names of relations as OIDs. */
lg_status lg_ddl_expr_text(lg_util *u, lg_bind *b, const lg_expr *e, const lg_relation *rel,
                           const char **ret_text);
void lg_ddl_notice(lg_util *u, const char *sqlstate, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "schema"."name" (of an lg_util), as stored queries name relations; NULL: gone. */
const char *lg_ddl_qualified_name(void *util, lg_oid oid);
/* As messages name it: with the schema, when the name alone would not find it. */
const char *lg_ddl_shown_name(lg_util *u, const lg_relation *r);
const char *lg_ddl_relation_word(const lg_relation *rel); /* "materialized view" */

/* ---- dependencies and dropping (ddl_depend.c, ddl_remove.c) ---- */
/* An object of the catalog, or (sub) a column of it. */
typedef struct lg_ddl_object {
    lg_oid cls, obj;
    int32_t sub;
} lg_ddl_object;

enum { LG_DDL_CASCADE = 1, LG_DDL_QUIET = 2 };
/* Drops the objects. What needs them goes, too, and is told (LG_DDL_CASCADE; with LG_DDL_QUIET it is
 * not told), or it is 2BP01. */
LG_MUST lg_status lg_ddl_delete(lg_util *u, const lg_ddl_object *at, uint32_t n, unsigned how);
void lg_ddl_objects_sort(lg_ddl_object *at, uint32_t n); /* the newest first */
LG_MUST lg_status lg_ddl_remove(lg_util *u, const lg_ddl_object *o);
/* The rule that makes a relation a view, with what it needs. */
LG_MUST lg_status lg_ddl_remove_rule(lg_util *u, lg_oid view);
/* The relation or column that an object is part of and goes with; cls 0: none. */
LG_MUST lg_status lg_ddl_remove_place(lg_util *u, const lg_ddl_object *o, lg_ddl_object *ret);
/* What needs the column, in the order it was made; a view for its rule. */
LG_MUST lg_status lg_ddl_column_links(lg_util *u, lg_oid rel, int16_t att, lg_ddl_object **ret,
                                      uint32_t *ret_n);
/* The object needs the columns that a stored expression of the relation names; text may be NULL. */
LG_MUST lg_status lg_ddl_depend_columns(lg_util *u, lg_oid cls, lg_oid obj, lg_relation *rel,
                                        const char *text, bool boolean, char type);
/* And what a query names. */
LG_MUST lg_status lg_ddl_depend_query(lg_util *u, lg_oid cls, lg_oid obj, const lg_bind *b,
                                      const lg_query *q);
LG_MUST lg_status lg_ddl_depend_forget_column(lg_util *u, lg_oid rel, int32_t att);
/* Its comments and dependencies. */
lg_status lg_ddl_common_delete(lg_util *u, lg_oid cls, lg_oid oid);

/* ---- rows ---- */
lg_status lg_ddl_class_insert(lg_util *u, lg_oid oid, const char *name, lg_oid nsp, char kind,
                              const lg_rel_storage *st, uint16_t natts, char persistence);
lg_status lg_ddl_attribute_insert(lg_util *u, lg_oid rel, int16_t attnum, const lg_ddl_column *col);
/* of: the relation, when the column is generated; else NULL. */
lg_status lg_ddl_default_insert(lg_util *u, lg_oid rel, int16_t attnum, const char *text,
                                lg_relation *of);
lg_status lg_ddl_default_drop(lg_util *u, lg_oid attrdef); /* 0 is fine */
lg_status lg_ddl_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub, lg_oid refcls,
                        lg_oid refobj, int32_t refsub, char type);
lg_status lg_ddl_constraint_insert(lg_util *u, const lg_relation *rel, const lg_constraint *k);
/* Changes one pg_class row through fn. */
lg_status lg_ddl_class_update(lg_util *u, lg_oid oid, void (*fn)(lg_cat_row *, void *), void *arg);
lg_status lg_ddl_attribute_update(lg_util *u, lg_oid rel, int16_t attnum,
                                  void (*fn)(lg_cat_row *, void *), void *arg);

/* Forgets what the object depends on. */
lg_status lg_ddl_depend_forget(lg_util *u, lg_oid cls, lg_oid obj);
/* ... of one column. */
lg_status lg_ddl_depend_forget_sub(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub);

/* ---- temporary objects (ddl_temp.c) ---- */
/* The session's temporary schema, made when there is none. */
LG_MUST lg_status lg_ddl_temp_namespace(lg_util *u, lg_oid *ret_nsp);
/* Is it a temporary object that is wanted, by word or by schema? */
bool lg_ddl_wants_temp(lg_util *u, const lg_ast_range_var *rv);
void lg_ddl_temp_on_commit(lg_util *u, lg_oid table, int32_t action); /* LG_A_ONCOMMIT_... */
/* Empties the table: new segments for it and its indexes (ddl_table.c). */
LG_MUST lg_status lg_ddl_truncate_one(lg_util *u, lg_oid table);

/* ---- types (ddl_type.c) ---- */
LG_MUST lg_status lg_ddl_type_find(lg_util *u, lg_oid nsp, const char *name, lg_cat_row *row);
/* A pg_type row from the facts of a type; what is special is set by the caller. */
void lg_ddl_type_row(lg_util *u, lg_oid oid, const char *name, lg_oid nsp, const lg_type *facts,
                     lg_cat_row *row);
/* With its array type's. */
LG_MUST lg_status lg_ddl_type_insert(lg_util *u, lg_cat_row *row);
LG_MUST lg_status lg_ddl_rowtype_insert(lg_util *u, lg_oid rel, const char *name, lg_oid nsp);
LG_MUST lg_status lg_ddl_type_delete(lg_util *u, lg_oid oid);
/* Name, schema, owner of a type and its array type; NULL and 0 stay. No such row: nothing. */
LG_MUST lg_status lg_ddl_type_change(lg_util *u, lg_oid oid, const char *name, lg_oid nsp,
                                     lg_oid owner);
/* Notes that the object needs the type (or its element type), if a user made it. */
LG_MUST lg_status lg_ddl_type_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub, lg_oid type);
LG_MUST lg_status lg_ddl_type_named(lg_util *u, const lg_ast_list *names, bool missing_ok,
                                    lg_oid *ret);
LG_MUST lg_status lg_ddl_type_place(lg_util *u, const lg_ast_list *names, lg_oid *ret_nsp,
                                    const char **ret_name);
LG_MUST lg_status lg_ddl_type_owner_check(lg_util *u, lg_oid type);
LG_MUST lg_status lg_ddl_type_owner(lg_util *u, const lg_ast_list *names, lg_oid role, bool domain);
LG_MUST lg_status lg_ddl_create_enum(lg_util *u, const lg_ast_create_enum_stmt *s);
LG_MUST lg_status lg_ddl_alter_enum(lg_util *u, const lg_ast_alter_enum_stmt *s);
LG_MUST lg_status lg_ddl_create_composite(lg_util *u, const lg_ast_composite_type_stmt *s);
/* What DROP names: the user's own; 0: it may be missing, and is. */
LG_MUST lg_status lg_ddl_drop_type_find(lg_util *u, const lg_ast_drop_stmt *s, const lg_ast *object,
                                        lg_oid *ret);
LG_MUST lg_status lg_ddl_type_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s);
LG_MUST lg_status lg_ddl_rename_type(lg_util *u, const lg_ast_rename_stmt *s);
/* The columns that need the relation's row type: 0A000 for a change that they forbid. */
LG_MUST lg_status lg_ddl_rowtype_unused(lg_util *u, const lg_relation *r);

/* ---- collations (ddl_collation.c) ---- */
LG_MUST lg_status lg_ddl_create_collation(lg_util *u, const lg_ast_define_stmt *s);
LG_MUST lg_status lg_ddl_alter_collation(lg_util *u, const lg_ast_alter_collation_stmt *s);
LG_MUST lg_status lg_ddl_rename_collation(lg_util *u, const lg_ast_rename_stmt *s);
LG_MUST lg_status lg_ddl_collation_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s);
LG_MUST lg_status lg_ddl_collation_owner(lg_util *u, const lg_ast_alter_owner_stmt *s, lg_oid role);
/* The user's own. */
LG_MUST lg_status lg_ddl_collation_named(lg_util *u, const lg_ast_list *names, lg_oid *ret);
/* What DROP names; 0: it may be missing, and is. */
LG_MUST lg_status lg_ddl_drop_collation_find(lg_util *u, const lg_ast_drop_stmt *s,
                                             const lg_ast *object, lg_oid *ret);
/* Notes that the object needs the collation, if a user made it. */
LG_MUST lg_status lg_ddl_collation_depend(lg_util *u, lg_oid cls, lg_oid obj, int32_t sub,
                                          lg_oid coll);

/* ---- domains (ddl_domain.c) ---- */
LG_MUST lg_status lg_ddl_create_domain(lg_util *u, const lg_ast_create_domain_stmt *s);
LG_MUST lg_status lg_ddl_alter_domain(lg_util *u, const lg_ast_alter_domain_stmt *s);
LG_MUST lg_status lg_ddl_rename_domain_constraint(lg_util *u, const lg_ast_rename_stmt *s);
/* The first column of r whose stored values break the domain's constraints; NULL: none. */
LG_MUST lg_status lg_ddl_domain_rows(lg_util *u, lg_relation *r, lg_oid domain,
                                     const char **ret_column);

LG_MUST lg_status lg_ddl_drop_column(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd);
LG_MUST lg_status lg_ddl_rename_relation(lg_util *u, lg_relation *r, const char *new_name);

/* ---- pieces ---- */
/* Rows and entries of an index over what the table holds now. */
lg_status lg_ddl_index_retype(lg_util *u, const lg_index *ix, const lg_column *was,
                              const lg_column *now);
lg_status lg_ddl_index_create(lg_util *u, lg_relation *rel, lg_ddl_index *ix);
lg_status lg_ddl_index_build(lg_util *u, lg_oid table, lg_oid index);
lg_status lg_ddl_index_from_columns(lg_util *u, const lg_relation *rel, const lg_ast_list *names,
                                    lg_ddl_index *ix);
lg_status lg_ddl_sequence_make(lg_util *u, lg_oid nsp, const char *name, lg_oid type,
                               const lg_ast_list *options, lg_oid *ret_oid);
/* LIKE (ddl_like.c): the columns, with the sequences of identity columns; and, once the table is
 * there, what else of the source was asked for. */
lg_status lg_ddl_like_columns(lg_util *u, const lg_ast_table_like_clause *like, const char *table,
                              lg_oid nsp, lg_ddl_column *cols, lg_oid *seqs, uint32_t *n,
                              uint32_t cap);
lg_status lg_ddl_like_rest(lg_util *u, const lg_ast_table_like_clause *like, lg_oid table);
const char *lg_ddl_index_columns_name(lg_util *u, const lg_relation *rel, const lg_ddl_index *ix);
/* The same index once more, for rel (the same columns). */
void lg_ddl_index_copy(lg_util *u, const lg_relation *rel, const lg_index *ix, lg_ddl_index *ret);
/* Columns by definition: types, serial, identity. Constraints of columns are appended to `later`.
 */
lg_status lg_ddl_constraint_add(lg_util *u, lg_oid table, const lg_ast_constraint *c,
                                const char *column);
lg_status lg_ddl_constraint_attrs(lg_util *u, const lg_ast_list *in, lg_ast_list *ret);
lg_status lg_ddl_table_make(lg_util *u, lg_oid nsp, const char *name, char persistence,
                            uint32_t ncols, const lg_ddl_column *cols, lg_oid *ret_oid);
lg_status lg_ddl_column_from_def(lg_util *u, const char *table, lg_oid nsp,
                                 const lg_ast_column_def *def, lg_ddl_column *ret,
                                 lg_oid *ret_sequence, char *ret_dep);
lg_status lg_ddl_collation(lg_util *u, const lg_ast_collate_clause *c, lg_oid type, lg_oid *ret);
lg_status lg_ddl_column_default(lg_util *u, const lg_ast_column_def *def, lg_relation *rel,
                                const lg_ddl_column *col, const char **ret_text, char *generated);

/* The table's rows from a plan; a new, empty segment, the old one going at commit. */
lg_status lg_ddl_fill(lg_util *u, lg_oid oid, const lg_plan *plan, uint64_t *ret_n);
lg_status lg_ddl_new_segment(lg_util *u, lg_oid oid, lg_seg_kind kind, const lg_rel_storage *old);

/* The object needs the functions that a stored text calls. */
LG_MUST lg_status lg_ddl_depend_text(lg_util *u, lg_oid cls, lg_oid obj, const char *text);

/* ---- ddl_function.c ---- */
struct lg_proc;
/* NULL with missing_ok: a notice was given. */
LG_MUST lg_status lg_ddl_function_named(lg_util *u, const lg_ast_object_with_args *o, int32_t type,
                                        bool missing_ok, struct lg_proc **ret);
LG_MUST lg_status lg_ddl_drop_function_find(lg_util *u, const lg_ast_drop_stmt *s,
                                            const lg_ast *object, lg_oid *ret);
LG_MUST lg_status lg_ddl_rename_function(lg_util *u, const lg_ast_rename_stmt *s);
LG_MUST lg_status lg_ddl_function_owner(lg_util *u, const lg_ast_alter_owner_stmt *s, lg_oid role);
LG_MUST lg_status lg_ddl_function_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s);
LG_MUST lg_status lg_ddl_function_set_acl(lg_util *u, const struct lg_proc *p, lg_datum acl);
/* "function f(integer)". */
const char *lg_ddl_function_text(lg_util *u, const struct lg_proc *p);
/* The value of SET as text, lists joined (ddl_role.c). */
const char *lg_ddl_set_text(lg_util *u, const lg_ast_variable_set_stmt *v);

/* ---- ddl_view.c ---- */
lg_status lg_ddl_create_matview(lg_util *u, const lg_ast_create_table_as_stmt *s);
/* ALTER VIEW SET (...), RESET (...). */
lg_status lg_ddl_view_options(lg_util *u, lg_relation *r, const lg_ast_list *list, bool reset);

/* ---- ddl_concurrent.c ---- */
/* Brings an index that was made invalid in the running transaction to life; several transactions. */
LG_MUST lg_status lg_ddl_index_concurrently(lg_util *u, lg_oid table, lg_oid index);
LG_MUST lg_status lg_ddl_reindex_concurrently(lg_util *u, lg_oid table, lg_oid index);
/* Waits until nobody uses the index; ret_table is locked for the transaction that follows. */
LG_MUST lg_status lg_ddl_drop_index_concurrently(lg_util *u, lg_oid table, lg_oid index);
LG_MUST lg_status lg_ddl_index_set_valid(lg_util *u, lg_oid table, lg_oid index, bool valid);

/* ---- ddl_options.c ---- */
/* Storage parameters: set, or taken back. */
LG_MUST lg_status lg_ddl_reloptions(lg_util *u, lg_oid rel, char kind, const lg_ast_list *list,
                                    bool reset);
LG_MUST lg_status lg_ddl_set_logged(lg_util *u, lg_relation *r, bool logged);
LG_MUST lg_status lg_ddl_alter_option(lg_util *u, lg_relation *r,
                                      const lg_ast_alter_table_cmd *cmd);

/* ---- ddl_rename.c ---- */
LG_MUST lg_status lg_ddl_move_constraint(lg_util *u, lg_oid oid, lg_oid nsp);
/* To another schema: the relation, its row type, indexes and the sequences of its columns. */
LG_MUST lg_status lg_ddl_move_relation(lg_util *u, lg_relation *r, lg_oid nsp, const char *schema);

/* ---- ddl_column.c ---- */
/* 42703 when there is none. */
LG_MUST lg_status lg_ddl_column_named(lg_util *u, const lg_relation *r, const char *name,
                                      const lg_column **ret);
lg_status lg_ddl_add_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd);
lg_status lg_ddl_set_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd);
lg_status lg_ddl_drop_identity(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd);
lg_status lg_ddl_drop_expression(lg_util *u, lg_relation *r, const lg_ast_alter_table_cmd *cmd);
lg_status lg_ddl_alter_constraint(lg_util *u, lg_relation *r, const lg_ast_constraint *c);
lg_status lg_ddl_validate(lg_util *u, lg_relation *r, const char *name);
/* Do all rows satisfy a CHECK or foreign key that was added NOT VALID? (ddl_index.c) */
lg_status lg_ddl_constraint_validate(lg_util *u, lg_relation *rel, const lg_constraint *k);

/* ---- statements ---- */
lg_status lg_ddl_create_table(lg_util *u, const lg_ast_create_stmt *s);
lg_status lg_ddl_create_index(lg_util *u, const lg_ast_index_stmt *s);
lg_status lg_ddl_drop(lg_util *u, const lg_ast_drop_stmt *s);
lg_status lg_ddl_alter_table(lg_util *u, const lg_ast_alter_table_stmt *s);
lg_status lg_ddl_set_schema(lg_util *u, const lg_ast_alter_object_schema_stmt *s);
lg_status lg_ddl_rename(lg_util *u, const lg_ast_rename_stmt *s);
lg_status lg_ddl_rename_role(lg_util *u, const char *from, const char *to);
lg_status lg_ddl_truncate(lg_util *u, const lg_ast_truncate_stmt *s);
lg_status lg_ddl_reindex(lg_util *u, const lg_ast_reindex_stmt *s);
lg_status lg_ddl_create_sequence(lg_util *u, const lg_ast_create_seq_stmt *s);
lg_status lg_ddl_alter_sequence(lg_util *u, const lg_ast_alter_seq_stmt *s);
lg_status lg_ddl_create_schema(lg_util *u, const lg_ast_create_schema_stmt *s);
lg_status lg_ddl_create_view(lg_util *u, const lg_ast_view_stmt *s);
lg_status lg_ddl_create_function(lg_util *u, const lg_ast_create_function_stmt *s);
lg_status lg_ddl_alter_function(lg_util *u, const lg_ast_alter_function_stmt *s);
lg_status lg_ddl_refresh(lg_util *u, const lg_ast_refresh_mat_view_stmt *s);
lg_status lg_ddl_create_table_as(lg_util *u, const lg_ast_create_table_as_stmt *s);
lg_status lg_ddl_comment(lg_util *u, const lg_ast_comment_stmt *s);
lg_status lg_ddl_create_role(lg_util *u, const lg_ast_create_role_stmt *s);
lg_status lg_ddl_alter_role(lg_util *u, const lg_ast_alter_role_stmt *s);
lg_status lg_ddl_grant(lg_util *u, const lg_ast_grant_stmt *s);
lg_status lg_ddl_grant_role(lg_util *u, const lg_ast_grant_role_stmt *s);
lg_status lg_ddl_default_privileges(lg_util *u, const lg_ast_alter_default_privileges_stmt *s);
lg_status lg_ddl_reassign_owned(lg_util *u, const lg_ast_reassign_owned_stmt *s);
lg_status lg_ddl_drop_owned(lg_util *u, const lg_ast_drop_owned_stmt *s);
lg_status lg_ddl_alter_role_set(lg_util *u, const lg_ast_alter_role_set_stmt *s);
lg_status lg_ddl_create_database(lg_util *u, const lg_ast_createdb_stmt *s);
/* lg_cat_database_fill.fn, of an lg_util (ddl_dbcopy.c). */
lg_status lg_ddl_database_fill(void *util, lg_cat *from, lg_cat *to, const lg_cat_copied *list,
                               uint32_t n);
lg_status lg_ddl_drop_database(lg_util *u, const lg_ast_dropdb_stmt *s);
lg_status lg_ddl_alter_database(lg_util *u, const lg_ast_alter_database_stmt *s);
lg_status lg_ddl_refresh_database(lg_util *u, const lg_ast_alter_database_refresh_coll_stmt *s);
lg_status lg_ddl_rename_database(lg_util *u, const char *from, const char *to);
lg_status lg_ddl_database_owner(lg_util *u, const char *name, lg_oid role);
/* The database goes: so do its settings. */
lg_status lg_ddl_database_settings_forget(lg_util *u, lg_oid db);
lg_status lg_ddl_alter_database_set(lg_util *u, const lg_ast_alter_database_set_stmt *s);
lg_status lg_ddl_drop_role(lg_util *u, const lg_ast_drop_role_stmt *s);
lg_status lg_ddl_owner(lg_util *u, const lg_ast_alter_owner_stmt *s);
lg_status lg_ddl_copy(lg_util *u, const lg_ast_copy_stmt *s);
lg_status lg_ddl_lock(lg_util *u, const lg_ast_lock_stmt *s);
lg_status lg_ddl_analyze(lg_util *u, const lg_ast_vacuum_stmt *s);
lg_status lg_ddl_analyze_table(lg_util *u, lg_relation *r);

#endif
