#include "msg.h"

#define LG_MSG(sym, name, payload, body, flags, from, to, purpose, effect, idem) {name, flags},
static const lg_rpc_type types[] = {
#include "msg.def"
};
#undef LG_MSG

#define LG_MSG(sym, name, payload, body, flags, from, to, purpose, effect, idem)                   \
    {name, from, to, purpose, effect, sizeof(payload), body, (flags) != 0, idem},
static const lg_msg_doc docs[] = {
#include "msg.def"
};
#undef LG_MSG

const lg_rpc_type *
lg_msg_types(void)
{
    return types;
}

const lg_msg_doc *
lg_msg_doc_of(uint16_t type)
{
    return type < LG_MSG_COUNT ? &docs[type] : NULL;
}

/* Bytes of the items that follow a counted payload. */
static uint64_t
items_bytes(const lg_rpc_msg *m)
{
    switch (m->type) {
    case LG_MSG_GCS_HOLDING:
        return (uint64_t)((const lg_msg_gcs_holding *)m->payload)->count *
               sizeof(lg_msg_gcs_held_item);
    case LG_MSG_GCS_HELD:
    case LG_MSG_GCS_GATE:
        return (uint64_t)((const lg_msg_gcs_list *)m->payload)->count * sizeof(lg_msg_gcs_version);
    case LG_MSG_GES_HOLDING:
        return (uint64_t)((const lg_msg_ges_holding *)m->payload)->count *
               sizeof(lg_msg_ges_held_item);
    default:
        return 0;
    }
}

lg_status
lg_msg_check(const lg_rpc_msg *m)
{
    if (m->type >= LG_MSG_COUNT || m->payload_len < docs[m->type].min_payload)
        return LG_PROTOCOL;
    if (m->payload_len < docs[m->type].min_payload + items_bytes(m))
        return LG_PROTOCOL;
    if (m->body_len != 0 && !docs[m->type].body)
        return LG_PROTOCOL;
    return LG_OK;
}
