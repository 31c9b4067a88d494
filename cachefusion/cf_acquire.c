/* The requester: acquire, release, written, demand_write; what arrives for a request; claims.
 *
 *   acquire --REQUEST--> master ... GRANT | BLOCK, INV_ACK* -> requester_message -> (complete)
 *     -> settle: the newest image is installed -> lg_buf_granted -> CLAIM
 *
 * From completion to the end of settle the element counts in cf->finishing: freeze waits for it,
 * and peers' wishes for the block wait too (lg_cf__serve_kick). Settle waits for the disk at most.
 */
#include "cachefusion_internal.h"

/* ---- claims not yet acknowledged ---- */

static void
unacked_push(cf_unacked *u, uint64_t key)
{
    if (u->count == u->cap) {
        u->cap = u->cap ? u->cap * 2 : 128;
        u->keys = lg_realloc(u->keys, u->cap * sizeof *u->keys);
    }
    u->keys[u->count++] = key;
}

static void
claims_acked(cf_unacked *u, uint64_t count)
{
    if (count <= u->acked || count - u->acked > u->count)
        return;
    uint32_t n = (uint32_t)(count - u->acked);
    u->count -= n;
    u->acked = count;
    memmove(u->keys, u->keys + n, u->count * sizeof *u->keys);
}

void
lg_cf__claims_forget(lg_cf *cf)
{
    for (uint32_t i = 0; i < LG_NODES_MAX; i++) {
        cf->unacked[i].count = 0;
        cf->unacked[i].acked = 0;
        cf->claims_in[i] = 0;
    }
}

static void
claim(lg_cf *cf, const cf_elem *e, lg_version version)
{
    const lg_grd_req *r = &e->req;
    uint32_t master = lg_cf__master(cf, e->key);
    lg_msg_gcs_claim m = {.key = e->key, .id = r->id, .version = version, .mode = r->want};
    m.pi_node = r->pi_node;
    m.pi_version = r->pi_version;
    cf->counts.claims++;
    if (master != cf->node || cf->frozen)
        unacked_push(&cf->unacked[master], e->key);
    if (!cf->frozen) /* else the rebuild tells it */
        lg_cf__send(cf, master, LG_MSG_GCS_CLAIM, &m, sizeof m, NULL);
}

/* ---- statistics ---- */

static void
count_transfer(lg_cf *cf, const cf_elem *e)
{
    lg_cf_transfer *t = &cf->transfer[e->from];
    lg_time ns = lg_run_now_exact_ns(cf->run) - e->sent_at;
    uint32_t master = lg_cf__master(cf, e->key);
    bool two_hop = master == cf->node || master == e->from;
    *(two_hop ? &t->current_2hop : &t->current_3hop) += 1;
    *(two_hop ? &t->current_2hop_ns : &t->current_3hop_ns) += ns;
    if (ns > t->current_max_ns)
        t->current_max_ns = ns;
    t->current_busy += e->busy_holder;
    t->current_congested += ns > LG_MS;
    lg_cf_segment *g = lg_cf__segment(cf, e->key);
    g->current_received++;
    g->current_ns += ns;
    cf->counts.blocks_received++;
    lg_stat_inc(cf->stats, LG_STAT_GC_CURRENT_RECEIVED);
}

/* ---- settling a complete request ---- */

/* The disk's image beside what came: the newest is current (F2). LG_RETRY: the block's place is not
 * known here; find it first and ask again. */
static lg_status
settle_with_disk(lg_cf *cf, cf_elem *e, lg_buf *b, bool own_pi)
{
    const void *image = e->image ? e->image->body : NULL;
    lg_version version = e->req.version;
    lg_volume_place place;
    lg_addr map_block;
    uint8_t *own = NULL;
    lg_status st = lg_volume_locate(cf->cfg.volume, b->addr, &place, &map_block);
    if (st != LG_OK)
        return st == LG_NOT_FOUND ? LG_RETRY : LG_INVALID;
    uint8_t *disk = lg_io_buf_alloc(cf->cfg.block_bytes);
    if (own_pi && b->pi && b->valid && lg_block_version(b->data) > version) {
        own = lg_io_buf_alloc(cf->cfg.block_bytes);
        memcpy(own, b->data, cf->cfg.block_bytes);
        lg_block_seal(own, cf->cfg.block_bytes);
        image = own;
        version = lg_block_version(own);
    }
    st = lg_volume_read_block(cf->cfg.volume, &place, b->addr, disk);
    if (st == LG_CORRUPT && image)
        st = LG_OK,
        memset(disk, 0, cf->cfg.block_bytes); /* torn; the image that came replaces it */
    if (st == LG_OK && image && version > lg_block_version(disk)) {
        st = lg_buf_install(cf->buf, b, image, true);
    } else if (st == LG_OK) {
        version = lg_block_version(disk);
        st = lg_buf_install(cf->buf, b, disk, false);
        if (st == LG_OK) {
            lg_buf_superseded(cf->buf, b->addr, version);
            lg_cf__written(cf, b->addr, version); /* past images that have not heard of it */
        }
    }
    lg_free(own);
    lg_free(disk);
    return st;
}

/* Brings the content in. LG_READ_DISK: buf reads it. */
static lg_status
settle_content(lg_cf *cf, cf_elem *e, lg_buf *b)
{
    const lg_grd_req *r = &e->req;
    if (r->how == LG_GRD_OWN) {
        LG_ASSERT(b->mode >= LG_MODE_S);
        cf->counts.grants_own++;
        if (r->dirty && b->valid)
            (void)lg_buf_adopt(cf->buf, b);
        return b->valid ? LG_OK : LG_READ_DISK;
    }
    if (r->how == LG_GRD_OWN_PI || (e->image && !r->authoritative))
        return settle_with_disk(cf, e, b, r->how == LG_GRD_OWN_PI);
    if (!e->image) {
        cf->counts.grants_disk++;
        lg_stat_inc(cf->stats, LG_STAT_GC_GRANTS);
        return LG_READ_DISK;
    }
    LG_TRY(lg_buf_install(cf->buf, b, e->image->body, r->dirty));
    if (e->disk_version)
        lg_buf_superseded(cf->buf, b->addr, e->disk_version);
    count_transfer(cf, e);
    return LG_OK;
}

static lg_status
settle(lg_cf *cf, cf_elem *e, lg_buf *b)
{
    lg_status st = settle_content(cf, e, b);
    if (st != LG_OK && st != LG_READ_DISK) {
        /* The master counts us as a holder, wrongly; that is what NOT_HERE heals. A conversion that
         * waits for our claim must still end. */
        if (e->req.claim)
            claim(cf, e, 0);
        return st;
    }
    lg_version version = st == LG_OK ? lg_block_version(b->data) : 0;
    lg_buf_granted(cf->buf, b, (lg_mode)e->req.want);
    if (e->req.claim)
        claim(cf, e, version);
    return st;
}

/* ---- acquire ---- */

static void
send_request(lg_cf *cf, cf_elem *e, const lg_buf *b, lg_mode want, bool is_new)
{
    lg_grd_req_init(&e->req, e->key, ++cf->next_id, (lg_grd_mode)want, (lg_grd_mode)b->mode);
    e->requesting = true;
    e->aborted = false;
    e->by_recovery = lg_cf__is_recovery_fiber(cf);
    e->image = NULL;
    e->from = 0;
    e->disk_version = 0;
    e->busy_holder = false;
    e->sent_at = lg_run_now_exact_ns(cf->run);
    lg_msg_gcs_request m = {
        .key = e->key, .id = e->req.id, .mode = (uint8_t)want, .have = (uint8_t)b->mode};
    m.is_new = is_new;
    lg_cf__send(cf, lg_cf__master(cf, e->key), LG_MSG_GCS_REQUEST, &m, sizeof m, NULL);
    lg_cf__drain(cf);
}

/* Waits for the request to complete or to be aborted by an epoch. */
static void
await(lg_cf *cf, cf_elem *e, lg_time deadline)
{
    bool canceled = false;
    while (!e->req.complete && !e->aborted) {
        lg_time until = canceled ? LG_FOREVER : deadline;
        lg_status st = lg_waitq_wait(&e->q, LG_WAIT_GC_CURRENT_REQUEST, until, false);
        if (st != LG_TIMEOUT || canceled || e->req.complete || e->aborted)
            continue;
        canceled = true; /* refused if it is still queued; else it comes anyway */
        lg_msg_gcs_cancel m = {e->key, e->req.id};
        lg_cf__send(cf, lg_cf__master(cf, e->key), LG_MSG_GCS_CANCEL, &m, sizeof m, NULL);
        lg_cf__drain(cf);
    }
}

/* The request is over, one way or another. */
static void
request_end(lg_cf *cf, cf_elem *e)
{
    if (e->req.complete && !e->aborted && --cf->finishing == 0)
        lg_waitq_wake_all(&cf->drainedq);
    lg_rpc_msg_free(e->image);
    e->image = NULL;
    e->requesting = false;
    lg_cf__serve_kick(cf, e);
    lg_cf__elem_done(cf, e);
}

lg_status
lg_cf__acquire(void *self, lg_buf *b, lg_mode want, bool is_new, lg_time deadline)
{
    lg_cf *cf = self;
    uint64_t key = lg_addr_key(b->addr);
    cf->counts.acquires++;
    for (;;) {
        if (lg_cf__is_stale_recovery(cf))
            return LG_STALE_EPOCH; /* the script waits for us before it can go on */
        if (cf->stopping)
            return LG_SHUTDOWN;
        if (cf->frozen) {
            if (lg_cf__is_server_fiber(cf)) /* the freeze waits for it */
                return LG_STALE_EPOCH;
            while (cf->frozen) {
                if (cf->stopping)
                    return LG_SHUTDOWN;
                LG_TRY(lg_waitq_wait(&cf->thawq, LG_WAIT_GC_REMASTER, deadline, false));
            }
            return LG_RETRY; /* the block may be closed now: buf looks at the gate again */
        }
        if (b->mode >= want) /* nothing lowers it but a peer: while we waited nobody raised it */
            return b->valid ? LG_OK : LG_READ_DISK;
        cf_elem *e = lg_cf__elem(cf, key);
        LG_ASSERT(!e->requesting);
        send_request(cf, e, b, want, is_new);
        await(cf, e, deadline);
        if (e->aborted) { /* by a new epoch: what was on its way is lost */
            cf->counts.retries++;
            cf->transfer[lg_cf__master(cf, key)].lost++;
            request_end(cf, e);
            return LG_RETRY;
        }
        lg_status st = e->req.refused ? LG_TIMEOUT : settle(cf, e, b);
        request_end(cf, e);
        lg_cf__drain(cf);
        if (st != LG_RETRY)
            return st;
        lg_volume_place place;
        LG_TRY(lg_buf_locate(cf->buf, b->addr, &place));
    }
}

/* A new epoch: nothing that was under way will come. */
void
lg_cf__requests_abort(lg_cf *cf)
{
    size_t pos = 0;
    void *v;
    while (lg_map_next(cf->elems, &pos, NULL, &v)) {
        cf_elem *e = v;
        if (!e->requesting || e->req.complete)
            continue;
        e->aborted = true;
        lg_waitq_wake_all(&e->q);
    }
}

/* ---- what arrives ---- */

static void
block_arrived(cf_elem *e, uint16_t type, uint32_t from, const lg_msg_gcs_block *m, lg_rpc_msg *msg)
{
    bool image = msg && msg->body_len != 0;
    unsigned res = type == LG_MSG_GCS_BLOCK
                       ? lg_grd_req_block(&e->req, from, m->id, m->version, image, m->from_pi != 0,
                                          m->dirty != 0, m->acks, m->pi_version)
                       : lg_grd_req_ack(&e->req, from, m->id, m->version, image, m->dirty != 0);
    if (res & LG_GRD_REQ_TAKE) {
        lg_rpc_msg_free(e->image);
        lg_rpc_msg_take(msg);
        e->image = msg;
        e->from = from;
        e->disk_version = m->disk_version;
        e->busy_holder = m->busy != 0;
    }
}

void
lg_cf__requester_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload,
                         lg_rpc_msg *msg)
{
    if (type == LG_MSG_GCS_CLAIM_ACK) {
        claims_acked(&cf->unacked[from], ((const lg_msg_gcs_claim_ack *)payload)->count);
        return;
    }
    cf_elem *e = lg_map_get(cf->elems, *(const uint64_t *)payload); /* all begin with the key */
    if (!e || !e->requesting || e->aborted || e->req.complete)
        return;
    if (type == LG_MSG_GCS_GRANT) {
        const lg_msg_gcs_grant *m = payload;
        (void)lg_grd_req_grant(&e->req, m->id, m->how, m->acks, m->claim != 0);
    } else {
        block_arrived(e, type, from, payload, msg);
    }
    if (e->req.complete) {
        cf->finishing++;
        lg_waitq_wake_all(&e->q);
    }
}

/* ---- release, written, demand ---- */

lg_status
lg_cf__release(void *self, lg_buf *b)
{
    lg_cf *cf = self;
    uint64_t key = lg_addr_key(b->addr);
    lg_msg_gcs_release m = {.key = key};
    if (b->pi && b->valid)
        m.pi_version = lg_block_version(b->data);
    cf->counts.releases++;
    if (!cf->frozen) { /* else the directory names us until somebody asks: NOT_HERE */
        lg_cf__send(cf, lg_cf__master(cf, key), LG_MSG_GCS_RELEASE, &m, sizeof m, NULL);
        lg_cf__drain(cf);
    }
    return LG_OK;
}

void
lg_cf__written(void *self, lg_addr addr, lg_version version)
{
    lg_cf *cf = self;
    lg_msg_gcs_version m = {lg_addr_key(addr), version};
    cf->counts.written++;
    if (cf->frozen) /* past images in the way will be demanded again */
        return;
    lg_cf__send(cf, lg_cf__master(cf, m.key), LG_MSG_GCS_WRITTEN, &m, sizeof m, NULL);
    lg_cf__drain(cf);
}

void
lg_cf__demand_write(void *self, lg_addr addr, lg_version version)
{
    lg_cf *cf = self;
    lg_msg_gcs_version m = {lg_addr_key(addr), version};
    cf->counts.demands++;
    if (cf->frozen)
        return;
    lg_cf__send(cf, lg_cf__master(cf, m.key), LG_MSG_GCS_DEMAND_WRITE, &m, sizeof m, NULL);
    lg_cf__drain(cf);
}
