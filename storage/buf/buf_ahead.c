/* Streams: what a scan will want next is read ahead by a few fibers, and a scan that is large
 * against the cache pushes out the blocks that it brought itself.
 *
 * A reader takes the next block number, brings the block here as a consistent read would (a block
 * that another instance has stays there) and goes on until it is far enough ahead. Readers are
 * started by lg_buf_stream_at and end by themselves. Nothing is known of a block when it has been
 * read but that it was here then. */
#include "buf_internal.h"
#include "assert.h"
#include "mem.h"

#define READERS 8u
#define RING    256u /* blocks that a large scan keeps, at most; half of them ahead of it */
#define PAUSE   64u  /* blocks not read ahead after one that another instance has */

struct lg_buf_stream {
    lg_buf_cache *c;
    uint32_t file, last;
    lg_scn scn;
    uint32_t next, want; /* to be read next; up to here */
    uint32_t readers;
    bool closed, large;
    uint32_t ring_size, ahead;
    lg_waitq doneq;
    uint32_t ring[RING]; /* blocks it brought, the oldest at ring_at */
    uint32_t ring_at, ring_count, loading;
};

lg_buf_stream *
lg_buf_stream_open(lg_buf_cache *c, uint32_t file, uint32_t blocks, lg_scn snapshot)
{
    lg_buf_stream *s = lg_zalloc(sizeof *s);
    s->c = c;
    s->file = file;
    s->last = blocks;
    s->scn = snapshot;
    s->large = blocks > c->frame_count / 4;
    s->ring_size = c->frame_count / 8 < RING ? c->frame_count / 8 : RING;
    s->ahead = s->ring_size / 2 < 64 ? s->ring_size / 2 : 64;
    lg_waitq_init(&s->doneq);
    return s;
}

bool
lg_buf_present(lg_buf_cache *c, lg_addr addr)
{
    const lg_buf *f = lg_buf__lookup(c, addr);
    return f && f->mode >= LG_MODE_S && f->valid;
}

static uint32_t
ring_take(lg_buf_stream *s)
{
    uint32_t block = s->ring[s->ring_at];
    s->ring_at = (s->ring_at + 1) % s->ring_size;
    s->ring_count--;
    return block;
}

/* When all frames are in use and the scan has its share of them, its oldest blocks go. */
static void
make_room(lg_buf_stream *s)
{
    while (s->large && s->c->free_count == 0 && s->ring_count &&
           s->ring_count + s->loading > s->ring_size) {
        lg_buf *f = lg_buf__lookup(s->c, (lg_addr){s->file, ring_take(s)});
        if (f)
            (void)!lg_buf__frame_evict(s->c, f); /* else somebody else's goes */
    }
}

void
lg_buf_stream_brought(lg_buf_stream *s, uint32_t block)
{
    if (!s->large)
        return;
    if (s->ring_count == s->ring_size)
        (void)ring_take(s);
    s->ring[(s->ring_at + s->ring_count++) % s->ring_size] = block;
}

static void
read_one(lg_buf_stream *s, uint32_t block, void *scratch)
{
    lg_addr addr = {s->file, block};
    bool current = true;
    if (lg_buf_present(s->c, addr))
        return;
    s->loading++;
    make_room(s);
    lg_status st = lg_buf_read_copy(s->c, addr, s->scn, scratch, &current);
    s->loading--;
    if (st != LG_OK)
        return; /* whoever needs the block hears why */
    if (!current) {
        s->next = s->next > block + PAUSE ? s->next : block + PAUSE;
        return;
    }
    lg_stat_inc(s->c->stats, LG_STAT_READS_AHEAD);
    lg_buf__file(s->c, s->file)->reads++;
    lg_buf_stream_brought(s, block);
}

static void
reader(void *arg)
{
    lg_buf_stream *s = arg;
    void *scratch = lg_alloc(s->c->block_bytes);
    while (!s->closed && s->next < s->want)
        read_one(s, s->next++, scratch);
    lg_free(scratch);
    s->readers--;
    lg_waitq_wake_all(&s->doneq);
}

void
lg_buf_stream_at(lg_buf_stream *s, uint32_t block)
{
    if (s->next <= block)
        s->next = block + 1;
    if (s->next > block + s->ahead / 2)
        return;
    s->want = s->last - block > s->ahead ? block + s->ahead : s->last;
    for (uint32_t n = s->readers; n < READERS && s->next + n < s->want; n++) {
        if (lg_run_spawn(s->c->cfg.run, "read ahead", 0, reader, s, NULL) != LG_OK)
            return;
        s->readers++;
    }
}

void
lg_buf_stream_close(lg_buf_stream *s)
{
    if (!s)
        return;
    s->closed = true;
    while (s->readers)
        (void)!lg_waitq_wait(&s->doneq, LG_WAIT_DB_FILE_READ, LG_FOREVER, false);
    lg_free(s);
}
