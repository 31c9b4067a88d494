/* Replacement policy of the buffer cache: which frame to give up. Knows frame numbers only; the
 * cache asks
 * it for candidates and refuses those in use. */
#ifndef LG_BUF_BUF_POLICY_H
#define LG_BUF_BUF_POLICY_H

#include <stdint.h>

typedef struct lg_buf_policy {
    void *(*create)(uint32_t frame_count);
    void (*destroy)(void *state);
    void (*filled)(void *state, uint32_t frame);  /* a block came into the frame */
    void (*touched)(void *state, uint32_t frame); /* a hit: must be very cheap */
    void (*emptied)(void *state, uint32_t frame);
    /* The next frame to look at as a victim. May return any frame, also an empty one; repeated
     * calls visit
     * all frames. */
    uint32_t (*candidate)(void *state);
} lg_buf_policy;

extern const lg_buf_policy lg_buf_policy_clock;

#endif
