/* The workload: accounts in blocks, transfers that change two blocks in one mini-transaction, and a
 * ledger, outside of all instances, of what was acknowledged.
 *
 * Block:  header | magic | per account: balance | per node: number of that node's last transfer
 * here A transfer by node N with number S sets mark[N] = S in both blocks. Marks rise, so at the
 * end every acknowledged transfer's number must be at or below the mark in both of its blocks
 * (invariant 11), and the balances must add up to what was put in (atomicity, no lost update). */
#include "sim_world.h"

#include "mtr.h"
#include "space_file.h"
#include <stdio.h>
#include <string.h>

#define MAGIC    0x4b4e4142u
#define ACCOUNTS 8u
#define START    1000
#define CLIENTS  3u

struct account_block {
    uint32_t magic;
    uint32_t pad;
    int64_t balance[ACCOUNTS];
    uint64_t mark[SIM_MAX_NODES + 1][CLIENTS];
};

static struct account_block *
content(lg_buf *b)
{
    return (struct account_block *)(void *)(b->data + LG_BLOCK_HEADER_BYTES);
}

static uint32_t
offset_of_balance(uint32_t account)
{
    return LG_BLOCK_HEADER_BYTES +
           (uint32_t)(offsetof(struct account_block, balance) + sizeof(int64_t) * account);
}

static uint32_t
offset_of_mark(uint32_t node, uint32_t client)
{
    return LG_BLOCK_HEADER_BYTES + (uint32_t)(offsetof(struct account_block, mark) +
                                              sizeof(uint64_t) * (node * CLIENTS + client));
}

struct client {
    sim_node *n;
    uint32_t number;
};

static void
pause_for(sim_node *n, uint64_t us)
{
    (void)!lg_fiber_sleep_until(lg_run_now_exact_ns(n->run) + us * 1000, LG_WAIT_SLEEP);
}

/* ---- the beginning: the first node that is open makes the accounts ---- */

static lg_status
make_block(sim_node *n, uint32_t block)
{
    lg_buf_cache *c = n->w->kind->cache(n);
    lg_addr addr = {n->w->file, block};
    lg_mtr m;
    lg_buf *b;
    for (;;) {
        lg_mtr_begin(&m, c);
        lg_status st = lg_mtr_get(&m, addr, LG_LATCH_X, LG_MTR_NEW, &b);
        if (st == LG_RETRY) {
            LG_TRY(lg_mtr_restart(&m));
            continue;
        }
        if (st != LG_OK) {
            lg_mtr_abort(&m);
            return st;
        }
        break;
    }
    struct account_block a = {.magic = MAGIC};
    for (uint32_t i = 0; i < ACCOUNTS; i++)
        a.balance[i] = START;
    lg_mtr_format(&m, b, LG_BLOCK_HEAP);
    lg_mtr_set(&m, b, LG_BLOCK_HEADER_BYTES, &a, sizeof a);
    uint64_t lsn;
    lg_mtr_commit(&m, &lsn);
    return sim_instance_commit(n, lsn);
}

static lg_status
make_bank(sim_node *n)
{
    sim_world *w = n->w;
    LG_TRY(lg_space_file_create(n->w->kind->cache(n), 2, &w->file));
    for (uint32_t i = 0; i < w->account_blocks; i++)
        LG_TRY(make_block(n, i));
    return LG_OK;
}

/* ---- transfers ---- */

static lg_status
transfer(sim_node *n, const struct client *c, sim_ack *ack)
{
    lg_buf_cache *cache = n->w->kind->cache(n);
    uint32_t from = ack->from / ACCOUNTS, to = ack->to / ACCOUNTS;
    lg_addr first = {n->w->file, from < to ? from : to};
    lg_addr second = {n->w->file, from < to ? to : from};
    lg_mtr m;
    lg_buf *b[2];
    lg_status st;
    lg_mtr_begin(&m, cache);
    for (;;) {
        st = lg_mtr_get(&m, first, LG_LATCH_X, 0, &b[0]);
        b[1] = b[0];
        if (st == LG_OK && from != to)
            st = lg_mtr_get(&m, second, LG_LATCH_X, 0, &b[1]);
        if (st != LG_RETRY)
            break;
        st = lg_mtr_restart(&m);
        if (st != LG_OK)
            break;
    }
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st;
    }
    lg_buf *bf = from < to ? b[0] : b[1], *bt = from < to ? b[1] : b[0];
    if (content(bf)->magic != MAGIC || content(bt)->magic != MAGIC) {
        sim_fail(n->w, "node %u reads a block that is none of ours", n->id);
        lg_mtr_abort(&m);
        return LG_CORRUPT;
    }
    uint64_t number = ack->op & 0xffffffffULL;
    for (int i = 0; i < 2; i++)
        if (content(b[i])->mark[n->id][c->number] >= number)
            sim_fail(n->w, "node %u: block %u has the mark of a transfer to come", n->id,
                     b[i]->addr.block);
    int64_t v = content(bf)->balance[ack->from % ACCOUNTS] - ack->amount;
    lg_mtr_set(&m, bf, offset_of_balance(ack->from % ACCOUNTS), &v, sizeof v);
    v = content(bt)->balance[ack->to % ACCOUNTS] + ack->amount;
    lg_mtr_set(&m, bt, offset_of_balance(ack->to % ACCOUNTS), &v, sizeof v);
    lg_mtr_set_u64(&m, bf, offset_of_mark(n->id, c->number), number);
    if (bf != bt)
        lg_mtr_set_u64(&m, bt, offset_of_mark(n->id, c->number), number);
    uint64_t lsn;
    lg_mtr_commit(&m, &lsn);
    return sim_instance_commit(n, lsn);
}

static void
client_fiber(void *arg)
{
    struct client *c = arg;
    sim_node *n = c->n;
    sim_world *w = n->w;
    while (!w->stop_work) {
        if (!w->bank_ready || !n->open) {
            pause_for(n, 2000);
            continue;
        }
        uint32_t accounts = w->account_blocks * ACCOUNTS;
        uint64_t r = lg_run_random(n->run);
        sim_ack ack = {.op = (uint64_t)n->id << 48 | (uint64_t)c->number << 32 |
                             ++w->op_counter[n->id],
                       .from = (uint32_t)(r % accounts),
                       .to = (uint32_t)(r / accounts % accounts),
                       .amount = (int64_t)(r >> 48) % 100};
        if (ack.from == ack.to)
            continue;
        w->attempts++;
        n->active++;
        sim_begun(w, &ack);
        lg_status st = transfer(n, c, &ack);
        n->active--;
        if (st == LG_OK) {
            sim_acknowledge(w, &ack);
        } else {
            w->errors++;
            if (st == LG_CORRUPT)
                sim_fail(w, "node %u: a transfer finds a corrupt block", n->id);
        }
        pause_for(n, st == LG_OK ? lg_run_random(n->run) % 3000 : 5000);
    }
}

static void
maker_fiber(void *arg)
{
    sim_node *n = arg;
    sim_world *w = n->w;
    lg_status st = make_bank(n);
    if (st != LG_OK) {
        sim_fail(w, "node %u cannot make the accounts: %s", n->id, lg_status_name(st));
        return;
    }
    sim_log(w, "node %u has made %u blocks of accounts", n->id, w->account_blocks);
    w->bank_ready = true;
}

void
sim_bank_start(sim_node *n)
{
    if (!n->w->file) {
        n->w->file = UINT32_MAX; /* somebody is at it */
        if (lg_run_spawn(n->run, "maker", 0, maker_fiber, n, NULL) != LG_OK)
            sim_fail(n->w, "no fiber");
    }
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *c = lg_alloc(sizeof *c);
        *c = (struct client){n, i};
        if (lg_run_spawn(n->run, "client", 0, client_fiber, c, NULL) != LG_OK)
            sim_fail(n->w, "no fiber");
    }
}

/* ---- the end ---- */

static lg_status
read_block(sim_node *n, uint32_t block, struct account_block *ret)
{
    lg_buf_cache *c = n->w->kind->cache(n);
    lg_buf *b;
    LG_TRY(lg_buf_get(c, (lg_addr){n->w->file, block}, LG_LATCH_S, &b));
    memcpy(ret, content(b), sizeof *ret);
    lg_buf_put(c, b, LG_LATCH_S);
    return LG_OK;
}

static bool
ledger_holds(sim_world *w, const struct account_block *blocks)
{
    for (size_t i = 0; i < w->ack_count; i++) {
        const sim_ack *a = &w->acks[i];
        uint32_t node = (uint32_t)(a->op >> 48), client = (uint32_t)(a->op >> 32 & 0xffff);
        uint64_t number = a->op & 0xffffffffULL;
        if (blocks[a->from / ACCOUNTS].mark[node][client] >= number &&
            blocks[a->to / ACCOUNTS].mark[node][client] >= number)
            continue;
        sim_fail(w, "acknowledged transfer %llu of node %u is lost (%zu of %zu)",
                 (unsigned long long)number, node, i, w->ack_count);
        return false;
    }
    return true;
}

/* Half of it is there: says which, and how the other block stands. */
static void
tell_halves(sim_world *w, const struct account_block *blocks)
{
    for (size_t i = 0; i < w->try_count; i++) {
        const sim_ack *a = &w->tries[i];
        uint32_t node = (uint32_t)(a->op >> 48), client = (uint32_t)(a->op >> 32 & 0xffff);
        uint64_t number = a->op & 0xffffffffULL;
        uint32_t from = a->from / ACCOUNTS, to = a->to / ACCOUNTS;
        bool in_from = blocks[from].mark[node][client] >= number;
        bool in_to = blocks[to].mark[node][client] >= number;
        if (in_from != in_to)
            sim_log(w,
                    "half: transfer %llu of node %u begun at %llu.%06llu: block %u %s, block %u %s",
                    (unsigned long long)number, node,
                    (unsigned long long)((a->at - 1000 * LG_SEC) / LG_SEC),
                    (unsigned long long)(a->at % LG_SEC / 1000), from,
                    in_from ? "has it" : "lacks it", to, in_to ? "has it" : "lacks it");
    }
}

static void
verify_fiber(void *arg)
{
    sim_node *n = arg;
    sim_world *w = n->w;
    for (unsigned i = 1; i <= w->node_count; i++)
        while (w->node[i].active) /* a transfer between two of our reads would spoil the sum */
            pause_for(n, 1000);
    struct account_block *blocks = lg_zalloc(sizeof *blocks * w->account_blocks);
    int64_t sum = 0;
    for (uint32_t i = 0; i < w->account_blocks; i++) {
        lg_status st = read_block(n, i, &blocks[i]);
        if (st != LG_OK || blocks[i].magic != MAGIC) {
            sim_fail(w, "block %u cannot be read at the end: %s", i, lg_status_name(st));
            return;
        }
        for (uint32_t k = 0; k < ACCOUNTS; k++)
            sum += blocks[i].balance[k];
    }
    int64_t want = (int64_t)w->account_blocks * ACCOUNTS * START;
    if (sum != want)
        tell_halves(w, blocks);
    if (sum != want)
        sim_fail(w, "the sum is %lld, not %lld", (long long)sum, (long long)want);
    else if (ledger_holds(w, blocks))
        w->verdict = w->verdict ? w->verdict : 1;
    lg_free(blocks);
}

void
sim_bank_verify(sim_world *w)
{
    sim_node *n = &w->node[1 + lg_sim_random(w->sim) % w->node_count];
    lg_heap *outer = lg_heap_switch(n->heap);
    if (lg_run_spawn(n->run, "verify", 0, verify_fiber, n, NULL) != LG_OK)
        sim_fail(n->w, "no fiber");
    (void)lg_heap_switch(outer);
}
