/* YAML to a tree of our own, looked up by dotted path. Each mapping value remembers whether it was
 * ever looked up, so that misspelt keys can be reported. */
#include "config.h"
#include "arena.h"
#include "mem.h"
#include "strbuf.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define MAX_DEPTH      32
#define MAX_NODES      100000
#define MAX_FILE_BYTES (4u << 20)

enum kind { SCALAR, SEQUENCE, MAPPING };

struct node {
    enum kind kind;
    bool used;
    const char *key;  /* in a mapping */
    const char *text; /* of a scalar */
    size_t count;
    struct node *items;
};

struct lg_config {
    lg_arena *arena;
    struct node root;
    unsigned nodes;
};

struct builder {
    lg_config *config;
    yaml_document_t *doc;
    char *message;
    size_t message_size;
};

static lg_status build(struct builder *b, int index, unsigned depth, struct node *ret);

static lg_status
complain(struct builder *b, const yaml_node_t *at, const char *what)
{
    snprintf(b->message, b->message_size, "line %zu: %s", at->start_mark.line + 1, what);
    return LG_CONFIG;
}

static lg_status
build_mapping(struct builder *b, const yaml_node_t *y, unsigned depth, struct node *ret)
{
    ret->kind = MAPPING;
    size_t n = (size_t)(y->data.mapping.pairs.top - y->data.mapping.pairs.start);
    ret->items = LG_NEWN(b->config->arena, struct node, n ? n : 1);
    for (size_t i = 0; i < n; i++) {
        yaml_node_pair_t pair = y->data.mapping.pairs.start[i];
        yaml_node_t *k = yaml_document_get_node(b->doc, pair.key);
        if (k->type != YAML_SCALAR_NODE)
            return complain(b, k, "a key must be a plain word");
        const char *key = (const char *)k->data.scalar.value;
        for (size_t j = 0; j < i; j++)
            if (!strcmp(ret->items[j].key, key))
                return complain(b, k, "the key appears twice");
        LG_TRY(build(b, pair.value, depth + 1, &ret->items[i]));
        ret->items[i].key = lg_arena_strdup(b->config->arena, key);
        ret->count = i + 1;
    }
    return LG_OK;
}

static lg_status
build(struct builder *b, int index, unsigned depth, struct node *ret)
{
    yaml_node_t *y = yaml_document_get_node(b->doc, index);
    /* anchors can make a small document endless */
    if (depth > MAX_DEPTH || ++b->config->nodes > MAX_NODES)
        return complain(b, y, "nested too deeply or too large");
    switch (y->type) {
    case YAML_SCALAR_NODE:
        ret->kind = SCALAR;
        ret->text = lg_arena_strndup(b->config->arena, (const char *)y->data.scalar.value,
                                     y->data.scalar.length);
        return LG_OK;
    case YAML_SEQUENCE_NODE: {
        ret->kind = SEQUENCE;
        size_t n = (size_t)(y->data.sequence.items.top - y->data.sequence.items.start);
        ret->items = LG_NEWN(b->config->arena, struct node, n ? n : 1);
        ret->count = n;
        for (size_t i = 0; i < n; i++)
            LG_TRY(build(b, y->data.sequence.items.start[i], depth + 1, &ret->items[i]));
        return LG_OK;
    }
    case YAML_MAPPING_NODE:
        return build_mapping(b, y, depth, ret);
    case YAML_NO_NODE:
        break;
    }
    return complain(b, y, "unexpected content");
}

static lg_status
parse_document(yaml_parser_t *parser, struct builder *b)
{
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc)) {
        snprintf(b->message, b->message_size, "line %zu: %s", parser->problem_mark.line + 1,
                 parser->problem ? parser->problem : "not YAML");
        return LG_CONFIG;
    }
    b->doc = &doc;
    lg_status st = LG_OK;
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    b->config->root.kind = MAPPING;
    if (root)
        st = build(b, (int)(root - doc.nodes.start) + 1, 0, &b->config->root);
    yaml_document_delete(&doc);
    return st;
}

lg_status
lg_config_parse(const char *text, size_t len, lg_config **ret_config, char *ret_message,
                size_t message_size)
{
    lg_config *c = lg_zalloc(sizeof *c);
    c->arena = lg_arena_create("config", 0);
    yaml_parser_t parser;
    if (!yaml_parser_initialize(&parser)) {
        lg_config_free(c);
        return LG_NO_MEMORY;
    }
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
    struct builder b = {.config = c, .message = ret_message, .message_size = message_size};
    lg_status st = parse_document(&parser, &b);
    yaml_parser_delete(&parser);
    if (st != LG_OK) {
        lg_config_free(c);
        return st;
    }
    *ret_config = c;
    return LG_OK;
}

lg_status
lg_config_load(const char *path, lg_config **ret_config, char *ret_message, size_t message_size)
{
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(ret_message, message_size, "%s: %s", path, strerror(errno));
        return LG_CONFIG;
    }
    lg_strbuf b;
    lg_strbuf_init(&b, MAX_FILE_BYTES);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        lg_strbuf_append(&b, chunk, n);
    lg_status st = ferror(f) ? LG_IO : lg_strbuf_status(&b);
    fclose(f);
    if (st != LG_OK)
        snprintf(ret_message, message_size, "%s: %s", path, lg_status_text(st));
    else
        st = lg_config_parse(b.data ? b.data : "", b.len, ret_config, ret_message, message_size);
    lg_strbuf_fini(&b);
    return st;
}

void
lg_config_free(lg_config *c)
{
    if (!c)
        return;
    lg_arena_destroy(c->arena);
    lg_free(c);
}

static struct node *
child_named(struct node *n, const char *name, size_t len)
{
    if (n->kind != MAPPING)
        return NULL;
    for (size_t i = 0; i < n->count; i++)
        if (strlen(n->items[i].key) == len && !memcmp(n->items[i].key, name, len))
            return &n->items[i];
    return NULL;
}

/* Walks "a.b[2].c"; an empty path is the root. Marks what it passes as used. */
static struct node *
find(const lg_config *c, const char *path)
{
    struct node *n = (struct node *)&c->root;
    while (n && *path) {
        if (*path == '.')
            path++;
        if (*path == '[') {
            char *end;
            unsigned long i = strtoul(path + 1, &end, 10);
            if (*end != ']' || n->kind != SEQUENCE || i >= n->count)
                return NULL;
            n = &n->items[i];
            path = end + 1;
        } else {
            size_t len = strcspn(path, ".[");
            n = child_named(n, path, len);
            path += len;
        }
        if (n)
            n->used = true;
    }
    return n;
}

const char *
lg_config_string(const lg_config *c, const char *path)
{
    struct node *n = find(c, path);
    return n && n->kind == SCALAR ? n->text : NULL;
}

lg_status
lg_config_int(const lg_config *c, const char *path, int64_t *ret)
{
    const char *s = lg_config_string(c, path);
    if (!s)
        return LG_NOT_FOUND;
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 0);
    if (end == s || *end || errno)
        return LG_CONFIG;
    *ret = v;
    return LG_OK;
}

lg_status
lg_config_bool(const lg_config *c, const char *path, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    const char *s = lg_config_string(c, path);
    if (!s)
        return LG_NOT_FOUND;
    for (size_t i = 0; i < 4; i++) {
        if (!strcasecmp(s, yes[i]) || !strcasecmp(s, no[i])) {
            *ret = !strcasecmp(s, yes[i]);
            return LG_OK;
        }
    }
    return LG_CONFIG;
}

struct unit {
    const char *name;
    uint64_t factor;
};

/* number [unit]; the first unit in the list is the one of a bare number. */
static lg_status
parse_quantity(const char *s, const struct unit *units, size_t n_units, uint64_t *ret)
{
    if (!isdigit((unsigned char)*s))
        return LG_CONFIG;
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (errno)
        return LG_CONFIG;
    while (*end == ' ')
        end++;
    for (size_t i = 0; i < n_units; i++) {
        if (strcasecmp(end, units[i].name) && (*end || i > 0))
            continue;
        return __builtin_mul_overflow((uint64_t)v, units[i].factor, ret) ? LG_CONFIG : LG_OK;
    }
    return LG_CONFIG;
}

lg_status
lg_config_bytes(const lg_config *c, const char *path, uint64_t *ret)
{
    static const struct unit units[] = {{"B", 1},           {"k", 1 << 10},    {"kB", 1 << 10},
                                        {"KiB", 1 << 10},   {"M", 1 << 20},    {"MB", 1 << 20},
                                        {"MiB", 1 << 20},   {"G", 1 << 30},    {"GB", 1 << 30},
                                        {"GiB", 1 << 30},   {"T", 1ULL << 40}, {"TB", 1ULL << 40},
                                        {"TiB", 1ULL << 40}};
    const char *s = lg_config_string(c, path);
    if (!s)
        return LG_NOT_FOUND;
    uint64_t v;
    LG_TRY(parse_quantity(s, units, sizeof units / sizeof units[0], &v));
    *ret = v;
    return LG_OK;
}

lg_status
lg_config_duration_ms(const lg_config *c, const char *path, uint64_t *ret)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600 * 1000}, {"d", 86400 * 1000}};
    const char *s = lg_config_string(c, path);
    if (!s)
        return LG_NOT_FOUND;
    uint64_t v;
    LG_TRY(parse_quantity(s, units, sizeof units / sizeof units[0], &v));
    *ret = v;
    return LG_OK;
}

size_t
lg_config_count(const lg_config *c, const char *path)
{
    struct node *n = find(c, path);
    return n ? n->count : 0;
}

const char *
lg_config_key(const lg_config *c, const char *path, size_t i)
{
    struct node *n = find(c, path);
    if (!n || n->kind != MAPPING || i >= n->count)
        return NULL;
    n->items[i].used = true;
    return n->items[i].key;
}

static const char *
unknown_below(const lg_config *c, const struct node *n, const char *prefix)
{
    for (size_t i = 0; i < n->count; i++) {
        const struct node *child = &n->items[i];
        const char *path =
            child->key ? lg_arena_printf(c->arena, "%s%s%s", prefix, *prefix ? "." : "", child->key)
                       : lg_arena_printf(c->arena, "%s[%zu]", prefix, i);
        if (child->key && !child->used)
            return path;
        const char *found = unknown_below(c, child, path);
        if (found)
            return found;
    }
    return NULL;
}

const char *
lg_config_unknown(const lg_config *c)
{
    return unknown_below(c, &c->root, "");
}
