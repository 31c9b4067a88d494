/* Damage done on purpose, to memory, disks or promises, from outside of the instances: the check of
 * that name must then fail the run. (A check that cannot fire is worth nothing.)
 *
 *   modes    a holder in S believes to have X             sim_check_modes
 *   fell     a holder's image is an older one             sim_check_floors
 *   back     older images are written over blocks         sim_check_disk
 *   ahead    the disk has what is in no redo              sim_check_disk
 *   undo     an undo segment is loaded twice              kind "sql": check
 *   promise  a commit is acknowledged that never was      readers
 *   lost     a transfer that was seen is taken back       readers
 *   redo     a checkpoint passes what is not on disk               sim_redo.c
 *   past     past images are forgotten too early                   sim_redo.c
 *   double   an instance takes the disks for atomic                sim_watch.c
 *   fence    an instance's lease never ends (kind "storage")       sim_watch.c
 *   holder   a second instance writes a block                      sim_watch.c
 *   latch    a fiber waits for others with a latch                 sim_watch.c
 *   memory   an instance keeps what it takes                       sim_watch.c
 *   skew     serializable transactions run as repeatable read      sim_skew.c
 *   shown    what is not committed counts as shown                sim_seen.c
 *   table    a table disappears that nobody dropped                sim_ddl.c
 *   hang     requests to disks are lost and no instance looks     sim_world.c: convergence
 *   twice    a sequence is set back (kind "wide")                  sim_numbers.c
 *   deaf     a listener does not hear one notification             sim_told.c
 *   join     one row of the large table changes                    sim_big.c
 *   units    allocation units are taken and not given to a file    sim_space.c
 *   sum      an account changes, the ledger does not      readers
 */
#include "sim_sql.h"

#include "buf_internal.h"
#include "sim_disk.h"
#include "dwb.h"
#include "mtr.h"
#include "redo.h"
#include "txn.h"
#include "volume_internal.h"
#include <stdio.h>
#include "segment.h"
#include <string.h>

struct search {
    sim_world *w;
    lg_mode mode;
    bool clean;
    lg_addr found[256];
    unsigned count;
};

static void
visit(void *arg, lg_buf *b)
{
    struct search *s = arg;
    if (b->mode == s->mode && b->valid && !b->converting && !b->revoking && b->users == 0 &&
        !(s->clean && b->dirty) && b->addr.file != 0 && lg_block_version(b->data) != 0 &&
        s->count < 256)
        s->found[s->count++] = b->addr;
}

static void
search(sim_world *w, unsigned node, lg_mode mode, bool clean, struct search *ret)
{
    *ret = (struct search){.w = w, .mode = mode, .clean = clean};
    lg_buf_visit(w->kind->cache(&w->node[node]), visit, ret);
}

static bool
shared_with_another(sim_world *w, unsigned node, lg_addr addr)
{
    bool shared = false;
    for (unsigned i = 1; i <= w->node_count; i++) {
        lg_buf_cache *c = i != node && sim_is_member(w, i) ? w->kind->cache(&w->node[i]) : NULL;
        lg_buf *b = c ? lg_buf_find(c, addr) : NULL;
        shared |= b && b->mode == LG_MODE_S && b->valid;
        if (b)
            lg_buf_unpin(c, b);
    }
    return shared;
}

static bool
damage_mode(sim_world *w, unsigned node)
{
    struct search s;
    lg_buf_cache *c = w->kind->cache(&w->node[node]);
    search(w, node, LG_MODE_S, false, &s);
    for (unsigned i = 0; i < s.count; i++) {
        if (!shared_with_another(w, node, s.found[i]))
            continue;
        lg_buf *b = lg_buf_find(c, s.found[i]);
        b->mode = LG_MODE_X;
        lg_buf_unpin(c, b);
        return true;
    }
    return false;
}

static bool
damage_version(sim_world *w, unsigned node)
{
    struct search s;
    lg_buf_cache *c = w->kind->cache(&w->node[node]);
    search(w, node, LG_MODE_X, true, &s);
    if (s.count == 0)
        return false;
    lg_buf *b = lg_buf_find(c, s.found[0]);
    ((lg_block_header *)(void *)b->data)->version -= 1u << 16;
    lg_buf_unpin(c, b);
    return true;
}

static bool
damage_disk(sim_world *w, unsigned node, bool ahead)
{
    bool done = false;
    static uint8_t image[SIM_BLOCK_BYTES];
    struct search s;
    lg_volume *volume = lg_buf_volume(w->kind->cache(&w->node[node]));
    search(w, node, LG_MODE_X, true, &s);
    for (unsigned i = 0; i < s.count; i++) {
        lg_volume_place p;
        lg_addr map_block;
        if (lg_volume_locate(volume, s.found[i], &p, &map_block) != LG_OK)
            continue;
        const char *name = sim_disk_name(p.disk_index);
        lg_sim_disk_peek(w->sim, name, p.offset, image, sizeof image);
        lg_block_header *h = (lg_block_header *)(void *)image;
        if (lg_block_verify(image, sizeof image, s.found[i]) != LG_OK || h->version >> 16 < 2)
            continue;
        h->version = ahead ? h->version + (1ull << 40) : h->version - (1u << 16);
        lg_block_seal(image, sizeof image);
        lg_sim_disk_poke(w->sim, name, p.offset, image, sizeof image);
        done = true;
    }
    return done;
}

struct adoption {
    lg_txn_sys *txns;
    uint16_t useg;
};

static void
adopt_fiber(void *arg)
{
    struct adoption *a = arg;
    lg_status st = lg_txn_adopt_segment(a->txns, a->useg);
    (void)st; /* the check says */
}

static bool
load_twice(sim_world *w, unsigned node)
{
    lg_txn_sys *txns = w->kind->txns ? w->kind->txns(&w->node[node]) : NULL;
    if (!txns)
        return false;
    lg_heap *outer = lg_heap_switch(w->node[node].heap);
    struct adoption *a = lg_alloc(sizeof *a);
    *a = (struct adoption){txns, (uint16_t)(node == 1 ? 2 : 1)};
    lg_status st = lg_run_spawn(w->node[node].run, "adopt", 0, adopt_fiber, a, NULL);
    (void)lg_heap_switch(outer);
    return st == LG_OK;
}

static void
statement_fiber(void *arg)
{
    sim_world *w = arg;
    const char *table = sim_ddl_table(w);
    char sql[100] = "update accounts set balance = balance + 1 where id = 3";
    sim_pg c;
    w->mutated = false;
    if (strcmp(w->mutate, "table") == 0)
        snprintf(sql, sizeof sql, "drop table %s", table ? table : "none_yet");
    if (strcmp(w->mutate, "twice") == 0)
        snprintf(sql, sizeof sql, "select setval('numbers0', 1)");
    if (strcmp(w->mutate, "join") == 0)
        snprintf(sql, sizeof sql, "update big set a = a + 1 where id = 7");
    if (sim_sql_connect(w, &c, 1) != LG_OK)
        return;
    lg_status st = sim_pg_query(&c, sql, NULL, NULL);
    w->mutated = st == LG_OK;
    sim_pg_close(&c);
}

static bool
by_statement(sim_world *w)
{
    lg_heap *outer = lg_heap_switch(sim_sql_heap(w));
    lg_status st = lg_run_spawn(sim_sql_run(w), "mutation", 0, statement_fiber, w, NULL);
    (void)lg_heap_switch(outer);
    return st == LG_OK; /* until it has failed */
}

/* ---- redo, writes, fibers ---- */

static void
checkpoint_fiber(void *arg)
{
    lg_redo *r = arg;
    (void)!lg_redo_checkpoint(r, lg_redo_flushed(r));
}

static void
latch_fiber(void *arg)
{
    lg_latch l;
    (void)arg;
    lg_latch_init(&l, 0);
    lg_latch_acquire(&l, LG_LATCH_X, LG_WAIT_LATCH);
    (void)!lg_fiber_park(LG_WAIT_RPC_REPLY, LG_FOREVER, false);
}

struct rewrite {
    lg_dwb *dwb;
    lg_volume *volume;
    lg_addr addr;
    uint8_t *image;
};

static void
rewrite_fiber(void *arg)
{
    struct rewrite *r = arg;
    lg_dwb_block b = {.image = r->image};
    lg_addr none;
    if (lg_volume_locate(r->volume, r->addr, &b.place, &none) == LG_OK)
        (void)!lg_dwb_write(r->dwb, &b, 1);
}

static bool
spawn_at(sim_world *w, unsigned node, void (*fn)(void *), void *arg)
{
    lg_heap *outer = lg_heap_switch(w->node[node].heap);
    lg_status st = lg_run_spawn(w->node[node].run, "mutation", 0, fn, arg, NULL);
    (void)lg_heap_switch(outer);
    return st == LG_OK;
}

/* The node writes the image of a block that another holds in X. */
static bool
write_of_another(sim_world *w, unsigned node)
{
    struct search s;
    unsigned other = node % w->node_count + 1;
    if (other == node || !sim_is_member(w, other) || !w->kind->cache(&w->node[other]))
        return false;
    search(w, other, LG_MODE_X, true, &s);
    if (s.count == 0)
        return false;
    lg_buf_cache *c = w->kind->cache(&w->node[node]), *theirs = w->kind->cache(&w->node[other]);
    lg_heap *outer = lg_heap_switch(w->node[node].heap);
    struct rewrite *r = lg_zalloc(sizeof *r);
    *r = (struct rewrite){.dwb = ((struct lg_buf_cache *)c)->cfg.dwb,
                          .volume = lg_buf_volume(c),
                          .addr = s.found[0],
                          .image = lg_io_buf_alloc(SIM_BLOCK_BYTES)};
    lg_buf *b = lg_buf_find(theirs, s.found[0]);
    memcpy(r->image, b->data, SIM_BLOCK_BYTES);
    lg_block_seal(r->image, SIM_BLOCK_BYTES);
    lg_buf_unpin(theirs, b);
    (void)lg_heap_switch(outer);
    return spawn_at(w, node, rewrite_fiber, r);
}

/* Of a kind that whoever looks for lost segments leaves alone. */
static void
leak_fiber(void *arg)
{
    lg_space *s;
    uint32_t file;
    if (lg_space_create(arg, &s) != LG_OK)
        return;
    (void)!lg_segment_create(s, LG_SEGMENT_UNDO, &file);
    lg_space_destroy(s);
}

static void
unit_fiber(void *arg)
{
    lg_mtr m;
    lg_buf *b;
    uint32_t bit;
    lg_mtr_begin(&m, arg);
    lg_status st = lg_mtr_get(&m, lg_vol_aubits_addr(lg_buf_volume(arg), 0, 0), LG_LATCH_X, 0, &b);
    if (st == LG_OK)
        st = lg_vol_bits_find(b->data, 0, 1, &bit);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return;
    }
    uint8_t mask;
    uint32_t at = lg_vol_bits_byte(bit, &mask);
    uint8_t byte = (uint8_t)(b->data[at] | mask);
    lg_mtr_set(&m, b, at, &byte, 1);
    lg_mtr_commit(&m, NULL);
}

static void
forget_past_image(void *arg, lg_buf *b)
{
    sim_world *w = arg;
    if (!b->pi)
        return;
    w->mutated = true;
    b->pi = false; /* as lg_buf_superseded would */
    lg_buf__rec_lsn_drop(b);
}

/* False: not one of these, or not now. */
static bool
damage_storage(sim_world *w, unsigned node, const char *what)
{
    lg_buf_cache *c = w->kind->cache(&w->node[node]);
    lg_redo *r = lg_buf_redo(c);
    if (!r)
        return false;
    if (strcmp(what, "redo") == 0)
        return spawn_at(w, node, checkpoint_fiber, r);
    if (strcmp(what, "latch") == 0)
        return spawn_at(w, node, latch_fiber, NULL);
    if (strcmp(what, "holder") == 0)
        return write_of_another(w, node);
    if (strcmp(what, "double") == 0) {
        lg_buf_volume(c)->atomic = true;
        return true;
    }
    if (strcmp(what, "leak") == 0)
        return spawn_at(w, node, leak_fiber, c);
    if (strcmp(what, "past") == 0) {
        lg_buf_visit(c, forget_past_image, w);
        w->mutated = false; /* again and again: most are written in time */
        return w->quiet;
    }
    if (strcmp(what, "memory") == 0) {
        lg_heap *outer = lg_heap_switch(w->node[node].heap);
        (void)lg_alloc(600u << 20);
        (void)lg_heap_switch(outer);
        return true;
    }
    if (strcmp(what, "fence") == 0) {
        w->endless_lease = node;
        sim_pause(w, &w->node[node], 1500);
        return true;
    }
    return false;
}

void
sim_mutate(sim_world *w)
{
    unsigned node = 1 + (unsigned)sim_draw(w, w->node_count);
    const char *what = w->mutate;
    bool of_sql = w->kind == &sim_kind_sql || w->kind == &sim_kind_wide;
    static const char *const statements[] = {"sum", "table", "twice", "join"};
    if (w->attempts < 500 || !sim_is_member(w, node) || !w->kind->cache(&w->node[node]) ||
        !w->node[node].open)
        return;
    if (strcmp(what, "modes") == 0) {
        w->mutated = damage_mode(w, node);
    } else if (strcmp(what, "fell") == 0) {
        w->mutated = damage_version(w, node);
    } else if (strcmp(what, "back") == 0 || strcmp(what, "ahead") == 0) {
        w->mutated = damage_disk(w, node, what[0] == 'a');
    } else if (strcmp(what, "undo") == 0) {
        w->mutated = load_twice(w, node);
    } else if (strcmp(what, "hang") == 0) {
        for (unsigned d = 0; d < SIM_DISKS; d++)
            lg_sim_disk_lose(w->sim, sim_disk_name(d), node, LG_SIM_LOSE_COMPLETION);
        w->mutated = w->quiet; /* again and again */
    } else if (damage_storage(w, node, what)) {
        w->mutated = true;
    } else if (strcmp(what, "promise") == 0) {
        sim_acknowledge(w, &(sim_ack){.op = 1});
        w->mutated = true;
    } else if (strcmp(what, "lost") == 0 && w->seen_count > 0) {
        w->seen[0] = 2; /* as if shown once: no snapshot has it */
        w->mutated = true;
    } else if (strcmp(what, "units") == 0) {
        w->mutated = spawn_at(w, node, unit_fiber, w->kind->cache(&w->node[node]));
    }
    for (unsigned i = 0; of_sql && i < sizeof statements / sizeof statements[0]; i++)
        if (strcmp(what, statements[i]) == 0)
            w->mutated = by_statement(w);
    if (w->mutated)
        sim_log(w, "damage: %s, at node %u", what, node);
}
