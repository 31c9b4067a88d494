/* Window frames, shared by exec_window.c and exec_frame.c.
 *
 * A partition's rows are kept in order; positions count from 0 to n - 1. Frames are asked for row
 * after row: both ends only ever move forward, so each costs a constant time on average. */
#ifndef LG_EXEC_WINDOW_H
#define LG_EXEC_WINDOW_H

#include "exec_internal.h"

typedef struct lg_xframe {
    const lg_node *plan;
    lg_exec *x;
    lg_xstore *rows;        /* of the partition */
    lg_xcursor here, there; /* in them: the current row, the one it is compared with */
    uint64_t n;
    uint32_t ncols;
    lg_xsort_key *order;
    uint64_t head, tail;          /* of the current row's frame: [head, tail) */
    uint64_t peer_from, peer_end; /* the current row and its peers */
    uint64_t group;               /* number of the peer group */
    uint64_t nranges;             /* the frame without what is excluded */
    uint64_t from[3], to[3];
    /* GROUPS offsets: where each peer group begins */
    uint64_t *groups, ngroups, groups_cap;
    /* offsets, once per execution */
    bool have_offsets;
    int64_t start_count, end_count;
    lg_datum start_value, end_value; /* RANGE */
    struct lg_xrange *range;
    lg_arena *perm, *tmp;
} lg_xframe;

/* perm: of the execution; tmp: reset at each row. */
lg_status lg_xframe_open(lg_xframe *f, lg_exec *x, const lg_node *plan, lg_arena *perm,
                         lg_arena *tmp);
void lg_xframe_rescan(lg_xframe *f);
lg_status lg_xframe_offsets(lg_xframe *f); /* evaluates them when not done yet */
lg_status lg_xframe_partition(lg_xframe *f, lg_xstore *rows);
lg_status lg_xframe_row(lg_xframe *f, uint64_t i); /* i rises by one */
void lg_xframe_close(lg_xframe *f);

#endif
