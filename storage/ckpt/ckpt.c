/* The checkpointer fiber. See ckpt.h.
 *
 * One round: write what is older than the wanted LSN, oldest first, then move the checkpoint to
 * min(oldest rec_lsn, flushed LSN), both read without a yield between them. */
#include "ckpt.h"
#include "assert.h"
#include "waitq.h"

#define ROUND_BLOCKS 128
#define MARKS        16 /* over max_dirty_ms */

struct lg_ckpt {
    lg_ckpt_config cfg;
    lg_waitq wake_q; /* the fiber sleeps here */
    lg_waitq done_q; /* full checkpoints and destroy wait here */
    bool stop, running, poked;
    lg_lsn full_to;     /* a full checkpoint was asked for up to here */
    lg_lsn mark[MARKS]; /* the thread's end at the last looks, newest at mark_at */
    lg_time mark_time[MARKS];
    uint32_t mark_at;
    lg_status failed; /* of the last round */
    uint64_t written, checkpoints;
};

/* Everything before it is on disk, by whoever holds it. */
static lg_lsn
reachable(const lg_ckpt *k)
{
    lg_lsn oldest = lg_buf_oldest_rec_lsn(k->cfg.cache), flushed = lg_redo_flushed(k->cfg.redo);
    return oldest < flushed ? oldest : flushed;
}

static lg_status
advance(lg_ckpt *k)
{
    lg_lsn to = reachable(k);
    if (to <= lg_redo_checkpoint_lsn(k->cfg.redo))
        return LG_OK;
    LG_TRY(LG_FAULT(lg_run_faults(k->cfg.run), "ckpt_advance"));
    LG_TRY(lg_redo_checkpoint(k->cfg.redo, to));
    k->checkpoints++;
    lg_stat_inc(lg_run_stats(k->cfg.run), LG_STAT_CHECKPOINTS);
    return LG_OK;
}

/* Where the thread ended max_dirty_ms ago, or earlier: what was changed before is to be on disk. So
 * the writes spread, and the redo that a recovery has to read stays small. */
static lg_lsn
aged(lg_ckpt *k)
{
    lg_time now = lg_run_now_ns(k->cfg.run), age = k->cfg.max_dirty_ms * LG_MS;
    lg_lsn old = 0;
    if (now - k->mark_time[k->mark_at] >= age / (MARKS - 2)) {
        k->mark_at = (k->mark_at + 1) % MARKS;
        k->mark[k->mark_at] = lg_redo_end(k->cfg.redo);
        k->mark_time[k->mark_at] = now;
    }
    for (unsigned i = 0; i < MARKS; i++)
        if (now - k->mark_time[i] >= age && k->mark[i] > old)
            old = k->mark[i];
    return old;
}

/* Up to which LSN blocks should be on disk now. */
static lg_lsn
goal(lg_ckpt *k)
{
    lg_lsn end = lg_redo_end(k->cfg.redo), at = lg_redo_checkpoint_lsn(k->cfg.redo);
    lg_lsn old = aged(k);
    lg_lsn g = end > k->cfg.target_bytes ? end - k->cfg.target_bytes : 0;
    /* Space is short: half of what is in use goes. */
    if (k->poked && at + (end - at) / 2 > g)
        g = at + (end - at) / 2;
    if (k->full_to > g)
        g = k->full_to;
    return old > g ? old : g;
}

static lg_status
work(lg_ckpt *k)
{
    lg_lsn up_to = goal(k);
    k->poked = false;
    while (!k->stop && lg_buf_oldest_rec_lsn(k->cfg.cache) < up_to) {
        uint32_t n = 0;
        LG_TRY(lg_buf_write_dirty(k->cfg.cache, up_to, ROUND_BLOCKS, &n));
        k->written += n;
        LG_TRY(advance(k));
        if (n == 0)
            break; /* past images only: their holders were asked */
    }
    if (up_to > lg_redo_flushed(k->cfg.redo))
        LG_TRY(lg_redo_flush(k->cfg.redo,
                             up_to < lg_redo_end(k->cfg.redo) ? up_to : lg_redo_end(k->cfg.redo)));
    return advance(k);
}

static bool
satisfied(const lg_ckpt *k)
{
    return lg_redo_checkpoint_lsn(k->cfg.redo) >= k->full_to;
}

static void
ckpt_fiber(void *arg)
{
    lg_ckpt *k = arg;
    while (!k->stop) {
        k->failed = work(k);
        lg_waitq_wake_all(&k->done_q);
        if (k->stop)
            break;
        bool idle = k->failed == LG_OK && satisfied(k);
        bool clean = lg_buf_oldest_rec_lsn(k->cfg.cache) == LG_LSN_MAX;
        if (k->poked && idle)
            continue;
        /* Clean and idle: look rarely. A past image or a failure in the way: soon again. */
        const lg_redo *r = k->cfg.redo;
        bool pressing = lg_redo_end(r) - lg_redo_checkpoint_lsn(r) > lg_redo_capacity(r) / 3 * 2;
        uint64_t ms = !idle || pressing ? 10 : clean ? 5 * k->cfg.interval_ms : k->cfg.interval_ms;
        lg_time until = lg_run_now_ns(k->cfg.run) + ms * LG_MS;
        (void)!lg_waitq_wait(&k->wake_q, LG_WAIT_BACKGROUND_IDLE, until, false);
    }
    k->running = false;
    lg_waitq_wake_all(&k->done_q);
}

static void
poke(void *arg)
{
    lg_ckpt *k = arg;
    if (k->poked)
        return;
    k->poked = true;
    lg_waitq_wake_all(&k->wake_q);
}

void
lg_ckpt_poke(lg_ckpt *k)
{
    poke(k);
}

lg_status
lg_ckpt_create(const lg_ckpt_config *cfg, lg_ckpt **ret_ckpt)
{
    lg_ckpt *k = lg_zalloc(sizeof *k);
    k->cfg = *cfg;
    if (k->cfg.target_bytes == 0) {
        k->cfg.target_bytes = lg_redo_capacity(cfg->redo) / 2;
        if (k->cfg.target_bytes > 64u << 20)
            k->cfg.target_bytes = 64u << 20;
    }
    if (k->cfg.interval_ms == 0)
        k->cfg.interval_ms = 1000;
    if (k->cfg.max_dirty_ms == 0)
        k->cfg.max_dirty_ms = 10000;
    for (unsigned i = 0; i < MARKS; i++)
        k->mark_time[i] = lg_run_now_ns(cfg->run);
    lg_waitq_init(&k->wake_q);
    lg_waitq_init(&k->done_q);
    k->running = true;
    lg_status st = lg_run_spawn(cfg->run, "checkpoint", 0, ckpt_fiber, k, NULL);
    if (st != LG_OK) {
        lg_free(k);
        return st;
    }
    lg_redo_set_poke(cfg->redo, poke, k);
    *ret_ckpt = k;
    return LG_OK;
}

void
lg_ckpt_destroy(lg_ckpt *k)
{
    if (!k)
        return;
    lg_redo_set_poke(k->cfg.redo, NULL, NULL);
    k->stop = true;
    while (k->running) {
        lg_waitq_wake_all(&k->wake_q);
        (void)!lg_waitq_wait(&k->done_q, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    }
    lg_free(k);
}

lg_status
lg_ckpt_full(lg_ckpt *k, lg_time deadline)
{
    /* What an open record's padding adds is flushed too: the checkpoint can reach the end. */
    lg_lsn to = lg_redo_end(k->cfg.redo);
    if (to > k->full_to)
        k->full_to = to;
    while (lg_redo_checkpoint_lsn(k->cfg.redo) < to) {
        LG_TRY(lg_redo_broken(k->cfg.redo));
        if (!k->running)
            return LG_SHUTDOWN;
        lg_waitq_wake_all(&k->wake_q);
        LG_TRY(lg_waitq_wait(&k->done_q, LG_WAIT_DB_FILE_WRITE, deadline, false));
    }
    return LG_OK;
}

void
lg_ckpt_status(const lg_ckpt *k, lg_ckpt_info *ret)
{
    *ret = (lg_ckpt_info){
        .checkpoint = lg_redo_checkpoint_lsn(k->cfg.redo),
        .end = lg_redo_end(k->cfg.redo),
        .target_bytes = k->cfg.target_bytes,
        .written_blocks = k->written,
        .checkpoints = k->checkpoints,
    };
}
