/* The simulated disk. See sim_disk.h for what it does to its users.
 *
 * A request in flight is a sim_io, allocated in the simulator's world. It copies from or to the
 * caller's memory at the moment it lands, as a real device does; when the node dies first, a hook
 * takes a copy of what the dead node was writing, since the memory is about to vanish.
 *
 *   submitted -> landing (half of the sectors) -> landed -> completed (on the node's worker)
 *                  \-> lost                           \-> lost   (until the node dies)
 *
 * Durability: for each sector written and not yet synced the disk keeps the content from before;
 * a sync forgets the ones that were written before it was submitted; a power loss brings some back.
 */
#include "sim_disk.h"
#include "assert.h"
#include "hash.h"
#include "io_internal.h"
#include "map.h"
#include "sim.h"
#include <stdio.h>
#include <string.h>

#define SECTOR        512
#define CHUNK         (64 * 1024)
#define CHUNK_SECTS   (CHUNK / SECTOR)
#define MAX_SLOTS     64
#define MAX_KEYS      64
#define SCRATCH_BYTES (1ull << 40)

struct unsynced {
    uint64_t write_no; /* of the newest write to the sector */
    char before[SECTOR];
};

struct file {
    lg_sim *sim;
    char *name;
    uint64_t size;
    bool scratch;     /* of one opening, gone with it; durability is no matter */
    lg_map *chunks;   /* number + 1 -> char[CHUNK]; absent: zeros */
    lg_map *unsynced; /* sector + 1 -> struct unsynced */
    uint64_t write_no;
    lg_time stalled_until;
    uint32_t read_errors, write_errors, slowness;
    bool pr;
    unsigned pr_deaf;
    uint64_t keys[MAX_KEYS];
    bool detached[MAX_SLOTS];
    lg_sim_lose lose[MAX_SLOTS];
    struct opening *holder[MAX_SLOTS]; /* of the open-locks */
    lg_list ios;
};

/* One lg_disk of one node; outlives it while requests are in flight. */
struct opening {
    struct file *file;
    lg_disk *disk; /* NULL: closed or killed */
    uint32_t node;
    uint64_t key;
    uint32_t slot; /* open-lock, or LG_DISK_NO_SLOT */
    unsigned inflight;
    lg_run_hook hook;
};

struct sim_io {
    lg_list link; /* file->ios */
    struct file *file;
    struct opening *by;
    lg_io_req *req; /* NULL: its node is dead */
    lg_io_op op;
    bool lazy;
    uint64_t offset;
    size_t len;
    char *copy;       /* what a dead node was writing */
    bool torn;        /* only some sectors land */
    uint64_t sync_no; /* a sync covers writes up to this one */
    uint64_t seed;    /* which sectors land first */
    bool completing;  /* done with the disk; only its node is to hear of it */
    lg_status st;
};

struct world {
    lg_strmap *files;
    uint64_t scratches; /* made so far */
    void (*watch)(void *arg, const lg_sim_write *w);
    void *watch_arg;
};

/* ---- the world ---- */

static void
file_free(struct file *f)
{
    size_t pos = 0;
    uint64_t key;
    void *p;
    while (lg_map_next(f->chunks, &pos, &key, &p))
        lg_free(p);
    pos = 0;
    while (lg_map_next(f->unsynced, &pos, &key, &p))
        lg_free(p);
    lg_map_destroy(f->chunks);
    lg_map_destroy(f->unsynced);
    lg_list *l;
    while ((l = lg_list_pop_front(&f->ios))) {
        struct sim_io *io = LG_CONTAINER_OF(l, struct sim_io, link);
        if (--io->by->inflight == 0)
            lg_free(io->by);
        lg_free(io->copy);
        lg_free(io);
    }
    lg_free(f->name);
    lg_free(f);
}

static void *
world_make(lg_sim *s)
{
    (void)s;
    struct world *w = lg_zalloc(sizeof *w);
    w->files = lg_strmap_create();
    return w;
}

static void
world_drop(void *arg)
{
    struct world *w = arg;
    size_t pos = 0;
    void *f;
    while (lg_strmap_next(w->files, &pos, NULL, NULL, &f))
        file_free(f);
    lg_strmap_destroy(w->files);
    lg_free(w);
}

static struct file *
file_find(lg_sim *s, const char *name)
{
    struct world *w = lg_sim_state(s, "storage/io disks", world_make, world_drop);
    return lg_strmap_get(w->files, name, strlen(name));
}

static struct file *
file_must(lg_sim *s, const char *name)
{
    struct file *f = file_find(s, name);
    LG_ASSERT(f);
    return f;
}

lg_status
lg_sim_disk_create(lg_sim *s, const char *name, uint64_t size_bytes)
{
    if (file_find(s, name))
        return LG_EXISTS;
    struct world *w = lg_sim_state(s, "storage/io disks", world_make, world_drop);
    lg_heap *outer = lg_heap_switch(NULL);
    struct file *f = lg_zalloc(sizeof *f);
    f->sim = s;
    f->name = lg_strdup(name);
    f->size = size_bytes;
    f->slowness = 100;
    f->chunks = lg_map_create();
    f->unsynced = lg_map_create();
    lg_list_init(&f->ios);
    (void)lg_strmap_put(w->files, name, strlen(name), f);
    (void)lg_heap_switch(outer);
    return LG_OK;
}

/* ---- content ---- */

static char *
sector_at(struct file *f, uint64_t sector, bool make)
{
    uint64_t key = sector / CHUNK_SECTS + 1;
    char *chunk = lg_map_get(f->chunks, key);
    if (!chunk) {
        if (!make)
            return NULL;
        chunk = lg_zalloc(CHUNK);
        (void)lg_map_put(f->chunks, key, chunk);
    }
    return chunk + sector % CHUNK_SECTS * SECTOR;
}

static void
sector_read(struct file *f, uint64_t sector, char *buf)
{
    const char *p = sector_at(f, sector, false);
    if (p)
        memcpy(buf, p, SECTOR);
    else
        memset(buf, 0, SECTOR);
}

static void
sector_write(struct file *f, uint64_t sector, const char *buf, uint64_t write_no)
{
    struct unsynced *u = f->scratch ? NULL : lg_map_get(f->unsynced, sector + 1);
    if (!u && !f->scratch) {
        u = lg_alloc(sizeof *u);
        sector_read(f, sector, u->before);
        (void)lg_map_put(f->unsynced, sector + 1, u);
    }
    if (u)
        u->write_no = write_no;
    memcpy(sector_at(f, sector, true), buf, SECTOR);
}

static void
sector_settle(struct file *f, uint64_t sector, uint64_t upto)
{
    struct unsynced *u = lg_map_get(f->unsynced, sector + 1);
    if (u && u->write_no <= upto) {
        (void)lg_map_remove(f->unsynced, sector + 1);
        lg_free(u);
    }
}

static void
settle_all(struct file *f, uint64_t upto)
{
    size_t n = lg_map_count(f->unsynced), i = 0, pos = 0;
    uint64_t *sectors = lg_alloc((n + 1) * sizeof *sectors);
    uint64_t key;
    while (lg_map_next(f->unsynced, &pos, &key, NULL))
        sectors[i++] = key - 1;
    for (i = 0; i < n; i++)
        sector_settle(f, sectors[i], upto);
    lg_free(sectors);
}

/* ---- requests ---- */

/* Where byte `at` of the request lies in the caller's memory (or in the copy of the dead). */
static char *
memory_at(struct sim_io *io, size_t at)
{
    if (io->copy)
        return io->copy + at;
    lg_io_req *req = io->req;
    if (req->iovcnt == 0)
        return (char *)req->buf + at;
    for (int i = 0; i < req->iovcnt; i++) {
        if (at < req->iov[i].iov_len)
            return (char *)req->iov[i].iov_base + at;
        at -= req->iov[i].iov_len;
    }
    LG_UNREACHABLE();
}

static lg_time
latency(struct file *f, lg_io_op op)
{
    static const uint64_t least[] = {50, 60, 200}, spread[] = {250, 400, 1500};
    uint64_t us = least[op] + lg_sim_random(f->sim) % spread[op];
    if (lg_sim_chance(f->sim, 10000))
        us *= 20;
    return us * 1000 * f->slowness / 100;
}

static lg_time
not_before_stall(const struct file *f, lg_time t)
{
    return t > f->stalled_until ? t : f->stalled_until;
}

static bool
has_key(const struct file *f, uint64_t key)
{
    for (unsigned i = 0; i < MAX_KEYS; i++)
        if (f->keys[i] == key)
            return true;
    return false;
}

static bool
reserved(const struct file *f)
{
    for (unsigned i = 0; i < MAX_KEYS; i++)
        if (f->keys[i])
            return true;
    return false;
}

static void
opening_release(struct opening *o)
{
    if (o->disk || o->inflight > 0)
        return;
    if (o->slot != LG_DISK_NO_SLOT)
        o->file->holder[o->slot] = NULL;
    if (o->file->scratch) {
        struct world *w = lg_sim_state(o->file->sim, "storage/io disks", world_make, world_drop);
        lg_heap *outer = lg_heap_switch(NULL);
        (void)lg_strmap_remove(w->files, o->file->name, strlen(o->file->name));
        file_free(o->file);
        (void)lg_heap_switch(outer);
    }
    lg_free(o);
}

static void
io_free(struct sim_io *io)
{
    struct opening *o = io->by;
    lg_list_remove(&io->link);
    lg_free(io->copy);
    lg_free(io);
    o->inflight--;
    opening_release(o);
}

static void
complete(void *arg)
{
    struct sim_io *io = arg;
    lg_io_req *req = io->req;
    lg_status st = io->st;
    io_free(io);
    lg_io__finish(req, st);
}

static void
go(struct sim_io *io, lg_time delay, lg_run *owner, void (*fn)(void *))
{
    lg_sim *s = io->file->sim;
    (void)lg_sim_at(s, not_before_stall(io->file, lg_sim_now(s) + delay), owner, fn, io);
}

static bool
lost(struct sim_io *io, lg_sim_lose what)
{
    struct file *f = io->file;
    if (!io->req || f->lose[io->by->node] != what)
        return false;
    f->lose[io->by->node] = LG_SIM_LOSE_NOTHING;
    io->completing = true; /* dropped with the node */
    return true;
}

static void
end(struct sim_io *io)
{
    if (!io->req) {
        io_free(io);
        return;
    }
    io->completing = true;
    if (lost(io, LG_SIM_LOSE_COMPLETION))
        return;
    go(io, 1000, io->req->disk->io->run, complete);
}

/* What the device answers before it touches anything. */
static lg_status
refused(struct sim_io *io)
{
    struct file *f = io->file;
    if (f->detached[io->by->node])
        return LG_IO;
    uint32_t rate = io->op == LG_IO_READ ? f->read_errors : f->write_errors;
    if (rate && lg_sim_chance(f->sim, rate))
        return LG_IO;
    if (io->op == LG_IO_WRITE && f->pr && reserved(f) && !has_key(f, io->by->key))
        return LG_FENCED;
    return LG_OK;
}

/* Sectors of the first or the second half of landing; a torn write loses a random part. */
static void
land(struct sim_io *io, bool second)
{
    for (size_t at = 0; at < io->len; at += SECTOR) {
        uint64_t sector = (io->offset + at) / SECTOR;
        uint64_t h = lg_hash_u64(io->seed + sector);
        if ((h & 1) != (second ? 1 : 0) || (io->torn && (h & 2)))
            continue;
        if (io->op == LG_IO_READ)
            sector_read(io->file, sector, memory_at(io, at));
        else
            sector_write(io->file, sector, memory_at(io, at), ++io->file->write_no);
    }
}

static void
landed(void *arg)
{
    struct sim_io *io = arg;
    struct file *f = io->file;
    if (lg_sim_now(f->sim) < f->stalled_until) {
        go(io, 0, NULL, landed);
        return;
    }
    if (io->op != LG_IO_READ || io->req) {
        /* a preempt may have come between the halves */
        if (io->op == LG_IO_WRITE && io->st == LG_OK && f->pr && reserved(f) &&
            !has_key(f, io->by->key))
            io->st = LG_FENCED;
        else if (io->st == LG_OK)
            land(io, true);
    }
    if (io->op == LG_IO_WRITE && !io->lazy && !io->torn && io->st == LG_OK)
        for (size_t at = 0; at < io->len; at += SECTOR)
            sector_settle(f, (io->offset + at) / SECTOR, f->write_no);
    end(io);
}

static void
landing(void *arg)
{
    struct sim_io *io = arg;
    struct file *f = io->file;
    if (lg_sim_now(f->sim) < f->stalled_until) {
        go(io, 0, NULL, landing);
        return;
    }
    if (io->op == LG_IO_READ && !io->req) {
        io_free(io);
        return;
    }
    if (lost(io, LG_SIM_LOSE_REQUEST))
        return;
    if (io->st == LG_OK)
        io->st = refused(io);
    if (io->st != LG_OK) {
        end(io);
        return;
    }
    if (io->op == LG_IO_SYNC) {
        settle_all(f, io->sync_no);
        end(io);
        return;
    }
    land(io, false);
    if (io->len > SECTOR)
        go(io, 1000 + lg_sim_random(f->sim) % 50000, NULL, landed);
    else
        landed(io);
}

static void
tell_watch(const struct file *f, const lg_io_req *req, uint32_t node)
{
    struct world *w = lg_sim_state(f->sim, "storage/io disks", world_make, world_drop);
    if (w->watch && !f->scratch && req->op == LG_IO_WRITE && req->iovcnt == 0)
        w->watch(w->watch_arg, &(lg_sim_write){f->name, node, req->offset, req->buf, req->len});
}

static void
sim_submit(lg_io_req *req)
{
    lg_disk *d = req->disk;
    struct opening *o = d->sim;
    struct file *f = o->file;
    lg_heap *outer = lg_heap_switch(NULL);
    struct sim_io *io = lg_zalloc(sizeof *io);
    *io = (struct sim_io){.file = f,
                          .by = o,
                          .req = req,
                          .op = req->op,
                          .lazy = (req->flags & LG_IO_LAZY) != 0,
                          .offset = req->offset,
                          .len = req->op == LG_IO_SYNC ? 0 : lg_io__req_len(req),
                          .sync_no = f->write_no,
                          .seed = lg_sim_random(f->sim)};
    o->inflight++;
    tell_watch(f, req, o->node);
    lg_list_push_back(&f->ios, &io->link);
    go(io, latency(f, req->op), NULL, landing);
    (void)lg_heap_switch(outer);
}

/* ---- the death of a node ---- */

static void
copy_of_the_dead(struct sim_io *io)
{
    if (io->op != LG_IO_WRITE)
        return;
    lg_heap *outer = lg_heap_switch(NULL);
    char *copy = lg_alloc(io->len);
    (void)lg_heap_switch(outer);
    for (size_t at = 0; at < io->len; at += SECTOR)
        memcpy(copy + at, memory_at(io, at), SECTOR);
    io->copy = copy;
    switch (lg_sim_random(io->file->sim) % 3) {
    case 0:
        break; /* lands whole, later */
    case 1:
        io->torn = true;
        break;
    case 2:
        if (io->st == LG_OK)
            io->st = LG_CANCELED; /* was still in the queue of the node */
        break;
    }
}

static void
node_killed(void *arg)
{
    struct opening *o = arg;
    LG_LIST_FOREACH_SAFE (it, &o->file->ios) {
        struct sim_io *io = LG_CONTAINER_OF(it, struct sim_io, link);
        if (io->by != o)
            continue;
        if (io->completing) {
            io_free(io); /* the event, owned by the run, is dropped with it */
            continue;
        }
        copy_of_the_dead(io);
        io->req = NULL;
    }
    o->disk = NULL;
    opening_release(o);
}

/* ---- disks ---- */

/* A file without a name, for this opening alone. */
static struct file *
scratch_make(lg_run *r)
{
    lg_sim *s = lg_run_sim(r);
    struct world *w = lg_sim_state(s, "storage/io disks", world_make, world_drop);
    char name[60];
    snprintf(name, sizeof name, "scratch %llu of node %u", (unsigned long long)++w->scratches,
             lg_run_sim_node(r));
    lg_status st = lg_sim_disk_create(s, name, SCRATCH_BYTES);
    LG_ASSERT(st == LG_OK);
    struct file *f = file_must(s, name);
    f->scratch = true;
    return f;
}

static lg_status
sim_open(lg_disk *d)
{
    lg_run *r = d->io->run;
    struct file *f =
        d->flags & LG_DISK_SCRATCH ? scratch_make(r) : file_find(lg_run_sim(r), d->path);
    if (!f || f->detached[lg_run_sim_node(r) % MAX_SLOTS])
        return LG_NO_DISK;
    lg_heap *outer = lg_heap_switch(NULL);
    struct opening *o = lg_zalloc(sizeof *o);
    (void)lg_heap_switch(outer);
    *o = (struct opening){.file = f,
                          .disk = d,
                          .node = lg_run_sim_node(r) % MAX_SLOTS,
                          .slot = LG_DISK_NO_SLOT,
                          .hook = {.fn = node_killed, .arg = o}};
    lg_run_on_destroy(r, &o->hook);
    d->sim = o;
    d->size = f->size;
    d->align = SECTOR;
    d->atomic = 0;
    return LG_OK;
}

static void
sim_close(lg_disk *d)
{
    struct opening *o = d->sim;
    lg_run_hook_remove(&o->hook);
    o->disk = NULL;
    opening_release(o);
}

static lg_status
sim_create(lg_io *io, const char *path, uint64_t size_bytes)
{
    return lg_sim_disk_create(lg_run_sim(io->run), path, size_bytes);
}

static lg_status
sim_lock(lg_disk *d, uint32_t slot)
{
    struct opening *o = d->sim;
    LG_ASSERT(slot < MAX_SLOTS);
    if (o->file->holder[slot])
        return LG_EXISTS;
    o->file->holder[slot] = o;
    o->slot = slot;
    return LG_OK;
}

static lg_status
sim_probe(lg_disk *d, uint32_t slot)
{
    struct opening *o = d->sim;
    LG_ASSERT(slot < MAX_SLOTS);
    return o->file->holder[slot] ? LG_EXISTS : LG_OK;
}

static lg_status
sim_pr_register(lg_disk *d, uint64_t old_key, uint64_t new_key)
{
    struct opening *o = d->sim;
    struct file *f = o->file;
    if (!f->pr)
        return LG_UNSUPPORTED;
    if (old_key && !has_key(f, old_key))
        return LG_FENCED;
    for (unsigned i = 0; i < MAX_KEYS; i++) {
        if (f->keys[i] == old_key) {
            f->keys[i] = new_key;
            o->key = new_key;
            return LG_OK;
        }
    }
    return LG_LIMIT;
}

static lg_status
sim_pr_preempt(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    struct file *f = ((struct opening *)d->sim)->file;
    if (!f->pr)
        return LG_UNSUPPORTED;
    if (!has_key(f, own_key))
        return LG_FENCED;
    if (f->pr_deaf > 0) {
        f->pr_deaf--;
        return LG_OK;
    }
    for (unsigned i = 0; i < MAX_KEYS; i++)
        if (f->keys[i] == victim_key)
            f->keys[i] = 0;
    return LG_OK;
}

static lg_status
sim_pr_check(lg_disk *d, uint64_t own_key, uint64_t victim_key)
{
    struct file *f = ((struct opening *)d->sim)->file;
    if (!f->pr)
        return LG_UNSUPPORTED;
    if (!has_key(f, own_key))
        return LG_FENCED;
    return has_key(f, victim_key) ? LG_EXISTS : LG_OK;
}

const struct lg_io__ops lg_io__sim_ops = {.submit = sim_submit,
                                          .open = sim_open,
                                          .close = sim_close,
                                          .create = sim_create,
                                          .lock = sim_lock,
                                          .probe = sim_probe,
                                          .pr_register = sim_pr_register,
                                          .pr_preempt = sim_pr_preempt,
                                          .pr_check = sim_pr_check};

/* ---- what tests do to it ---- */

void
lg_sim_disk_stall(lg_sim *s, const char *name, lg_time until)
{
    file_must(s, name)->stalled_until = until;
}

void
lg_sim_disk_set_errors(lg_sim *s, const char *name, uint32_t reads_per_million,
                       uint32_t writes_per_million)
{
    struct file *f = file_must(s, name);
    f->read_errors = reads_per_million;
    f->write_errors = writes_per_million;
}

void
lg_sim_disk_set_pr(lg_sim *s, const char *name, bool supported)
{
    file_must(s, name)->pr = supported;
}

void
lg_sim_disk_set_pr_deaf(lg_sim *s, const char *name, unsigned times)
{
    file_must(s, name)->pr_deaf = times;
}

void
lg_sim_disk_detach(lg_sim *s, const char *name, uint32_t node, bool detached)
{
    LG_ASSERT(node < MAX_SLOTS);
    file_must(s, name)->detached[node] = detached;
}

void
lg_sim_disk_lose(lg_sim *s, const char *name, uint32_t node, lg_sim_lose what)
{
    LG_ASSERT(node < MAX_SLOTS);
    file_must(s, name)->lose[node] = what;
}

void
lg_sim_disk_set_slowness(lg_sim *s, const char *name, uint32_t percent)
{
    file_must(s, name)->slowness = percent;
}

void
lg_sim_disk_power_loss(lg_sim *s, const char *name)
{
    struct file *f = file_must(s, name);
    LG_LIST_FOREACH (it, &f->ios) {
        struct sim_io *io = LG_CONTAINER_OF(it, struct sim_io, link);
        if (io->st == LG_OK)
            io->st = LG_IO;
    }
    size_t pos = 0;
    uint64_t key;
    void *p;
    while (lg_map_next(f->unsynced, &pos, &key, &p))
        if (lg_sim_random(s) % 2)
            memcpy(sector_at(f, key - 1, true), ((struct unsynced *)p)->before, SECTOR);
    settle_all(f, UINT64_MAX);
}

bool
lg_sim_disk_dying(lg_sim *s, const char *name, uint32_t node)
{
    LG_LIST_FOREACH (it, &file_must(s, name)->ios) {
        const struct sim_io *io = LG_CONTAINER_OF(it, struct sim_io, link);
        if (!io->req && io->by->node == node)
            return true;
    }
    return false;
}

void
lg_sim_disk_peek(lg_sim *s, const char *name, uint64_t offset, void *buf, size_t len)
{
    LG_ASSERT(offset % SECTOR == 0 && len % SECTOR == 0);
    for (size_t at = 0; at < len; at += SECTOR)
        sector_read(file_must(s, name), (offset + at) / SECTOR, (char *)buf + at);
}

void
lg_sim_disk_peek_durable(lg_sim *s, const char *name, uint64_t offset, void *buf, size_t len)
{
    struct file *f = file_must(s, name);
    lg_sim_disk_peek(s, name, offset, buf, len);
    for (size_t at = 0; at < len; at += SECTOR) {
        const struct unsynced *u = lg_map_get(f->unsynced, (offset + at) / SECTOR + 1);
        if (u)
            memcpy((char *)buf + at, u->before, SECTOR);
    }
}

void
lg_sim_disk_watch(lg_sim *s, void (*fn)(void *arg, const lg_sim_write *w), void *arg)
{
    struct world *w = lg_sim_state(s, "storage/io disks", world_make, world_drop);
    w->watch = fn;
    w->watch_arg = arg;
}

void
lg_sim_disk_poke(lg_sim *s, const char *name, uint64_t offset, const void *buf, size_t len)
{
    LG_ASSERT(offset % SECTOR == 0 && len % SECTOR == 0);
    struct file *f = file_must(s, name);
    lg_heap *outer = lg_heap_switch(NULL);
    for (size_t at = 0; at < len; at += SECTOR)
        memcpy(sector_at(f, (offset + at) / SECTOR, true), (const char *)buf + at, SECTOR);
    (void)lg_heap_switch(outer);
}
