/* Layout of a B-tree node and what the files of storage/btree share.
 *
 * NODE   block header | struct lg_btree__node | u16 slots[count], sorted | free | entries,
 * downwards ENTRY  struct lg_btree__entry, key bytes. Leaf: ref is the xid that inserted or marked
 * last. Inner: ref is the child; entry 0 of an inner node is minus infinity (its key is not looked
 * at). ORDER  by (key, row id): memcmp, then length, then row id; so all entries of a level differ.
 * HIGH KEY of a node: a copy of the separator in the parent, stored as an entry; every entry of the
 *        node is below it. The rightmost node of a level has none (right == 0).
 *
 * LATCHES one node at a time going down; a node that was split meanwhile is noticed by its high
 * key: move right. A split latches left, then the new right (nobody knows it yet); the separator is
 * inserted into the parent in a second mini-transaction, the left node being INCOMPLETE in between;
 * whoever meets an INCOMPLETE node on its way to a change completes it first. Splitting the root
 * makes two new nodes under it in one mini-transaction. Nodes never go away.
 */
#ifndef LG_BTREE_INTERNAL_H
#define LG_BTREE_INTERNAL_H

#include "arena.h"
#include "assert.h"
#include "btree.h"
#include "mem.h"
#include <string.h>

#define LG_BTREE__NODE_OFF LG_BLOCK_HEADER_BYTES
#define LG_BTREE__ROOT     LG_SEGMENT_FIRST_BLOCK

enum {
    LG_BTREE__LEAF = 1,
    LG_BTREE__INCOMPLETE = 2, /* the separator of the right sibling is not in the parent yet */
};

typedef struct lg_btree__node {
    uint8_t level; /* 0: leaf */
    uint8_t flags;
    uint16_t count;
    uint16_t low;      /* lowest entry offset */
    uint16_t dead;     /* bytes of entries that are no longer referred to */
    uint32_t right;    /* 0: none */
    uint16_t high_off; /* 0: none */
    uint16_t reserved;
    uint64_t reserved2;
} lg_btree__node;
_Static_assert(sizeof(lg_btree__node) == 24, "node header");

#define LG_BTREE__SLOTS_OFF (LG_BTREE__NODE_OFF + (uint32_t)sizeof(lg_btree__node))

enum { LG_BTREE__MARKED = 1 };

typedef struct lg_btree__entry {
    uint64_t rowid;
    uint64_t ref; /* leaf: xid; inner: child block */
    uint16_t len;
    uint16_t flags;
    uint8_t key[];
} __attribute__((packed)) lg_btree__entry;

#define LG_BTREE__ENTRY_BYTES ((uint32_t)offsetof(lg_btree__entry, key))

/* A position in key space. */
typedef struct lg_btree__key {
    const uint8_t *bytes;
    uint32_t len;
    uint64_t rowid;
} lg_btree__key;

static inline lg_btree__node *
lg_btree__node_of(const void *block)
{
    return (lg_btree__node *)((uintptr_t)block + LG_BTREE__NODE_OFF);
}

static inline lg_btree__entry *
lg_btree__entry_at(const void *block, uint32_t slot)
{
    uint16_t off;
    memcpy(&off, (const uint8_t *)block + LG_BTREE__SLOTS_OFF + 2 * slot, 2);
    return (lg_btree__entry *)((uintptr_t)block + off);
}

static inline lg_btree__entry *
lg_btree__high(const void *block)
{
    const lg_btree__node *n = lg_btree__node_of(block);
    return n->high_off ? (lg_btree__entry *)((uintptr_t)block + n->high_off) : NULL;
}

int lg_btree__compare(const lg_btree__key *k, const lg_btree__entry *e); /* k against e */
/* First slot whose entry is >= k (leaf); count when none. */
uint32_t lg_btree__find(const void *block, const lg_btree__key *k);
/* The same when it is not before `from`, fast when it is near it. */
uint32_t lg_btree__find_from(const void *block, const lg_btree__key *k, uint32_t from);
/* Child slot of an inner node to go down for k. */
uint32_t lg_btree__child(const void *block, const lg_btree__key *k);
uint32_t lg_btree__room(const void *block); /* bytes between slots and entries */
static inline bool
lg_btree__beyond(const void *block, const lg_btree__key *k)
{
    const lg_btree__entry *high = lg_btree__high(block);
    return high && lg_btree__compare(k, high) >= 0;
}

/* Adds an entry at the slot; the room was looked at. */
void lg_btree__entry_add(lg_mtr *m, lg_buf *b, uint32_t slot, const lg_btree__key *k, uint64_t ref,
                         uint16_t flags);
void lg_btree__entry_remove(lg_mtr *m, lg_buf *b, uint32_t slot);
void lg_btree__entry_set(lg_mtr *m, lg_buf *b, uint32_t slot, uint64_t ref, uint16_t flags);
/* Rewrites the node without its dead bytes, entries [from, to) only, with a high key (NULL: none).
 */
void lg_btree__rebuild(lg_mtr *m, lg_buf *b, const void *image, uint32_t from, uint32_t to,
                       const lg_btree__key *high, uint32_t right, uint8_t flags);

/* The block of the node on `level` where k belongs, as of now. Blocks. */
LG_MUST lg_status lg_btree__descend(lg_segment *g, const lg_btree__key *k, uint8_t level,
                                    uint32_t *ret_block);
/* The same, which stays latched S. */
LG_MUST lg_status lg_btree__descend_latched(lg_segment *g, const lg_btree__key *k, uint8_t level,
                                            lg_buf **ret_buf);
/* Begins m with the node of `level` for k latched X, moved right as needed and complete. Blocks. */
LG_MUST lg_status lg_btree__latch(lg_segment *g, lg_mtr *m, const lg_btree__key *k, uint8_t level,
                                  uint32_t *block, lg_buf **ret_buf);
/* The same for the leaf of what is taken back: complete or not. A rollback must not need space, nor may it
 * fail because the disk is full: whoever took it over would fail with it as well. */
LG_MUST lg_status lg_btree__latch_undo(lg_segment *g, lg_mtr *m, const lg_btree__key *k,
                                       uint32_t *block, lg_buf **ret_buf);
/* Splits the node (which was found full for k). Nothing is latched. Blocks. */
LG_MUST lg_status lg_btree__split(lg_segment *g, uint32_t block, const lg_btree__key *k);
LG_MUST lg_status lg_btree__complete(lg_segment *g, uint32_t block);

#define LG_BTREE__RUN_MAX 256u
/* For the bulk build: as many of the items as the leaf (or one to its right) takes at once, without
 * undo. *ret_done 0: it must be split first. */
LG_MUST lg_status lg_btree__append_run(lg_segment *g, lg_xid xid, uint32_t *block,
                                       const lg_btree_item *it, uint32_t n, uint32_t *ret_done);
#define LG_BTREE__OP_INSERT_MANY 3 /* undo records: of several entries */
LG_MUST lg_status lg_btree__undo_many(const lg_undo_apply *a, lg_segment *g);

#endif
