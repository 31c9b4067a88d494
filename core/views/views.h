/* Views: gv$ and v$ relations, what a DBA sees.
 *
 * A view is a list of columns and a function that gives this instance's rows; it must not block, so
 * that a view answers even while the instance is frozen. From each come two virtual relations:
 * v$NAME with this instance's rows and gv$NAME with those of all members, inst_id first. Rows of
 * other instances come by the message GV_QUERY, in pieces; an instance that does not answer in two
 * seconds is left out.
 *
 * Adding one: a function and an entry in views_local.c (or the owner's file) and its name in docs.
 */
#ifndef LG_VIEWS_VIEWS_H
#define LG_VIEWS_VIEWS_H

#include "agent_proto.h"
#include "buf.h"
#include "cachefusion.h"
#include "catalog.h"
#include "ges.h"
#include "reconf.h"
#include "rpc.h"
#include "session.h"
#include "virtual.h"

typedef struct lg_views lg_views;

/* Takes one row of a view: as many datums as it has columns; nulls NULL: none. Copies. */
typedef struct lg_view_sink {
    void (*row)(struct lg_view_sink *sink, const lg_datum *values, const uint8_t *nulls);
    lg_arena *arena; /* for the values; reset or freed after the view's function returned */
} lg_view_sink;

typedef void (*lg_view_rows_fn)(void *arg, lg_view_sink *sink);

/* What core/instance tells of itself. */
typedef struct lg_view_instance {
    const char *name, *host, *version;
    lg_instance_state state;
    uint64_t startup_us;
    uint64_t incarnation;
    uint64_t epoch;
    lg_scn scn;
} lg_view_instance;

/* What the agent tells of a voting file, and of a node. */
typedef struct lg_view_vote {
    bool set;
    char path[256], state[16];
    uint64_t rounds, errors, last_ok_us, round_us;
} lg_view_vote;

typedef struct lg_view_node {
    bool set;
    uint64_t incarnation;
    char agent[12], instance[16], network[12];
    uint64_t lost;
    bool condemned;
} lg_view_node;

#define LG_VIEW_VOTES 5
#define LG_VIEW_NODES 16

typedef struct lg_view_cluster {
    lg_view_vote votes[LG_VIEW_VOTES]; /* voting file i + 1 */
    lg_view_node nodes[LG_VIEW_NODES]; /* by number */
} lg_view_cluster;

/* How an instance that dies is kept from the disks. */
typedef struct lg_view_fence {
    const char *path;
    bool reservations; /* the device has them; else the lease is waited out */
    uint64_t key;
} lg_view_fence;

typedef struct lg_views_config {
    lg_run *run;
    lg_rpc *rpc; /* NULL: alone */
    lg_catalog *catalog;
    uint32_t node;
    lg_ges *ges;
    lg_cf *cf;                   /* NULL: alone */
    lg_buf_cache *buf;           /* may be NULL */
    lg_reconf *reconf;           /* NULL: alone */
    lg_session_server *sessions; /* may be set later with lg_views_set_sessions */
    void *arg;
    void (*instance)(void *arg, lg_view_instance *ret);
    /* The newest view from membership; epoch 0: none. */
    void (*membership)(void *arg, lg_agent_view *ret);
    const lg_view_cluster *cluster; /* NULL: alone */
    /* The i-th disk; false: there is none. May be NULL. */
    bool (*fence)(void *arg, uint32_t i, lg_view_fence *ret);
} lg_views_config;

LG_MUST lg_status lg_views_create(const lg_views_config *cfg, lg_views **ret_views);
void lg_views_destroy(lg_views *w);
void lg_views_set_sessions(lg_views *w, lg_session_server *sessions);
/* A further view, before sessions start. Everything passed must outlive w. */
LG_MUST lg_status lg_views_add(lg_views *w, const char *name, const lg_virtual_column *columns,
                               uint16_t ncolumns, lg_view_rows_fn rows, void *arg);

/* ---- for the functions: values ---- */
lg_datum lg_view_text(lg_view_sink *sink, const char *text); /* NULL becomes "" */
lg_datum lg_view_time(uint64_t wall_us);                     /* timestamptz */
static inline lg_datum
lg_view_count(uint64_t n)
{
    return lg_datum_int8((int64_t)n);
}

#endif
