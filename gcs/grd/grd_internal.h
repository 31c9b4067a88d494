/* Inside of gcs/grd: the directory's entries. The search in tests/unit copies and compares them. */
#ifndef LG_GRD_GRD_INTERNAL_H
#define LG_GRD_GRD_INTERNAL_H

#include "grd.h"
#include "map.h"

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

struct lg_grd {
    uint32_t self;
    lg_map *entries;
};

#endif
