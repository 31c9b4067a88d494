/* What PostgreSQL calls a statement: the words that its errors and command tags use ("CREATE TABLE"). Most follow from
 * the node's name (CreatePolicyStmt); the others stand in tables. */
#include "parse_internal.h"

#include <protobuf-c/protobuf-c.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

typedef struct phrase {
    const char *node, *words;
} phrase;

/* Sorted by nothing: looked through only on the way to an error. */
static const phrase phrases[] = {
    {"AlterDatabaseRefreshCollStmt", "ALTER DATABASE"},
    {"AlterDatabaseSetStmt", "ALTER DATABASE"},
    {"AlterDefaultPrivilegesStmt", "ALTER DEFAULT PRIVILEGES"},
    {"AlterEnumStmt", "ALTER TYPE"},
    {"AlterEventTrigStmt", "ALTER EVENT TRIGGER"},
    {"AlterExtensionContentsStmt", "ALTER EXTENSION"},
    {"AlterFdwStmt", "ALTER FOREIGN DATA WRAPPER"},
    {"AlterForeignServerStmt", "ALTER SERVER"},
    {"AlterOpFamilyStmt", "ALTER OPERATOR FAMILY"},
    {"AlterRoleSetStmt", "ALTER ROLE"},
    {"AlterSeqStmt", "ALTER SEQUENCE"},
    {"AlterStatsStmt", "ALTER STATISTICS"},
    {"AlterTSConfigurationStmt", "ALTER TEXT SEARCH CONFIGURATION"},
    {"AlterTSDictionaryStmt", "ALTER TEXT SEARCH DICTIONARY"},
    {"AlterTableMoveAllStmt", "ALTER TABLE"},
    {"AlterTableSpaceOptionsStmt", "ALTER TABLESPACE"},
    {"CheckPointStmt", "CHECKPOINT"},
    {"ClosePortalStmt", "CLOSE CURSOR"},
    {"CompositeTypeStmt", "CREATE TYPE"},
    {"ConstraintsSetStmt", "SET CONSTRAINTS"},
    {"CreateAmStmt", "CREATE ACCESS METHOD"},
    {"CreateEnumStmt", "CREATE TYPE"},
    {"CreateEventTrigStmt", "CREATE EVENT TRIGGER"},
    {"CreateFdwStmt", "CREATE FOREIGN DATA WRAPPER"},
    {"CreateForeignServerStmt", "CREATE SERVER"},
    {"CreateOpClassStmt", "CREATE OPERATOR CLASS"},
    {"CreateOpFamilyStmt", "CREATE OPERATOR FAMILY"},
    {"CreatePLangStmt", "CREATE LANGUAGE"},
    {"CreateRangeStmt", "CREATE TYPE"},
    {"CreateSeqStmt", "CREATE SEQUENCE"},
    {"CreateStatsStmt", "CREATE STATISTICS"},
    {"CreateStmt", "CREATE TABLE"},
    {"CreateTableSpaceStmt", "CREATE TABLESPACE"},
    {"CreateTrigStmt", "CREATE TRIGGER"},
    {"CreatedbStmt", "CREATE DATABASE"},
    {"DropTableSpaceStmt", "DROP TABLESPACE"},
    {"DropdbStmt", "DROP DATABASE"},
    {"IndexStmt", "CREATE INDEX"},
    {"LockStmt", "LOCK TABLE"},
    {"RefreshMatViewStmt", "REFRESH MATERIALIZED VIEW"},
    {"RuleStmt", "CREATE RULE"},
    {"SecLabelStmt", "SECURITY LABEL"},
    {"TruncateStmt", "TRUNCATE TABLE"},
    {"VariableShowStmt", "SHOW"},
    {"ViewStmt", "CREATE VIEW"},
};

/* By LG_A_OBJECT_*. */
static const char *const objects[] = {
    [LG_A_OBJECT_ACCESS_METHOD] = "ACCESS METHOD",
    [LG_A_OBJECT_AGGREGATE] = "AGGREGATE",
    [LG_A_OBJECT_ATTRIBUTE] = "TYPE",
    [LG_A_OBJECT_CAST] = "CAST",
    [LG_A_OBJECT_COLUMN] = "TABLE",
    [LG_A_OBJECT_COLLATION] = "COLLATION",
    [LG_A_OBJECT_CONVERSION] = "CONVERSION",
    [LG_A_OBJECT_DATABASE] = "DATABASE",
    [LG_A_OBJECT_DOMAIN] = "DOMAIN",
    [LG_A_OBJECT_DOMCONSTRAINT] = "DOMAIN",
    [LG_A_OBJECT_EVENT_TRIGGER] = "EVENT TRIGGER",
    [LG_A_OBJECT_EXTENSION] = "EXTENSION",
    [LG_A_OBJECT_FDW] = "FOREIGN DATA WRAPPER",
    [LG_A_OBJECT_FOREIGN_SERVER] = "SERVER",
    [LG_A_OBJECT_FOREIGN_TABLE] = "FOREIGN TABLE",
    [LG_A_OBJECT_FUNCTION] = "FUNCTION",
    [LG_A_OBJECT_INDEX] = "INDEX",
    [LG_A_OBJECT_LANGUAGE] = "LANGUAGE",
    [LG_A_OBJECT_LARGEOBJECT] = "LARGE OBJECT",
    [LG_A_OBJECT_MATVIEW] = "MATERIALIZED VIEW",
    [LG_A_OBJECT_OPCLASS] = "OPERATOR CLASS",
    [LG_A_OBJECT_OPERATOR] = "OPERATOR",
    [LG_A_OBJECT_OPFAMILY] = "OPERATOR FAMILY",
    [LG_A_OBJECT_POLICY] = "POLICY",
    [LG_A_OBJECT_PROCEDURE] = "PROCEDURE",
    [LG_A_OBJECT_PUBLICATION] = "PUBLICATION",
    [LG_A_OBJECT_ROLE] = "ROLE",
    [LG_A_OBJECT_ROUTINE] = "ROUTINE",
    [LG_A_OBJECT_RULE] = "RULE",
    [LG_A_OBJECT_SCHEMA] = "SCHEMA",
    [LG_A_OBJECT_SEQUENCE] = "SEQUENCE",
    [LG_A_OBJECT_SUBSCRIPTION] = "SUBSCRIPTION",
    [LG_A_OBJECT_STATISTIC_EXT] = "STATISTICS",
    [LG_A_OBJECT_TABCONSTRAINT] = "TABLE",
    [LG_A_OBJECT_TABLE] = "TABLE",
    [LG_A_OBJECT_TABLESPACE] = "TABLESPACE",
    [LG_A_OBJECT_TRANSFORM] = "TRANSFORM",
    [LG_A_OBJECT_TRIGGER] = "TRIGGER",
    [LG_A_OBJECT_TSCONFIGURATION] = "TEXT SEARCH CONFIGURATION",
    [LG_A_OBJECT_TSDICTIONARY] = "TEXT SEARCH DICTIONARY",
    [LG_A_OBJECT_TSPARSER] = "TEXT SEARCH PARSER",
    [LG_A_OBJECT_TSTEMPLATE] = "TEXT SEARCH TEMPLATE",
    [LG_A_OBJECT_TYPE] = "TYPE",
    [LG_A_OBJECT_USER_MAPPING] = "USER MAPPING",
    [LG_A_OBJECT_VIEW] = "VIEW",
};

/* "CreatePolicyStmt" -> "CREATE POLICY". */
static void
name_words(const char *node, char tag[LG_COMMAND_TAG_MAX])
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (!strcmp(phrases[i].node, node)) {
            snprintf(tag, LG_COMMAND_TAG_MAX, "%s", phrases[i].words);
            return;
        }
    size_t n = 0, len = strlen(node);
    if (len > 4 && !strcmp(node + len - 4, "Stmt"))
        len -= 4;
    for (size_t i = 0; i < len && n + 2 < LG_COMMAND_TAG_MAX; i++) {
        if (i && isupper((unsigned char)node[i]))
            tag[n++] = ' ';
        tag[n++] = (char)toupper((unsigned char)node[i]);
    }
    tag[n] = '\0';
}

static void
object_words(const char *verb, int32_t object, char tag[LG_COMMAND_TAG_MAX])
{
    bool known = object > 0 && (size_t)object < sizeof objects / sizeof *objects;
    const char *what = known && objects[object] ? objects[object] : "OBJECT";
    snprintf(tag, LG_COMMAND_TAG_MAX, "%s %s", verb, what);
}

static const char *
transaction_words(const lg_ast_transaction_stmt *s)
{
    static const char *const words[] = {"",
                                        "BEGIN",
                                        "START TRANSACTION",
                                        "COMMIT",
                                        "ROLLBACK",
                                        "SAVEPOINT",
                                        "RELEASE",
                                        "ROLLBACK",
                                        "PREPARE TRANSACTION",
                                        "COMMIT PREPARED",
                                        "ROLLBACK PREPARED"};
    return (size_t)s->kind < sizeof words / sizeof *words ? words[s->kind] : "";
}

const char *
lg_ast_command_tag(const lg_ast *stmt, char tag[LG_COMMAND_TAG_MAX])
{
    const char *fixed = NULL;
    switch (stmt->tag) {
    case LG_AST_ALTER_TABLE_STMT:
        object_words("ALTER", lg_ast_as(stmt, alter_table_stmt)->objtype, tag);
        return tag;
    case LG_AST_ALTER_OBJECT_SCHEMA_STMT:
        object_words("ALTER", lg_ast_as(stmt, alter_object_schema_stmt)->object_type, tag);
        return tag;
    case LG_AST_ALTER_OWNER_STMT:
        object_words("ALTER", lg_ast_as(stmt, alter_owner_stmt)->object_type, tag);
        return tag;
    case LG_AST_ALTER_FUNCTION_STMT:
        object_words("ALTER", lg_ast_as(stmt, alter_function_stmt)->objtype, tag);
        return tag;
    case LG_AST_RENAME_STMT: {
        const lg_ast_rename_stmt *r = lg_ast_as(stmt, rename_stmt);
        bool part = r->rename_type == LG_A_OBJECT_COLUMN;
        object_words("ALTER", part ? r->relation_type : r->rename_type, tag);
        return tag;
    }
    case LG_AST_DROP_STMT:
        object_words("DROP", lg_ast_as(stmt, drop_stmt)->remove_type, tag);
        return tag;
    case LG_AST_DEFINE_STMT:
        object_words("CREATE", lg_ast_as(stmt, define_stmt)->kind, tag);
        return tag;
    case LG_AST_CREATE_FUNCTION_STMT:
        fixed = lg_ast_as(stmt, create_function_stmt)->is_procedure ? "CREATE PROCEDURE"
                                                                    : "CREATE FUNCTION";
        break;
    case LG_AST_CREATE_TABLE_AS_STMT: {
        const lg_ast_create_table_as_stmt *c = lg_ast_as(stmt, create_table_as_stmt);
        fixed = c->is_select_into                   ? "SELECT INTO"
                : c->objtype == LG_A_OBJECT_MATVIEW ? "CREATE MATERIALIZED VIEW"
                                                    : "CREATE TABLE AS";
        break;
    }
    case LG_AST_SELECT_STMT:
        fixed = lg_ast_as(stmt, select_stmt)->into_clause ? "SELECT INTO" : "SELECT";
        break;
    case LG_AST_GRANT_STMT:
        fixed = lg_ast_as(stmt, grant_stmt)->is_grant ? "GRANT" : "REVOKE";
        break;
    case LG_AST_GRANT_ROLE_STMT:
        fixed = lg_ast_as(stmt, grant_role_stmt)->is_grant ? "GRANT ROLE" : "REVOKE ROLE";
        break;
    case LG_AST_COPY_STMT:
        fixed = lg_ast_as(stmt, copy_stmt)->is_from ? "COPY FROM" : "COPY";
        break;
    case LG_AST_VACUUM_STMT:
        fixed = lg_ast_as(stmt, vacuum_stmt)->is_vacuumcmd ? "VACUUM" : "ANALYZE";
        break;
    case LG_AST_VARIABLE_SET_STMT:
        fixed = lg_ast_as(stmt, variable_set_stmt)->kind >= LG_A_VAR_RESET ? "RESET" : "SET";
        break;
    case LG_AST_FETCH_STMT:
        fixed = lg_ast_as(stmt, fetch_stmt)->ismove ? "MOVE" : "FETCH";
        break;
    case LG_AST_TRANSACTION_STMT:
        fixed = transaction_words(lg_ast_as(stmt, transaction_stmt));
        break;
    default:
        name_words(lg_ast_tag_name(stmt->tag), tag);
        return tag;
    }
    snprintf(tag, LG_COMMAND_TAG_MAX, "%s", fixed);
    return tag;
}

const char *
lg_parse__command_tag(const PgQuery__Node *n, char tag[LG_COMMAND_TAG_MAX])
{
    const ProtobufCFieldDescriptor *f =
        protobuf_c_message_descriptor_get_field(n->base.descriptor, (unsigned)n->node_case);
    const ProtobufCMessageDescriptor *m = f ? f->descriptor : NULL;
    name_words(m ? m->short_name : "this statement", tag);
    return tag;
}
