/* The transaction table: slots in blocks 1..T of an undo segment, kept in memory by the owner. */
#include "txn_internal.h"
#include "assert.h"
#include <string.h>

#define SLOT_WAIT (5 * LG_SEC)

lg_txn_seg *
lg_txn__seg_find(const lg_txn_sys *s, uint16_t useg)
{
    if (s->own && s->own->useg == useg)
        return s->own;
    return lg_map_get(s->segs, useg);
}

lg_addr
lg_txn__slot_addr(const lg_txn_sys *s, const lg_txn_seg *g, uint32_t slot, uint32_t *ret_off)
{
    *ret_off = TABLE_DATA_OFF + slot % g->per_table * (uint32_t)sizeof(lg_txn_slot);
    return lg_undo_table_addr(s->cfg.undo, g->useg, slot / g->per_table);
}

void
lg_txn__slot_put(lg_mtr *m, lg_buf *table, uint32_t off, const lg_txn_slot *slot)
{
    lg_mtr_set(m, table, off, slot, sizeof *slot);
}

void
lg_txn__seg_free(lg_txn_seg *g)
{
    if (!g)
        return;
    lg_free(g->slots);
    lg_free(g->txns);
    lg_free(g);
}

/* A transaction that a crash left in the table. */
static lg_status
recovering_txn(lg_txn_sys *s, lg_txn_seg *g, uint32_t slot)
{
    const lg_txn_slot *sl = &g->slots[slot];
    lg_txn *t = lg_txn__new(s);
    t->recovering = true;
    t->seg = g;
    t->xid = lg_xid_make(g->useg, (uint16_t)slot, sl->wrap);
    g->txns[slot] = t;
    g->recovering++;
    if (sl->flags & SLOT_EXACT)
        t->last = sl->last;
    else
        LG_TRY(lg_undo_last_in_block(s->cfg.undo, sl->last, t->xid, &t->last));
    return LG_OK;
}

static void
seg_discard(lg_txn_seg *g)
{
    for (uint32_t i = 0; i < g->nslots; i++)
        if (g->txns[i])
            lg_txn__free(g->txns[i]);
    lg_txn__seg_free(g);
}

lg_status
lg_txn__seg_load(lg_txn_sys *s, uint16_t useg, lg_txn_seg **ret_seg)
{
    uint32_t bb = lg_buf_block_bytes(s->cache);
    lg_txn_seg *g = lg_zalloc(sizeof *g);
    g->useg = useg;
    g->per_table = (bb - TABLE_DATA_OFF) / (uint32_t)sizeof(lg_txn_slot);
    g->nslots = g->per_table * LG_UNDO_TABLES;
    g->slots = lg_zalloc(g->nslots * sizeof *g->slots);
    g->txns = lg_zalloc(g->nslots * sizeof *g->txns);
    lg_status st = LG_OK;
    for (uint32_t i = 0; i < LG_UNDO_TABLES; i++) {
        lg_addr a = lg_undo_table_addr(s->cfg.undo, useg, i);
        lg_buf *b;
        if (a.block == LG_ADDR_NONE.block)
            st = LG_NOT_FOUND;
        else
            st = lg_buf_get(s->cache, a, LG_LATCH_S, &b);
        if (st != LG_OK)
            break;
        bool good = ((lg_block_header *)(void *)b->data)->type == LG_BLOCK_UNDO_HEADER;
        memcpy(&g->slots[i * g->per_table], b->data + TABLE_DATA_OFF,
               g->per_table * sizeof(lg_txn_slot));
        lg_buf_put(s->cache, b, LG_LATCH_S);
        if (!good) {
            st = LG_CORRUPT;
            break;
        }
    }
    for (uint32_t i = 0; i < g->nslots && st == LG_OK; i++)
        if (g->slots[i].state == LG_XID_ACTIVE)
            st = recovering_txn(s, g, i);
    if (st != LG_OK) {
        seg_discard(g);
        return st;
    }
    *ret_seg = g;
    return LG_OK;
}

/* Gives t a slot of our own segment, in memory: its first record writes it. */
static bool
slot_try(lg_txn_sys *s, lg_txn *t)
{
    lg_txn_seg *g = s->own;
    for (uint32_t i = 0; i < g->nslots; i++) {
        uint32_t slot = g->next_slot;
        g->next_slot = (slot + 1) % g->nslots;
        lg_txn_slot *sl = &g->slots[slot];
        if (g->txns[slot] || sl->state == LG_XID_ACTIVE || sl->state == LG_XID_COMMITTING)
            continue;
        t->before = *sl;
        *sl = (lg_txn_slot){.wrap = t->before.wrap + 1,
                            .state = LG_XID_ACTIVE,
                            .begin_scn = lg_scn_current(s->clock)};
        g->txns[slot] = t;
        t->seg = g;
        t->xid = lg_xid_make(g->useg, (uint16_t)slot, sl->wrap);
        return true;
    }
    return false;
}

/* All slots taken: waits until a transaction ends, but not for ever, for those that have one may
 * themselves wait for what t has locked. */
lg_status
lg_txn__slot_take(lg_txn_sys *s, lg_txn *t)
{
    lg_time deadline = lg_run_now_exact_ns(s->run) + SLOT_WAIT;
    if (t->lock_deadline < deadline)
        deadline = t->lock_deadline;
    while (!slot_try(s, t)) {
        lg_status st = lg_waitq_wait(&s->slotq, LG_WAIT_ENQ_TX, deadline, true);
        if (st == LG_TIMEOUT)
            return LG_UNDO_FULL;
        LG_TRY(st);
    }
    return LG_OK;
}
