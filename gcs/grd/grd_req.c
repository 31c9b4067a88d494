/* The requester's and the holder's side. See grd.h. */
#include "grd.h"

#include "assert.h"

void
lg_grd_req_init(lg_grd_req *r, uint64_t key, uint64_t id, lg_grd_mode want, lg_grd_mode have)
{
    *r = (lg_grd_req){.key = key, .id = id, .want = (uint8_t)want, .have = (uint8_t)have};
}

static unsigned
check_complete(lg_grd_req *r)
{
    if (r->complete || !r->answered || r->acks_got < r->acks_expected)
        return 0;
    r->complete = true;
    return LG_GRD_REQ_COMPLETE;
}

/* Is the image that came the newest so far? Between equal versions the first stays. */
static unsigned
consider_image(lg_grd_req *r, uint64_t version, bool image)
{
    if (!image || version <= r->version)
        return 0;
    r->version = version;
    return LG_GRD_REQ_TAKE;
}

unsigned
lg_grd_req_block(lg_grd_req *r, uint32_t from, uint64_t id, uint64_t version, bool image,
                 bool from_pi, bool dirty, uint32_t acks, uint64_t pi_version)
{
    if (r->id != id || r->complete || r->answered)
        return LG_GRD_REQ_IGNORE;
    unsigned result = consider_image(r, version, image);
    r->answered = true;
    r->authoritative |= !from_pi;
    r->claim = true;
    r->dirty |= dirty;
    r->acks_expected = acks;
    if (pi_version) {
        r->pi_node = from;
        r->pi_version = pi_version;
    }
    return result | check_complete(r);
}

unsigned
lg_grd_req_grant(lg_grd_req *r, uint64_t id, uint8_t how, uint32_t acks, bool claim)
{
    if (r->id != id || r->complete || r->answered)
        return LG_GRD_REQ_IGNORE;
    r->answered = true;
    r->how = how;
    r->acks_expected = acks;
    r->claim = claim;
    r->refused = how == LG_GRD_REFUSED;
    return check_complete(r);
}

unsigned
lg_grd_req_ack(lg_grd_req *r, uint32_t from, uint64_t id, uint64_t version, bool image, bool dirty)
{
    (void)from;
    if (r->id != id || r->complete)
        return LG_GRD_REQ_IGNORE;
    unsigned result = consider_image(r, version, image);
    r->acks_got++;
    r->dirty |= dirty;
    if (image && dirty && result)
        r->authoritative = true; /* it was the dirty S copy: nothing newer exists */
    LG_ASSERT(!r->answered || r->acks_got <= r->acks_expected);
    return result | check_complete(r);
}

lg_grd_serve
lg_grd_serve_forward(const lg_grd_local *l, lg_grd_mode wanted, bool from_pi)
{
    if (l->mode != LG_GRD_N) {
        lg_grd_mode to = wanted == LG_GRD_X ? LG_GRD_N : LG_GRD_S;
        return (lg_grd_serve){.what = LG_GRD_SERVE_REVOKE, .to = to, .ship = true};
    }
    if (from_pi && l->pi)
        return (lg_grd_serve){.what = LG_GRD_SERVE_PI, .ship = true};
    return (lg_grd_serve){.what = LG_GRD_SERVE_NOTHING};
}

lg_grd_serve
lg_grd_serve_invalidate(const lg_grd_local *l, bool no_image)
{
    if (l->mode != LG_GRD_N)
        return (lg_grd_serve){.what = LG_GRD_SERVE_REVOKE, .to = LG_GRD_N, .ship = !no_image};
    if (l->pi && !no_image)
        return (lg_grd_serve){.what = LG_GRD_SERVE_PI, .ship = true};
    return (lg_grd_serve){.what = LG_GRD_SERVE_NOTHING};
}
