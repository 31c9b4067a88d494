/* The master: messages become events of lg_grd_step, its actions become messages. */
#include "cachefusion_internal.h"

static void
send_forward(lg_cf *cf, const lg_grd_action *a)
{
    lg_msg_gcs_forward m = {.key = a->key, .id = a->id, .requester = a->requester, .mode = a->mode};
    m.acks = a->acks;
    m.from_pi = a->from_pi;
    m.no_image = a->no_image;
    uint16_t type = a->kind == LG_GRD_SEND_FORWARD ? LG_MSG_GCS_FORWARD : LG_MSG_GCS_INVALIDATE;
    lg_cf__send(cf, a->to, type, &m, sizeof m, NULL);
}

static void
send_grant(lg_cf *cf, const lg_grd_action *a)
{
    lg_msg_gcs_grant m = {
        .key = a->key, .id = a->id, .mode = a->mode, .how = a->how, .acks = a->acks};
    m.claim = a->claim;
    lg_cf__send(cf, a->to, LG_MSG_GCS_GRANT, &m, sizeof m, NULL);
}

void
lg_cf__master_event(lg_cf *cf, const lg_grd_event *ev)
{
    lg_grd_step(cf->grd, ev, &cf->actions);
    for (unsigned i = 0; i < cf->actions.count; i++) {
        const lg_grd_action *a = &cf->actions.a[i];
        lg_msg_gcs_version v = {a->key, a->version};
        switch (a->kind) {
        case LG_GRD_SEND_FORWARD:
        case LG_GRD_SEND_INVALIDATE:
            send_forward(cf, a);
            break;
        case LG_GRD_SEND_GRANT:
            send_grant(cf, a);
            break;
        case LG_GRD_SEND_PI_DISCARD:
            lg_cf__send(cf, a->to, LG_MSG_GCS_PI_DISCARD, &v, sizeof v, NULL);
            break;
        case LG_GRD_SEND_WRITE:
            lg_cf__send(cf, a->to, LG_MSG_GCS_WRITE, &v, sizeof v, NULL);
            break;
        }
    }
}

/* Tells a requester now and then how many of its claims are in the directory. */
static void
count_claim(lg_cf *cf, uint32_t from)
{
    if (from == cf->node || ++cf->claims_in[from] % CF_CLAIM_ACK_EVERY != 0)
        return;
    lg_msg_gcs_claim_ack m = {cf->claims_in[from]};
    lg_cf__send(cf, from, LG_MSG_GCS_CLAIM_ACK, &m, sizeof m, NULL);
}

void
lg_cf__master_message(lg_cf *cf, uint16_t type, uint32_t from, const void *payload)
{
    lg_grd_event ev = {.node = from};
    switch (type) {
    case LG_MSG_GCS_REQUEST: {
        const lg_msg_gcs_request *m = payload;
        ev.kind = LG_GRD_REQUEST;
        ev.key = m->key;
        ev.id = m->id;
        ev.mode = m->mode;
        ev.have = m->have;
        break;
    }
    case LG_MSG_GCS_CLAIM: {
        const lg_msg_gcs_claim *m = payload;
        ev.kind = LG_GRD_CLAIM;
        ev.key = m->key;
        ev.id = m->id;
        ev.mode = m->mode;
        ev.version = m->version;
        ev.pi_node = m->pi_node;
        ev.pi_version = m->pi_version;
        break;
    }
    case LG_MSG_GCS_NOT_HERE: {
        const lg_msg_gcs_not_here *m = payload;
        ev.kind = LG_GRD_NOT_HERE;
        ev.key = m->key;
        ev.id = m->id;
        ev.requester = m->requester;
        ev.pi_version = m->pi_version;
        break;
    }
    case LG_MSG_GCS_RELEASE: {
        const lg_msg_gcs_release *m = payload;
        ev.kind = LG_GRD_RELEASE;
        ev.key = m->key;
        ev.pi_version = m->pi_version;
        break;
    }
    case LG_MSG_GCS_CANCEL: {
        const lg_msg_gcs_cancel *m = payload;
        ev.kind = LG_GRD_CANCEL;
        ev.key = m->key;
        ev.id = m->id;
        break;
    }
    case LG_MSG_GCS_WRITTEN:
    case LG_MSG_GCS_DEMAND_WRITE: {
        const lg_msg_gcs_version *m = payload;
        ev.kind = type == LG_MSG_GCS_WRITTEN ? LG_GRD_WRITTEN : LG_GRD_DEMAND_WRITE;
        ev.key = m->key;
        ev.version = m->version;
        break;
    }
    default:
        return;
    }
    if (lg_cf__master(cf, ev.key) != cf->node)
        return; /* cannot be: the epoch fixes the map */
    lg_cf__master_event(cf, &ev);
    if (type == LG_MSG_GCS_CLAIM)
        count_claim(cf, from);
}
