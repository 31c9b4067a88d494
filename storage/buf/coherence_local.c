/* Coherence of an instance alone: grants everything, on the spot. */
#include "buf_internal.h"
#include "assert.h"

static lg_status
local_acquire(void *self, struct lg_buf *b, lg_mode want, bool is_new, lg_time deadline)
{
    (void)self, (void)is_new, (void)deadline;
    bool had = b->mode >= LG_MODE_S;
    LG_ASSERT(want >= b->mode);
    b->mode = want; /* no peer: how long it is held does not matter */
    b->used = false;
    return had ? LG_OK : LG_READ_DISK;
}

static lg_status
local_read_consistent(void *self, lg_addr addr, lg_scn snapshot, void *frame, lg_time deadline)
{
    (void)self, (void)addr, (void)snapshot, (void)frame, (void)deadline;
    return LG_RETRY;
}

static lg_status
local_release(void *self, struct lg_buf *b)
{
    (void)self, (void)b;
    return LG_OK;
}

static void
local_written(void *self, lg_addr addr, lg_version version)
{
    (void)self, (void)addr, (void)version;
}

const lg_coherence_ops lg_coherence_local = {
    .acquire = local_acquire,
    .read_consistent = local_read_consistent,
    .release = local_release,
    .written = local_written,
    .demand_write = local_written,
};
