/* The driver of member.h. See membership.h. */
#include "membership.h"
#include "assert.h"
#include "waitq.h"
#include <string.h>

#define SLOT_AREA   (2 * LG_VOTE_SLOT_BYTES) /* two copies, written in turn */
#define ROUND_LIMIT (2 * LG_SEC)
#define DELAY_STEP  (20 * LG_MS)

#define REOPEN_EVERY (2 * LG_SEC) /* of a voting file that fails */

struct vote {
    lg_membership *ms;
    lg_disk *disk; /* NULL: could not be opened */
    char *write_buf, *read_buf;
    uint64_t done_round; /* newest round whose write and read both succeeded */
    bool failed;         /* the newest attempt */
    uint64_t failed_round;
    lg_vote_scan scan; /* of done_round */
    const char *path;
    uint64_t highest[LG_MEMBER_NODES]; /* heartbeats seen on this very file */
    uint64_t need[LG_MEMBER_NODES];    /* lost: it counts again when it shows these */
    bool lost;
    lg_vote_info info;
    lg_time ok_at, reopen_at;
};

struct lg_membership {
    lg_membership_config cfg;
    lg_member member;
    struct vote votes[LG_VOTE_FILES_MAX];
    uint64_t round; /* the newest begun */
    bool round_durable;
    lg_vote_slot round_slot;
    lg_waitq work;    /* vote fibers wait for a round */
    lg_waitq results; /* the main fiber waits for votes */
    lg_waitq kick;    /* the main fiber waits for a reason or the next heartbeat */
    lg_waitq flushed;
    bool kicked, dirty, stopping, quorate;
    uint64_t changes, changes_written;
    unsigned fibers;
    lg_time not_before; /* no proposal earlier: back off */
    bool delaying;
};

/* ---- one voting file ---- */

static void
take_slots(struct vote *v, const char *buf)
{
    memset(&v->scan, 0, sizeof v->scan);
    for (uint32_t node = 1; node < LG_MEMBER_NODES; node++) {
        for (uint32_t copy = 0; copy < 2; copy++) {
            lg_vote_slot s;
            memcpy(&s, buf + (size_t)node * SLOT_AREA + (size_t)copy * LG_VOTE_SLOT_BYTES,
                   sizeof s);
            if (lg_vote_valid(&s, node) && s.seq > v->scan.slot[node].seq)
                v->scan.slot[node] = s;
        }
    }
}

/* Always the slots of all nodes: one that was never heard of may have proposed something. */
static lg_status
read_all(struct vote *v)
{
    LG_TRY(lg_disk_read(v->disk, 0, v->read_buf, LG_VOTE_FILE_BYTES, LG_WAIT_MEMBERSHIP));
    take_slots(v, v->read_buf);
    return LG_OK;
}

/* The newest heartbeat of a node that was seen on any file. */
static uint64_t
newest(const lg_membership *ms, uint32_t node)
{
    uint64_t seq = ms->member.seen.slot[node].seq;
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++)
        if (ms->votes[i].highest[node] > seq)
            seq = ms->votes[i].highest[node];
    return seq;
}

/* Does the file, just read, still know what it knew? A node that has only begun may be missing. */
static lg_status
check_memory(struct vote *v)
{
    lg_membership *ms = v->ms;
    bool whole = true, forgot = false;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        uint64_t seq = v->scan.slot[n].seq, known = newest(ms, n);
        if (n == ms->cfg.node && ms->round)
            continue; /* written by ourselves, in this very round */
        if (ms->member.seen.slot[n].target == LG_MEMBER_TARGET_REMOVED)
            continue;
        whole &= seq >= v->need[n];
        forgot |= seq < v->highest[n] || (seq == 0 && known > 4);
    }
    if (!v->lost && forgot) {
        v->lost = true;
        whole = false;
        for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
            v->need[n] = n == ms->cfg.node ? 0 : newest(ms, n);
    } else if (v->lost && whole) {
        v->lost = false;
        memset(v->highest, 0, sizeof v->highest);
    }
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (v->scan.slot[n].seq > v->highest[n])
            v->highest[n] = v->scan.slot[n].seq;
    return v->lost ? LG_CORRUPT : LG_OK;
}

static void
reopen(struct vote *v)
{
    lg_membership *ms = v->ms;
    lg_time now = lg_run_now_ns(ms->cfg.run);
    lg_disk *d;
    if (now < v->reopen_at)
        return;
    v->reopen_at = now + REOPEN_EVERY;
    if (lg_disk_open(ms->cfg.io, v->path, 0, &d) != LG_OK)
        return;
    if (lg_disk_size(d) < LG_VOTE_FILE_BYTES) {
        lg_disk_close(d);
        return;
    }
    lg_disk_close(v->disk);
    v->disk = d;
}

static lg_status
vote_round(struct vote *v)
{
    lg_membership *ms = v->ms;
    if (!v->disk || v->failed)
        reopen(v);
    if (!v->disk)
        return LG_NO_DISK;
    memcpy(v->write_buf, &ms->round_slot, sizeof ms->round_slot);
    uint64_t at =
        (uint64_t)ms->cfg.node * SLOT_AREA + (ms->round_slot.seq & 1) * LG_VOTE_SLOT_BYTES;
    LG_TRY(lg_disk_write(v->disk, at, v->write_buf, LG_VOTE_SLOT_BYTES,
                         ms->round_durable ? 0 : LG_IO_LAZY, LG_WAIT_MEMBERSHIP));
    LG_TRY(read_all(v));
    return check_memory(v);
}

static void
count_round(struct vote *v, lg_status st, lg_time began)
{
    lg_run *r = v->ms->cfg.run;
    v->info.rounds++;
    v->info.errors += st != LG_OK;
    if (st != LG_OK)
        return;
    v->ok_at = lg_run_now_exact_ns(r);
    v->info.round_ns = v->ok_at - began;
    v->info.last_ok_us = lg_run_wall_us(r);
}

/* Does the newest round, skipping those it missed while the file was slow. */
static void
vote_main(void *arg)
{
    struct vote *v = arg;
    lg_membership *ms = v->ms;
    uint64_t seen = 0;
    for (;;) {
        while (ms->round == seen && !ms->stopping)
            (void)!lg_waitq_wait(&ms->work, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
        if (ms->stopping)
            break;
        seen = ms->round;
        lg_time began = lg_run_now_exact_ns(ms->cfg.run);
        lg_status st = vote_round(v);
        count_round(v, st, began);
        v->failed = st != LG_OK;
        if (st == LG_OK)
            v->done_round = seen;
        else
            v->failed_round = seen;
        lg_waitq_wake_all(&ms->results);
    }
    ms->fibers--;
    lg_waitq_wake_all(&ms->results);
}

/* ---- rounds ---- */

static void
merge(const lg_membership *ms, uint64_t round, lg_vote_scan *ret)
{
    memset(ret, 0, sizeof *ret);
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++) {
        const struct vote *v = &ms->votes[i];
        if (v->done_round < round)
            continue;
        for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
            if (v->scan.slot[n].seq > ret->slot[n].seq)
                ret->slot[n] = v->scan.slot[n];
    }
}

/* LG_OK when a majority has done it; *ret_learned: a newer view is known. */
static lg_status
run_round(lg_membership *ms, bool durable, bool *ret_learned)
{
    lg_run *r = ms->cfg.run;
    lg_time began = lg_run_now_exact_ns(r), limit = began + ROUND_LIMIT;
    uint64_t changes = ms->changes;
    ms->round_slot = *lg_member_next_slot(&ms->member);
    ms->round_durable = durable;
    uint64_t round = ++ms->round;
    lg_waitq_wake_all(&ms->work);
    uint32_t ok, failed, majority = ms->cfg.vote_count / 2 + 1;
    for (;;) {
        ok = failed = 0;
        for (uint32_t i = 0; i < ms->cfg.vote_count; i++) {
            ok += ms->votes[i].done_round >= round;
            failed += ms->votes[i].failed_round >= round;
        }
        if (ok >= majority || failed > ms->cfg.vote_count - majority || ms->stopping)
            break;
        if (lg_waitq_wait(&ms->results, LG_WAIT_MEMBERSHIP, limit, false) == LG_TIMEOUT)
            break;
    }
    ms->quorate = ok >= majority;
    if (!ms->quorate)
        return LG_NO_QUORUM;
    if (durable) {
        ms->changes_written = changes;
        lg_waitq_wake_all(&ms->flushed);
    }
    lg_vote_scan *scan = lg_alloc(sizeof *scan);
    merge(ms, round, scan);
    *ret_learned = lg_member_scan(&ms->member, scan, lg_run_now_exact_ns(r));
    lg_free(scan);
    lg_time until = lg_member_lease_until(&ms->member, began);
    if (until)
        ms->cfg.on_lease(ms->cfg.arg, until);
    return LG_OK;
}

/* Two rounds if nobody interferes. After a decision one more tells it to the others. */
static bool
propose(lg_membership *ms)
{
    bool learned = false;
    lg_member_begin(&ms->member);
    while (ms->member.phase != LG_MEMBER_IDLE && !ms->stopping)
        if (run_round(ms, true, &learned) != LG_OK)
            lg_member_abandon(&ms->member);
    return learned;
}

/* Not all propose at once: who has no reason of its own waits a little, by rank, then looks again.
 */
static bool
my_turn(lg_membership *ms)
{
    lg_run *r = ms->cfg.run;
    lg_time now = lg_run_now_exact_ns(r);
    bool mine;
    if (!lg_member_wants(&ms->member, now, &mine)) {
        ms->delaying = false;
        return false;
    }
    if (!mine && !ms->delaying) {
        ms->delaying = true;
        lg_time wait = ms->cfg.node * DELAY_STEP + lg_run_random(r) % DELAY_STEP;
        ms->not_before = now + wait;
    }
    return now >= ms->not_before;
}

static void
after_round(lg_membership *ms, bool learned)
{
    while (learned) {
        lg_member_view v = ms->member.view;
        ms->cfg.on_view(ms->cfg.arg, &v);
        learned = false;
        (void)!run_round(ms, true, &learned); /* tells the others; fails: the next heartbeat does */
        if (ms->cfg.on_news)
            ms->cfg.on_news(ms->cfg.arg);
    }
    ms->cfg.on_round(ms->cfg.arg);
}

static void
membership_main(void *arg)
{
    lg_membership *ms = arg;
    lg_run *r = ms->cfg.run;
    lg_time next = 0;
    while (!ms->stopping) {
        lg_time wake = next;
        if (ms->delaying && ms->not_before < wake)
            wake = ms->not_before;
        while (!ms->kicked && !ms->dirty && !ms->stopping)
            if (lg_waitq_wait(&ms->kick, LG_WAIT_BACKGROUND_IDLE, wake, false) == LG_TIMEOUT)
                break;
        bool durable = ms->dirty, news = ms->dirty, learned = false;
        ms->kicked = ms->dirty = false;
        next = lg_run_now_exact_ns(r) + ms->cfg.heartbeat_ns;
        if (run_round(ms, durable, &learned) != LG_OK) {
            ms->dirty |= durable;
            if (durable)
                (void)!lg_fiber_sleep_until(lg_run_now_ns(r) + 50 * LG_MS, LG_WAIT_MEMBERSHIP);
            ms->cfg.on_round(ms->cfg.arg);
            continue;
        }
        after_round(ms, learned);
        if (news && ms->cfg.on_news)
            ms->cfg.on_news(ms->cfg.arg);
        if (my_turn(ms)) {
            ms->delaying = false;
            learned = propose(ms);
            if (!learned)
                ms->not_before =
                    lg_run_now_exact_ns(r) + 5 * LG_MS + lg_run_random(r) % (50 * LG_MS);
            after_round(ms, learned);
            ms->kicked |= !learned;
            if (ms->kicked)
                (void)!lg_fiber_sleep_until(ms->not_before, LG_WAIT_MEMBERSHIP);
        }
    }
    ms->fibers--;
    lg_waitq_wake_all(&ms->results);
}

/* ---- life ---- */

static lg_status
open_votes(lg_membership *ms)
{
    uint32_t ok = 0;
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++) {
        struct vote *v = &ms->votes[i];
        v->ms = ms;
        v->path = ms->cfg.votes[i];
        v->write_buf = lg_io_buf_alloc(LG_VOTE_SLOT_BYTES);
        v->read_buf = lg_io_buf_alloc(LG_VOTE_FILE_BYTES);
        if (lg_disk_open(ms->cfg.io, ms->cfg.votes[i], 0, &v->disk) != LG_OK)
            v->disk = NULL;
        if (v->disk && lg_disk_size(v->disk) < LG_VOTE_FILE_BYTES) {
            lg_disk_close(v->disk);
            v->disk = NULL;
        }
        if (v->disk && read_all(v) == LG_OK) {
            v->ok_at = lg_run_now_exact_ns(ms->cfg.run);
            for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
                v->highest[n] = v->scan.slot[n].seq;
        } else {
            v->failed = true;
        }
    }
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++)
        ok += !ms->votes[i].failed && check_memory(&ms->votes[i]) == LG_OK;
    return ok > ms->cfg.vote_count / 2 ? LG_OK : LG_NO_QUORUM;
}

lg_status
lg_membership_create(const lg_membership_config *cfg, lg_membership **ret_ms)
{
    LG_ASSERT(cfg->vote_count > 0 && cfg->vote_count <= LG_VOTE_FILES_MAX);
    lg_membership *ms = lg_zalloc(sizeof *ms);
    ms->cfg = *cfg;
    if (!ms->cfg.heartbeat_ns)
        ms->cfg.heartbeat_ns = 250 * LG_MS;
    if (!ms->cfg.lease_ns)
        ms->cfg.lease_ns = 3 * LG_SEC;
    if (!ms->cfg.dead_ns)
        ms->cfg.dead_ns = ms->cfg.lease_ns + LG_SEC;
    lg_waitq_init(&ms->work);
    lg_waitq_init(&ms->results);
    lg_waitq_init(&ms->kick);
    lg_waitq_init(&ms->flushed);
    lg_status st = open_votes(ms);
    lg_vote_slot own = {0};
    for (uint32_t i = 0; i < cfg->vote_count; i++)
        if (ms->votes[i].scan.slot[cfg->node].seq > own.seq)
            own = ms->votes[i].scan.slot[cfg->node];
    lg_member_config mc = {.node = cfg->node,
                           .lease_ns = ms->cfg.lease_ns,
                           .dead_ns = ms->cfg.dead_ns,
                           .link_ns = ms->cfg.link_ns};
    lg_member_init(&ms->member, &mc, own.seq ? &own : NULL, lg_run_random(cfg->run));
    if (st != LG_OK) {
        lg_membership_destroy(ms);
        return st;
    }
    *ret_ms = ms;
    return LG_OK;
}

lg_status
lg_membership_begin(lg_membership *ms)
{
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++) {
        LG_TRY(lg_run_spawn(ms->cfg.run, "vote", 0, vote_main, &ms->votes[i], NULL));
        ms->fibers++;
    }
    LG_TRY(lg_run_spawn(ms->cfg.run, "membership", 0, membership_main, ms, NULL));
    ms->fibers++;
    lg_membership_changed(ms);
    return LG_OK;
}

void
lg_membership_destroy(lg_membership *ms)
{
    if (!ms)
        return;
    ms->stopping = true;
    lg_waitq_wake_all(&ms->work);
    lg_waitq_wake_all(&ms->kick);
    lg_waitq_wake_all(&ms->results);
    while (ms->fibers > 0)
        (void)!lg_waitq_wait(&ms->results, LG_WAIT_MEMBERSHIP, LG_FOREVER, false);
    for (uint32_t i = 0; i < ms->cfg.vote_count; i++) {
        lg_disk_close(ms->votes[i].disk);
        lg_free(ms->votes[i].write_buf);
        lg_free(ms->votes[i].read_buf);
    }
    lg_free(ms);
}

lg_member *
lg_membership_member(lg_membership *ms)
{
    return &ms->member;
}

void
lg_membership_changed(lg_membership *ms)
{
    ms->changes++;
    ms->dirty = true;
    lg_waitq_wake_all(&ms->kick);
}

void
lg_membership_look(lg_membership *ms)
{
    ms->kicked = true;
    lg_waitq_wake_all(&ms->kick);
}

lg_status
lg_membership_flush(lg_membership *ms, lg_time deadline)
{
    uint64_t want = ms->changes;
    while (ms->changes_written < want && !ms->stopping)
        LG_TRY(lg_waitq_wait(&ms->flushed, LG_WAIT_MEMBERSHIP, deadline, false));
    return ms->stopping ? LG_SHUTDOWN : LG_OK;
}

bool
lg_membership_quorate(const lg_membership *ms)
{
    return ms->quorate;
}

bool
lg_membership_vote_ok(const lg_membership *ms, uint32_t vote)
{
    const struct vote *v = &ms->votes[vote];
    return v->disk && !v->failed && !v->lost &&
           lg_run_now_exact_ns(ms->cfg.run) - v->ok_at < 2 * ROUND_LIMIT;
}

void
lg_membership_vote_info(const lg_membership *ms, uint32_t vote, lg_vote_info *ret)
{
    *ret = ms->votes[vote].info;
    ret->ok = lg_membership_vote_ok(ms, vote);
    ret->lost = ms->votes[vote].lost;
}
