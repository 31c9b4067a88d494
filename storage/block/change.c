/* Change vectors: applying the byte operations of redo to a block image. Knows nothing of what the
 * bytes mean. Untrusted input (redo read back, fuzzing): every bound is checked. */
#include "block.h"
#include <string.h>

struct cursor {
    const uint8_t *p;
    const uint8_t *end;
};

static bool
take(struct cursor *c, void *out, size_t n)
{
    if ((size_t)(c->end - c->p) < n)
        return false;
    memcpy(out, c->p, n);
    c->p += n;
    return true;
}

static bool
inside(uint32_t off, uint32_t len, uint32_t block_bytes)
{
    return off >= LG_BLOCK_HEADER_BYTES && off + len <= block_bytes;
}

static bool
apply_set(uint8_t *block, uint32_t block_bytes, struct cursor *c)
{
    uint16_t off, len;
    if (!take(c, &off, 2) || !take(c, &len, 2) || !inside(off, len, block_bytes))
        return false;
    return take(c, block + off, len);
}

static bool
apply_move(uint8_t *block, uint32_t block_bytes, struct cursor *c)
{
    uint16_t dst, src, len;
    if (!take(c, &dst, 2) || !take(c, &src, 2) || !take(c, &len, 2))
        return false;
    if (!inside(dst, len, block_bytes) || !inside(src, len, block_bytes))
        return false;
    memmove(block + dst, block + src, len);
    return true;
}

static bool
apply_fill(uint8_t *block, uint32_t block_bytes, struct cursor *c)
{
    uint16_t off, len;
    uint8_t byte;
    if (!take(c, &off, 2) || !take(c, &len, 2) || !take(c, &byte, 1))
        return false;
    if (!inside(off, len, block_bytes))
        return false;
    memset(block + off, byte, len);
    return true;
}

static bool
apply_format(uint8_t *block, uint32_t block_bytes, struct cursor *c)
{
    uint8_t type;
    uint32_t file, number;
    if (!take(c, &type, 1) || !take(c, &file, 4) || !take(c, &number, 4))
        return false;
    memset(block, 0, block_bytes);
    lg_block_header *h = (lg_block_header *)block;
    h->type = type;
    h->file = file;
    h->block = number;
    return true;
}

lg_status
lg_change_apply(void *block, uint32_t block_bytes, const void *ops, uint32_t ops_len,
                lg_version after)
{
    struct cursor c = {ops, (const uint8_t *)ops + ops_len};
    while (c.p < c.end) {
        uint8_t op = *c.p++;
        bool ok = false;
        switch (op) {
        case LG_CHANGE_SET:
            ok = apply_set(block, block_bytes, &c);
            break;
        case LG_CHANGE_MOVE:
            ok = apply_move(block, block_bytes, &c);
            break;
        case LG_CHANGE_FILL:
            ok = apply_fill(block, block_bytes, &c);
            break;
        case LG_CHANGE_FORMAT:
            ok = apply_format(block, block_bytes, &c);
            break;
        default:
            break;
        }
        if (!ok)
            return LG_CORRUPT;
    }
    ((lg_block_header *)block)->version = after;
    return LG_OK;
}

bool
lg_change_formats(const void *ops, uint32_t ops_len)
{
    return ops_len > 0 && *(const uint8_t *)ops == LG_CHANGE_FORMAT;
}
