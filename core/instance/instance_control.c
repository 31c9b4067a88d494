/* The control block: block 0 of the volume's first file, an ordinary logged block. */
#include "instance_internal.h"
#include <string.h>

static const lg_addr control_addr = {LG_CONTROL_FILE, 0};
static const char control_magic[8] = "LAGOON1";

lg_status
lg_instance__control_read(lg_buf_cache *c, lg_control *ret)
{
    lg_buf *b;
    LG_TRY(lg_buf_get(c, control_addr, LG_LATCH_S, &b));
    memcpy(ret, b->data + LG_BLOCK_HEADER_BYTES, sizeof *ret);
    lg_buf_put(c, b, LG_LATCH_S);
    if (memcmp(ret->magic, control_magic, sizeof ret->magic) != 0)
        return LG_CORRUPT;
    return ret->format == LG_CONTROL_FORMAT ? LG_OK : LG_UNSUPPORTED;
}

lg_status
lg_instance__control_write(lg_buf_cache *c, const lg_control *control, bool is_new)
{
    lg_mtr m;
    lg_buf *b;
    lg_control copy = *control;
    memcpy(copy.magic, control_magic, sizeof copy.magic);
    copy.format = LG_CONTROL_FORMAT;
    lg_mtr_begin(&m, c);
    lg_status st = lg_mtr_get(&m, control_addr, LG_LATCH_X, is_new ? LG_MTR_NEW : 0, &b);
    if (st != LG_OK) {
        lg_mtr_abort(&m);
        return st == LG_RETRY ? LG_INTERNAL : st; /* a first get waits: it never says retry */
    }
    if (is_new)
        lg_mtr_format(&m, b, LG_BLOCK_CONTROL);
    lg_mtr_set(&m, b, LG_BLOCK_HEADER_BYTES, &copy, sizeof copy);
    lg_mtr_commit(&m, NULL);
    return LG_OK;
}
