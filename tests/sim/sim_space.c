/* Space at the end: every file that has space, or is still being dropped, is named by a row of
 * pg_class (or was made before there was one: control file, undo). What a death leaves between the
 * end of a transaction and the drop of its segments must have been given back; and so must allocation
 * units that it had taken for a file and not yet given to it. */
#include "sim_sql.h"

#include "space_file.h"
#include <stdio.h>
#include <stdlib.h>

#define FILES_MOST 8192

struct listing {
    lg_buf_cache *cache;
    lg_status st;
    bool done;
    uint32_t count;
    uint32_t file[FILES_MOST];
    int64_t lost; /* allocation units that are taken and no file's */
};

struct names {
    uint32_t count, least;
    bool of[FILES_MOST];
};

static void
count_lost(struct listing *l)
{
    const lg_volume *v = lg_buf_volume(l->cache);
    for (uint32_t d = 0; d < lg_volume_disk_count(v); d++) {
        lg_space_usage u;
        if (lg_space_disk_usage(l->cache, d, &u) != LG_OK)
            return;
        l->lost += (int64_t)(u.total_aus - u.free_aus) - lg_volume_disk_fixed_aus(v, d);
    }
    lg_volume_area area;
    for (uint32_t slot = 0; slot < LG_VOLUME_MAX_INSTANCES; slot++)
        if (lg_volume_instance_area(v, slot, &area) == LG_OK)
            l->lost -= lg_volume_instance_aus(v);
    for (uint32_t i = 0; i < l->count; i++) {
        uint32_t blocks;
        if (lg_space_file_blocks(l->cache, l->file[i], &blocks) == LG_OK)
            l->lost -= blocks / lg_volume_blocks_per_au(v);
    }
}

/* On the node. */
static void
list_fiber(void *arg)
{
    struct listing *l = arg;
    uint32_t file = 0;
    while (l->count < FILES_MOST && (l->st = lg_space_file_next(l->cache, &file)) == LG_OK)
        l->file[l->count++] = file;
    if (l->st == LG_END)
        count_lost(l);
    l->done = true;
}

static void
name_row(void *arg, unsigned count, char **values)
{
    struct names *n = arg;
    unsigned long file = count && values[0] ? strtoul(values[0], NULL, 10) : 0;
    if (file == 0 || file >= FILES_MOST)
        return;
    n->of[file] = true;
    n->count++;
    n->least = n->least == 0 || file < n->least ? (uint32_t)file : n->least;
}

/* The files as the node sees them; freed with the clients' heap: the node may die in the middle. */
static struct listing *
list(sim_world *w, unsigned node)
{
    if (!sim_is_member(w, node) || !w->node[node].open || !w->kind->cache(&w->node[node]))
        return NULL;
    struct listing *l = lg_zalloc(sizeof *l);
    l->cache = w->kind->cache(&w->node[node]);
    lg_heap *outer = lg_heap_switch(w->node[node].heap);
    lg_status st = lg_run_spawn(w->node[node].run, "files", 0, list_fiber, l, NULL);
    (void)lg_heap_switch(outer);
    for (int i = 0; st == LG_OK && i < 500 && !l->done; i++)
        sim_sql_nap(w, 2000);
    return st == LG_OK && l->done && l->st == LG_END ? l : NULL;
}

lg_status
sim_space_look(sim_world *w, sim_pg *c, unsigned node)
{
    struct listing *l = list(w, node); /* before the names: none is made meanwhile */
    if (!l)
        return LG_RETRY;
    struct names *n = lg_zalloc(sizeof *n);
    lg_status st =
        sim_pg_query(c, "select relfilenode from pg_class where relfilenode <> 0", name_row, n);
    for (uint32_t i = 0; st == LG_OK && i < l->count; i++)
        if (l->file[i] > n->least && l->file[i] < FILES_MOST && !n->of[l->file[i]]) {
            snprintf(c->message, sizeof c->message, "file %u has space and nobody names it",
                     l->file[i]);
            st = LG_RETRY; /* it is looked for from time to time */
        }
    if (st == LG_OK && l->lost != 0) {
        snprintf(c->message, sizeof c->message, "%lld allocation units are no file's",
                 (long long)l->lost);
        st = LG_RETRY;
    }
    lg_free(n);
    lg_free(l);
    return st;
}
