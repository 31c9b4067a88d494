/* What the files of storage/recovery share. */
#ifndef LG_RECOVERY_RECOVERY_INTERNAL_H
#define LG_RECOVERY_RECOVERY_INTERNAL_H

#include "arena.h"
#include "map.h"
#include "recovery.h"

struct lg_rec__vector {
    struct lg_rec__vector *next;
    lg_version before, after;
    const void *ops;
    uint32_t ops_len;
};

/* A block of the recovery set. */
struct lg_rec__entry {
    lg_addr addr;
    struct lg_rec__vector *first, *last;
    uint32_t count;
    lg_version newest; /* highest `after`; 0 without vectors */
    const void *spare; /* newest image in a double-write area of the dead, or NULL */
    uint32_t spare_index;
    bool spare_own; /* from the area that we write through ourselves */
    bool done;
    bool held;   /* a living instance has it: settle */
    void *image; /* file 0 only: the recovered image, to find other blocks through */
};

struct lg_rec__thread {
    uint32_t thread;
    uint32_t incarnation;
    lg_lsn end;
    bool open; /* false: CLEAN already, by an earlier attempt */
};

struct lg_recovery {
    lg_recovery_config cfg;
    uint32_t block_bytes;
    struct lg_rec__thread threads[LG_VOLUME_MAX_INSTANCES];
    lg_arena *arena;
    lg_map *set;                  /* address key -> entry */
    struct lg_rec__entry **order; /* sorted: file 0 first, then by changes */
    uint32_t order_count;
    bool analysed;
    lg_recovery_stats stats;
};

struct lg_rec__entry *lg_rec__entry_get(lg_recovery *rec, lg_addr addr); /* made when missing */
/* Where a block lies, by recovered metadata. LG_INVALID: unmapped. Blocks. */
LG_MUST lg_status lg_rec__locate(lg_recovery *rec, lg_addr addr, lg_volume_place *ret);
/* What others wrote can be read back and still not be durable: it must be before it counts. */
LG_MUST lg_status lg_rec__sync_disks(lg_recovery *rec);
/* Sorts the set into rec->order: file 0 first, by address, then the most changed blocks. */
void lg_rec__order_make(lg_recovery *rec);

#endif
