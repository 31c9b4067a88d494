/* Open addressing with linear probing; removal shifts the following entries back, so there are no
 * tombstones and a table never degrades. A slot is empty when its value is NULL. */
#include "map.h"
#include "assert.h"
#include "hash.h"
#include "mem.h"
#include <string.h>

#define MIN_SLOTS 16

/* ---- keyed by u64 ---- */

struct slot {
    uint64_t key;
    void *value;
};

struct lg_map {
    struct slot *slots;
    size_t mask; /* slots - 1 */
    size_t count;
};

lg_map *
lg_map_create(void)
{
    lg_map *m = lg_zalloc(sizeof *m);
    m->slots = lg_zalloc(MIN_SLOTS * sizeof *m->slots);
    m->mask = MIN_SLOTS - 1;
    return m;
}

void
lg_map_destroy(lg_map *m)
{
    if (!m)
        return;
    lg_free(m->slots);
    lg_free(m);
}

/* The slot that holds the key, or the empty one where it would go. */
static size_t
map_find(const lg_map *m, uint64_t key)
{
    size_t i = lg_hash_u64(key) & m->mask;
    while (m->slots[i].value && m->slots[i].key != key)
        i = (i + 1) & m->mask;
    return i;
}

static void
map_grow(lg_map *m)
{
    struct slot *old = m->slots;
    size_t n = m->mask + 1;
    m->mask = n * 2 - 1;
    m->slots = lg_zalloc(n * 2 * sizeof *m->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].value)
            m->slots[map_find(m, old[i].key)] = old[i];
    lg_free(old);
}

void *
lg_map_get(const lg_map *m, uint64_t key)
{
    return m->slots[map_find(m, key)].value;
}

void *
lg_map_put(lg_map *m, uint64_t key, void *value)
{
    LG_ASSERT(value);
    size_t i = map_find(m, key);
    void *old = m->slots[i].value;
    if (old) {
        m->slots[i].value = value;
        return old;
    }
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) {
        map_grow(m);
        i = map_find(m, key);
    }
    m->slots[i] = (struct slot){key, value};
    m->count++;
    return NULL;
}

void *
lg_map_remove(lg_map *m, uint64_t key)
{
    size_t hole = map_find(m, key);
    void *old = m->slots[hole].value;
    if (!old)
        return NULL;
    for (size_t i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
        size_t home = lg_hash_u64(m->slots[i].key) & m->mask;
        /* an entry may move back only as far as its home slot */
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct slot){0, NULL};
    m->count--;
    return old;
}

size_t
lg_map_count(const lg_map *m)
{
    return m->count;
}

bool
lg_map_next(const lg_map *m, size_t *pos, uint64_t *ret_key, void **ret_value)
{
    while (*pos <= m->mask) {
        const struct slot *s = &m->slots[(*pos)++];
        if (!s->value)
            continue;
        if (ret_key)
            *ret_key = s->key;
        if (ret_value)
            *ret_value = s->value;
        return true;
    }
    return false;
}

/* ---- keyed by byte strings ---- */

struct strslot {
    uint64_t hash;
    char *key;
    size_t len;
    void *value;
};

struct lg_strmap {
    struct strslot *slots;
    size_t mask;
    size_t count;
};

lg_strmap *
lg_strmap_create(void)
{
    lg_strmap *m = lg_zalloc(sizeof *m);
    m->slots = lg_zalloc(MIN_SLOTS * sizeof *m->slots);
    m->mask = MIN_SLOTS - 1;
    return m;
}

void
lg_strmap_destroy(lg_strmap *m)
{
    if (!m)
        return;
    for (size_t i = 0; i <= m->mask; i++)
        lg_free(m->slots[i].key);
    lg_free(m->slots);
    lg_free(m);
}

static size_t
strmap_find(const lg_strmap *m, uint64_t hash, const void *key, size_t len)
{
    size_t i = hash & m->mask;
    for (;; i = (i + 1) & m->mask) {
        const struct strslot *s = &m->slots[i];
        if (!s->value)
            return i;
        if (s->hash == hash && s->len == len && (len == 0 || memcmp(s->key, key, len) == 0))
            return i;
    }
}

static void
strmap_grow(lg_strmap *m)
{
    struct strslot *old = m->slots;
    size_t n = m->mask + 1;
    m->mask = n * 2 - 1;
    m->slots = lg_zalloc(n * 2 * sizeof *m->slots);
    for (size_t i = 0; i < n; i++)
        if (old[i].value)
            m->slots[strmap_find(m, old[i].hash, old[i].key, old[i].len)] = old[i];
    lg_free(old);
}

void *
lg_strmap_get(const lg_strmap *m, const void *key, size_t len)
{
    return m->slots[strmap_find(m, lg_hash_bytes(key, len, 0), key, len)].value;
}

void *
lg_strmap_put(lg_strmap *m, const void *key, size_t len, void *value)
{
    LG_ASSERT(value);
    uint64_t hash = lg_hash_bytes(key, len, 0);
    size_t i = strmap_find(m, hash, key, len);
    void *old = m->slots[i].value;
    if (old) {
        m->slots[i].value = value;
        return old;
    }
    if ((m->count + 1) * 4 > (m->mask + 1) * 3) {
        strmap_grow(m);
        i = strmap_find(m, hash, key, len);
    }
    char *copy = lg_alloc(len + 1);
    if (len)
        memcpy(copy, key, len);
    copy[len] = 0;
    m->slots[i] = (struct strslot){hash, copy, len, value};
    m->count++;
    return NULL;
}

void *
lg_strmap_remove(lg_strmap *m, const void *key, size_t len)
{
    size_t hole = strmap_find(m, lg_hash_bytes(key, len, 0), key, len);
    void *old = m->slots[hole].value;
    if (!old)
        return NULL;
    lg_free(m->slots[hole].key);
    for (size_t i = (hole + 1) & m->mask; m->slots[i].value; i = (i + 1) & m->mask) {
        size_t home = m->slots[i].hash & m->mask;
        if (((i - home) & m->mask) >= ((i - hole) & m->mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct strslot){0, NULL, 0, NULL};
    m->count--;
    return old;
}

size_t
lg_strmap_count(const lg_strmap *m)
{
    return m->count;
}

bool
lg_strmap_next(const lg_strmap *m, size_t *pos, const char **ret_key, size_t *ret_len,
               void **ret_value)
{
    while (*pos <= m->mask) {
        const struct strslot *s = &m->slots[(*pos)++];
        if (!s->value)
            continue;
        if (ret_key)
            *ret_key = s->key;
        if (ret_len)
            *ret_len = s->len;
        if (ret_value)
            *ret_value = s->value;
        return true;
    }
    return false;
}
