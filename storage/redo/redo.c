/* The instance's own thread: reservation, append, group flush.
 *
 * STREAM        flushed <= submitted <= end     (flushed and submitted on sector boundaries)
 *               [flushed, submitted) is in flight, [submitted, end) waits in the buffer.
 * A write closes the stream at the next sector boundary: the next record begins there, so no two
 * writes share a sector and they may complete in any order; flushed moves over completed ones only.
 *
 * All state is touched by the worker alone; append, reservation and completion never yield. */
#include "redo_internal.h"
#include "assert.h"
#include "hash.h"
#include <string.h>

struct waiter {
    lg_list link;
    lg_lsn lsn;
    lg_fiber *fiber;
    bool done;
};

uint32_t
lg_redo__crc_seed(const lg_volume *v, uint32_t thread)
{
    uint32_t crc = lg_crc32c(0, lg_volume_uuid(v), 16);
    return lg_crc32c(crc, &thread, sizeof thread);
}

/* ---- space ---- */

static lg_lsn
reuse_limit(const lg_redo *r)
{
    lg_lsn archived = lg_redo_archived(r);
    return archived < r->header.checkpoint ? archived : r->header.checkpoint;
}

static bool
fits(lg_redo *r, uint64_t more)
{
    uint64_t ahead = lg_redo__align_up(r->end, r->align) + r->reserved + more;
    uint64_t used = ahead - reuse_limit(r);
    if (used > r->ring_bytes / 4 * 3 && r->poke)
        r->poke(r->poke_arg);
    if (used > r->ring_bytes)
        return false;
    if (ahead - r->flushed > r->buf_bytes) {
        lg_redo_flush_start(r, r->end);
        return false;
    }
    return true;
}

lg_status
lg_redo_reserve(lg_redo *r, uint32_t bytes)
{
    LG_ASSERT(bytes + r->align < r->buf_bytes / 2);
    if (r->broken == LG_OK && lg_redo_try_reserve(r, bytes))
        return LG_OK;
    lg_stat_inc(lg_run_stats(r->run), LG_STAT_REDO_SPACE_WAITS);
    while (r->broken == LG_OK && !fits(r, bytes + r->align))
        LG_TRY(lg_waitq_wait(&r->space_q, LG_WAIT_LOG_FILE_SPACE, LG_FOREVER, false));
    LG_TRY(r->broken);
    r->reserved += bytes + r->align;
    return LG_OK;
}

bool
lg_redo_try_reserve(lg_redo *r, uint32_t bytes)
{
    if (r->broken != LG_OK || !lg_waitq_empty(&r->space_q) || !fits(r, bytes + r->align))
        return false;
    r->reserved += bytes + r->align;
    return true;
}

bool
lg_redo_try_reserve_more(lg_redo *r, uint32_t bytes)
{
    if (r->broken != LG_OK || !fits(r, bytes))
        return false;
    r->reserved += bytes;
    return true;
}

void
lg_redo_unreserve(lg_redo *r, uint32_t bytes)
{
    LG_ASSERT(r->reserved >= bytes + r->align);
    r->reserved -= bytes + r->align;
    lg_waitq_wake_all(&r->space_q);
}

/* ---- append ---- */

static void
buf_put(lg_redo *r, lg_lsn at, const void *p, size_t n)
{
    size_t off = at % r->buf_bytes;
    size_t first = r->buf_bytes - off < n ? r->buf_bytes - off : n;
    memcpy(r->buf + off, p, first);
    memcpy(r->buf, (const uint8_t *)p + first, n - first);
}

void
lg_redo_append(lg_redo *r, uint16_t change_count, const struct iovec *parts, uint32_t part_count,
               lg_scn scn, uint32_t reserved, lg_lsn *ret_start, lg_lsn *ret_end)
{
    lg_redo_record_header h = {
        .len = sizeof h,
        .lsn = r->end,
        .scn = scn,
        .incarnation = r->header.incarnation,
        .thread = (uint16_t)r->thread,
        .change_count = change_count,
    };
    for (uint32_t i = 0; i < part_count; i++)
        h.len += (uint32_t)parts[i].iov_len;
    LG_ASSERT(h.len % 8 == 0 && h.len <= reserved && h.len <= LG_REDO_RECORD_MAX);
    uint32_t crc = lg_crc32c(r->crc_seed, &h, sizeof h);
    lg_lsn at = r->end + sizeof h;
    for (uint32_t i = 0; i < part_count; i++) {
        crc = lg_crc32c(crc, parts[i].iov_base, parts[i].iov_len);
        buf_put(r, at, parts[i].iov_base, parts[i].iov_len);
        at += parts[i].iov_len;
    }
    h.crc = crc;
    buf_put(r, r->end, &h, sizeof h);
    *ret_start = r->end;
    *ret_end = r->end = at;
    lg_redo_unreserve(r, reserved);
    lg_stat_inc(lg_run_stats(r->run), LG_STAT_REDO_ENTRIES);
    lg_stat_add(lg_run_stats(r->run), LG_STAT_REDO_SIZE, h.len);
    if (r->end - r->submitted > r->buf_bytes / 4)
        lg_redo_flush_start(r, r->end);
}

/* ---- flush ---- */

static void
wake_waiters(lg_redo *r)
{
    while (!lg_list_empty(&r->waiters)) {
        struct waiter *w = LG_CONTAINER_OF(r->waiters.next, struct waiter, link);
        if (r->broken == LG_OK && w->lsn > r->flushed)
            break;
        lg_list_remove(&w->link);
        w->done = true;
        lg_fiber_unpark(w->fiber);
    }
}

static void
break_thread(lg_redo *r, lg_status why)
{
    if (r->broken != LG_OK)
        return;
    r->broken = why;
    lg_waitq_wake_all(&r->space_q);
    if (r->on_broken)
        r->on_broken(r->on_broken_arg, why);
}

void
lg_redo_give_up(lg_redo *r, lg_status why)
{
    break_thread(r, why);
}

/* On the worker's native stack. */
static void
write_done(lg_io_req *req, lg_status st)
{
    struct lg_redo__write *w = LG_CONTAINER_OF(req, struct lg_redo__write, req);
    lg_redo *r = w->redo;
    w->done = true;
    r->in_flight--;
    if (st != LG_OK)
        break_thread(r, st);
    while (r->broken == LG_OK && !lg_list_empty(&r->writes)) {
        struct lg_redo__write *first = LG_CONTAINER_OF(r->writes.next, struct lg_redo__write, link);
        if (!first->done)
            break;
        LG_ASSERT(first->start == r->flushed);
        r->flushed = first->end;
        lg_list_remove(&first->link);
        lg_list_push_back(&r->idle_writes, &first->link);
    }
    wake_waiters(r);
    lg_waitq_wake_all(&r->space_q);
    lg_waitq_wake_all(&r->flusher_q);
    lg_waitq_wake_all(&r->archiver_q);
}

/* Closes the stream at a sector boundary when the write reaches its end. */
static void
pad_end(lg_redo *r)
{
    lg_lsn padded = lg_redo__align_up(r->end, r->align);
    if (padded == r->end)
        return;
    uint64_t mark = lg_redo__pad_mark(r->end, r->header.incarnation);
    buf_put(r, r->end, &mark, sizeof mark);
    static const uint8_t zeros[256];
    for (lg_lsn at = r->end + sizeof mark; at < padded;) {
        size_t n = padded - at < sizeof zeros ? padded - at : sizeof zeros;
        buf_put(r, at, zeros, n);
        at += n;
    }
    r->end = padded;
}

static uint64_t
least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static void
start_write(lg_redo *r)
{
    if (r->end - r->submitted <= LG_REDO_WRITE_BYTES)
        pad_end(r);
    struct lg_redo__write *w =
        LG_CONTAINER_OF(lg_list_pop_front(&r->idle_writes), struct lg_redo__write, link);
    uint64_t ring_at = r->submitted % r->ring_bytes, buf_at = r->submitted % r->buf_bytes;
    uint64_t n = least(r->end - r->submitted, LG_REDO_WRITE_BYTES);
    n = least(n, least(r->ring_bytes - ring_at, r->buf_bytes - buf_at));
    n = n / r->align * r->align;
    w->redo = r;
    w->start = r->submitted;
    w->end = r->submitted + n;
    w->done = false;
    w->req = (lg_io_req){
        .disk = r->area.disk,
        .op = LG_IO_WRITE,
        .flags = lg_list_empty(&r->waiters) ? 0 : LG_IO_URGENT,
        .offset = r->area.log_offset + ring_at,
        .buf = r->buf + buf_at,
        .len = n,
        .done = write_done,
    };
    r->submitted += n;
    r->in_flight++;
    lg_list_push_back(&r->writes, &w->link);
    lg_stat_inc(lg_run_stats(r->run), LG_STAT_REDO_WRITES);
    lg_io_submit(&w->req);
}

/* A commit that comes while a write is in flight does not wait for it: devices merge the flushes of
 * writes that are in flight together, so the second takes little more than what is left of the first.
 * Commits share a write when all that may be in flight are. */
static bool
can_start(const lg_redo *r)
{
    if (r->broken != LG_OK || r->want <= r->submitted || r->end <= r->submitted)
        return false;
    return !lg_list_empty(&r->idle_writes) && r->in_flight < r->max_in_flight;
}

/* A fiber, so that everybody who is ready to append in this round gets into the write. */
static void
flusher(void *arg)
{
    lg_redo *r = arg;
    while (!r->stop || r->in_flight > 0) {
        while (can_start(r))
            start_write(r);
        (void)!lg_waitq_wait(&r->flusher_q, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    }
    r->fibers--;
    lg_waitq_wake_all(&r->fibers_q);
}

void
lg_redo_flush_start(lg_redo *r, lg_lsn lsn)
{
    if (lsn > r->end)
        lsn = r->end;
    if (lsn > r->want)
        r->want = lsn;
    if (can_start(r))
        lg_waitq_wake_all(&r->flusher_q);
}

lg_status
lg_redo_flush(lg_redo *r, lg_lsn lsn)
{
    LG_TRY(r->broken);
    if (lsn <= r->flushed)
        return LG_OK;
    LG_ASSERT(lsn <= r->end);
    struct waiter w = {.lsn = lsn, .fiber = lg_fiber_self()};
    lg_list *at = r->waiters.prev;
    while (at != &r->waiters && LG_CONTAINER_OF(at, struct waiter, link)->lsn > lsn)
        at = at->prev;
    lg_list_insert_after(at, &w.link);
    lg_redo_flush_start(r, lsn);
    while (!w.done) {
        lg_status st = lg_fiber_park(LG_WAIT_LOG_FILE_SYNC, LG_FOREVER, false);
        LG_ASSERT(st == LG_OK);
    }
    return r->flushed >= lsn ? LG_OK : r->broken;
}

/* ---- life ---- */

static void
bind_memory(lg_redo *r, const lg_redo_config *cfg)
{
    uint64_t bytes = cfg->buffer_bytes ? cfg->buffer_bytes : 4u << 20;
    bytes = least(bytes, r->ring_bytes / 2) / LG_REDO_WRITE_BYTES * LG_REDO_WRITE_BYTES;
    if (bytes < 2 * LG_REDO_WRITE_BYTES)
        bytes = 2 * LG_REDO_WRITE_BYTES;
    r->buf_bytes = (uint32_t)bytes;
    r->buf = lg_io_buf_alloc(r->buf_bytes);
    lg_io_register_memory(lg_volume_io(r->volume), r->buf, r->buf_bytes);
    for (unsigned i = 0; i < LG_REDO_MAX_IN_FLIGHT; i++)
        lg_list_push_back(&r->idle_writes, &r->writes_pool[i].link);
}

static lg_redo *
make(const lg_redo_config *cfg, const lg_volume_area *area)
{
    lg_redo *r = lg_zalloc(sizeof *r);
    r->run = cfg->run;
    r->volume = cfg->volume;
    r->area = *area;
    r->thread = cfg->thread;
    r->clock = cfg->clock;
    r->align = lg_disk_align(area->disk) < 512 ? 512 : lg_disk_align(area->disk);
    r->ring_bytes = area->log_files * area->log_file_bytes;
    r->crc_seed = lg_redo__crc_seed(cfg->volume, cfg->thread);
    r->max_in_flight = cfg->max_in_flight ? cfg->max_in_flight : 4;
    if (r->max_in_flight > LG_REDO_MAX_IN_FLIGHT)
        r->max_in_flight = LG_REDO_MAX_IN_FLIGHT;
    r->archive_dir = cfg->archive_dir ? lg_strdup(cfg->archive_dir) : NULL;
    r->on_archive = cfg->on_archive;
    r->on_archive_arg = cfg->arg;
    lg_redo_set_on_broken(r, cfg->on_broken, cfg->arg);
    lg_list_init(&r->idle_writes);
    lg_list_init(&r->writes);
    lg_list_init(&r->waiters);
    lg_waitq *queues[] = {&r->flusher_q, &r->space_q, &r->header_q, &r->fibers_q, &r->archiver_q};
    for (unsigned i = 0; i < sizeof queues / sizeof queues[0]; i++)
        lg_waitq_init(queues[i]);
    bind_memory(r, cfg);
    return r;
}

static void
unmake(lg_redo *r)
{
    lg_free(r->archive_dir);
    lg_free(r->buf);
    lg_free(r);
}

static lg_status
begin_incarnation(lg_redo *r, const lg_redo_header *old)
{
    r->header = *old;
    r->header.thread = r->thread;
    r->header.incarnation = old->incarnation + 1;
    r->header.start = lg_redo__align_up(old->checkpoint, LG_REDO_PAGE_BYTES);
    r->header.archived = r->header.start;
    r->end = r->submitted = r->flushed = r->header.start;
    if (r->clock)
        lg_scn_observe(r->clock, old->scn);
    return lg_redo__header_update(r, LG_REDO_OPEN, r->header.start, LG_LSN_NONE);
}

static lg_status
start_fibers(lg_redo *r)
{
    LG_TRY(lg_run_spawn(r->run, "redo flusher", 0, flusher, r, NULL));
    r->fibers++;
    if (r->archive_dir) {
        LG_TRY(lg_run_spawn(r->run, "archiver", 0, lg_redo__archiver, r, NULL));
        r->fibers++;
    }
    return LG_OK;
}

static void
stop_fibers(lg_redo *r)
{
    r->stop = true;
    while (r->fibers > 0 || r->in_flight > 0) {
        lg_waitq_wake_all(&r->flusher_q);
        lg_waitq_wake_all(&r->archiver_q);
        (void)!lg_waitq_wait(&r->fibers_q, LG_WAIT_BACKGROUND_IDLE,
                             lg_run_now_ns(r->run) + 10 * LG_MS, false);
    }
}

lg_status
lg_redo_open(const lg_redo_config *cfg, lg_redo **ret_redo)
{
    lg_volume_area area;
    lg_redo_header old;
    LG_TRY(lg_volume_instance_area(cfg->volume, cfg->thread, &area));
    LG_TRY(lg_redo_header_read(cfg->volume, cfg->thread, &old));
    if (old.state == LG_REDO_OPEN)
        return LG_EXISTS;
    lg_redo *r = make(cfg, &area);
    lg_status st = begin_incarnation(r, &old);
    if (st == LG_OK)
        st = start_fibers(r);
    if (st != LG_OK) {
        stop_fibers(r);
        unmake(r);
        return st;
    }
    *ret_redo = r;
    return LG_OK;
}

lg_status
lg_redo_close(lg_redo *r, bool clean)
{
    lg_status st = LG_OK;
    bool checkpointed = r->header.checkpoint >= r->end;
    if (clean)
        LG_KEEP(lg_redo_flush(r, r->end));
    stop_fibers(r);
    if (clean && st == LG_OK && !checkpointed)
        st = LG_WOULD_WAIT;
    if (clean && st == LG_OK && r->archive_dir)
        LG_KEEP(lg_redo_archive_tail(r->run, r->volume, r->thread, r->archive_dir, r->flushed));
    if (clean && st == LG_OK)
        LG_KEEP(lg_redo__header_update(r, LG_REDO_CLEAN, r->flushed,
                                       r->archive_dir ? r->flushed : LG_LSN_NONE));
    wake_waiters(r);
    unmake(r);
    return st;
}

void
lg_redo_set_poke(lg_redo *r, void (*poke)(void *), void *arg)
{
    r->poke = poke;
    r->poke_arg = arg;
}

void
lg_redo_set_on_broken(lg_redo *r, void (*on_broken)(void *, lg_status), void *arg)
{
    r->on_broken = on_broken;
    r->on_broken_arg = arg;
}

/* ---- accessors ---- */

lg_lsn
lg_redo_flushed(const lg_redo *r)
{
    return r->flushed;
}

lg_lsn
lg_redo_end(const lg_redo *r)
{
    return r->end;
}

lg_status
lg_redo_broken(const lg_redo *r)
{
    return r->broken;
}

uint32_t
lg_redo_thread(const lg_redo *r)
{
    return r->thread;
}

uint32_t
lg_redo_incarnation(const lg_redo *r)
{
    return r->header.incarnation;
}

uint64_t
lg_redo_capacity(const lg_redo *r)
{
    return r->ring_bytes;
}

lg_lsn
lg_redo_checkpoint_lsn(const lg_redo *r)
{
    return r->header.checkpoint;
}

lg_lsn
lg_redo_archived(const lg_redo *r)
{
    return r->archive_dir ? r->header.archived : LG_LSN_MAX;
}

const lg_redo_archive_info *
lg_redo_archive_info_of(const lg_redo *r)
{
    return r->archive_dir ? &r->archive : NULL;
}

lg_status
lg_redo_checkpoint(lg_redo *r, lg_lsn lsn)
{
    LG_ASSERT(lsn <= r->flushed);
    if (lsn <= r->header.checkpoint)
        return LG_OK;
    LG_TRY(lg_redo__header_update(r, LG_REDO_OPEN, lsn, LG_LSN_NONE));
    lg_waitq_wake_all(&r->space_q);
    return LG_OK;
}
