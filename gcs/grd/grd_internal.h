/* Inside of gcs/grd: the directory's entries. The search in tests/unit copies and compares them. */
#ifndef LG_GRD_GRD_INTERNAL_H
#define LG_GRD_GRD_INTERNAL_H

#include "grd.h"

typedef struct grd_pi_item {
    uint32_t node;
    uint64_t version;
} grd_pi_item;

typedef struct grd_wait_item {
    uint32_t node;
    uint8_t mode;
    uint64_t id;
} grd_wait_item;

typedef struct grd_conversion {
    bool active;
    bool spread; /* invalidations are out: acks says how many */
    uint8_t mode;
    uint8_t acks;
    uint32_t node;  /* the requester */
    uint32_t asked; /* who was sent a FORWARD; 0: the requester has its grant */
    uint64_t id;
} grd_conversion;

typedef struct grd_entry {
    uint64_t key;
    uint32_t x;
    uint64_t s;
    uint64_t claimed; /* newest version claimed in this epoch (I5) */
    uint64_t demand;  /* a past image waits for this version; served when the conversion is over */
    grd_conversion conv;
    grd_pi_item *pi;
    uint32_t pi_count, pi_cap;
    grd_wait_item *queue;
    uint32_t queue_count, queue_cap;
} grd_entry;

/* ---- the table (grd_table.c) ---- */

typedef struct grd_slot {
    uint64_t key;
    union {
        uint64_t s;      /* at rest: as in grd_entry */
        grd_entry *busy; /* else */
    } u;
    uint64_t claimed;
    uint8_t x;
    uint8_t state;
} grd_slot;
_Static_assert(sizeof(grd_slot) == 32, "most of a directory's memory");

typedef struct grd_table {
    grd_slot *slots;
    size_t mask, count;
    grd_entry scratch;
} grd_table;

void lg_grd__table_init(grd_table *t);
void lg_grd__table_fini(grd_table *t);
/* The entry of the key for one step, made when there is none; then settle, before the next take. */
grd_entry *lg_grd__table_take(grd_table *t, uint64_t key);
void lg_grd__table_settle(grd_table *t, grd_entry *e); /* it is gone, or moved */
void lg_grd__table_remove(grd_table *t, uint64_t key);
/* To read: where it lies, or in view. NULL: none. */
const grd_entry *lg_grd__table_look(const grd_table *t, uint64_t key, grd_entry *view);
bool lg_grd__table_next(const grd_table *t, size_t *pos, uint64_t *ret_key);
void lg_grd__table_copy(const grd_table *from, grd_table *to);

struct lg_grd {
    uint32_t self;
    grd_table table;
};

#endif
