/* What the files of core/instance share: the instance with everything it is made of. */
#ifndef LG_INSTANCE_INTERNAL_H
#define LG_INSTANCE_INTERNAL_H

#include "access_storage.h"
#include "agent_proto.h"
#include "assert.h"
#include "btree.h"
#include "buf.h"
#include "cachefusion.h"
#include "columns.h"
#include "catalog_admin.h"
#include "ckpt.h"
#include "dwb.h"
#include "exec.h"
#include "fence.h"
#include "ges.h"
#include "heap.h"
#include "instance.h"
#include "io.h"
#include "mem.h"
#include "msg.h"
#include "notify.h"
#include "reconf.h"
#include "recoverer.h"
#include "recovery.h"
#include "redo.h"
#include "rpc.h"
#include "segment.h"
#include "session.h"
#include "sock.h"
#include "space_file.h"
#include "syscat.h"
#include "temp.h"
#include "txn.h"
#include "undo.h"
#include "undo_ops.h"
#include "views.h"
#include "volume.h"

/* ---- control block: what has to be known before the catalog (instance_control.c) ---- */

/* Of everything on the disks that a build must know to open them: 2: pg_database's
 * roots, undo of several rows, files without a root. Others are refused. */
#define LG_CONTROL_FORMAT 3u

typedef struct lg_control {
    char magic[8];
    uint32_t format; /* LG_CONTROL_FORMAT */
    uint32_t catalog_file;
    uint32_t catalog_head;
    uint32_t undo_file[LG_INSTANCE_MAX + 1]; /* by undo segment = node; 0: none */
    uint8_t secret[32];                      /* of the cluster, for mock SCRAM verifiers */
    char database[64];
} lg_control;

#define LG_CONTROL_FILE 1u /* the first file that is made in a volume */

LG_MUST lg_status lg_instance__control_read(lg_buf_cache *c, lg_control *ret);
LG_MUST lg_status lg_instance__control_write(lg_buf_cache *c, const lg_control *control,
                                             bool is_new);

struct lg_instance {
    lg_instance_env env;
    lg_instance_config cfg;
    lg_instance_state state;
    uint64_t startup_us;
    uint64_t incarnation;
    bool alone;

    lg_scn_clock clock;
    lg_io *io;
    lg_volume *volume;
    lg_dwb *dwb;
    lg_rpc *rpc;
    lg_cf *cf;
    lg_ges *ges;
    lg_reconf *reconf;
    lg_buf_cache *buf;
    lg_redo *redo;
    lg_ckpt *ckpt;
    lg_space *space;
    lg_undo *undo;
    lg_txn_sys *txns;
    lg_control control;
    lg_columns *columns;
    lg_catalog *catalog;
    lg_tz_cache *tzs;
    lg_fntable *functions;
    lg_views *views;
    lg_notify_hub *notify;
    lg_temp *temp;
    lg_session_server *sessions;
    lg_session_default defaults[LG_INSTANCE_MAX_SETTINGS]; /* of cfg.settings */
    lg_rpc_type *rpc_types;

    /* the agent (instance_agent.c) */
    lg_sock *agent;
    lg_agent_view view;          /* the newest from membership */
    bool welcomed;               /* the agent says: it may come in */
    bool cold;                   /* the agent says: recover all threads first */
    _Atomic lg_time lease_until; /* 0: none needed (alone) */
    lg_waitq changed;            /* woken on a view, a stop, the agent's loss */
    bool agent_lost;
    uint32_t agent_fibers; /* reader and state teller: teardown waits for them */
    lg_fiber *agent_teller;
    lg_waitq links;     /* wakes the teller: a connection came or went */
    bool links_changed; /* since it last told */
    struct lg_instance__links {
        uint64_t epoch, broken, lost;
    } links_told;
    char agent_in[2 * LG_AGENT_LINE_MAX];
    size_t agent_in_len;

    lg_recoverer *recoverer;

    /* undo segments (instance_undo.c) */
    lg_ges_owner undo_owner;              /* of the enqueue of our own */
    bool undo_owned;                      /* undo_owner is in use */
    bool recover_all;                     /* we are the recoverer: once transactions are up */
    uint8_t adopter[LG_INSTANCE_MAX + 1]; /* who last had a dead owner's; a hint; 0: unknown */
    struct lg_instance__rollback *rolling[LG_INSTANCE_MAX + 1]; /* under way, by segment */
    uint32_t rollbacks;                                         /* fibers that do it */
    uint32_t serving; /* fibers that answer calls of other instances (instance_wire.c) */

    lg_scn others_oldest; /* oldest snapshot of the other instances; 0: unknown */
    bool horizon_runs;
    bool sweep_due, sweep_runs; /* instance_sweep.c */
    bool disk_watch_runs;       /* until nothing uses a disk any more */
    bool disks_over;

    lg_view_cluster cluster; /* as the agent tells it for the views */
    bool reservations;       /* every disk has them, and our key is registered */
    bool refusing;           /* the agent says: no new sessions */
    bool winding;            /* and those that are there end with their transaction */
    bool stopping; /* asked to end: sessions are drained, blocks written; all else goes on */
    bool closing;  /* being taken apart: nothing begins any more */
    uint64_t drain_ms;
};

/* instance_agent.c */
LG_MUST lg_status lg_instance__agent_connect(lg_instance *in);
LG_MUST lg_status lg_instance__agent_welcome(lg_instance *in); /* until it may come in */
void lg_instance__agent_close(lg_instance *in);                /* waits for its fibers */
LG_MUST lg_status lg_instance__agent_ready(lg_instance *in);
void lg_instance__agent_state(lg_instance *in, lg_instance_state state);
void lg_instance__agent_links(lg_instance *in); /* they have changed: the agent is told soon */
void lg_instance__agent_done(lg_instance *in, uint64_t epoch);
void lg_instance__agent_leave(lg_instance *in);
lg_status lg_instance__lease_gate(void *arg);

/* instance_undo.c */
void lg_instance__undo_participant(lg_instance *in, lg_participant *ret_p);
LG_MUST lg_status lg_instance__undo_lock_own(lg_instance *in); /* blocks */
void lg_instance__undo_unlock_own(lg_instance *in);
/* Rolls back in fibers what dead owners left in these segments (bit mask), and in our own. */
void lg_instance__undo_recover(lg_instance *in, uint64_t segments);

struct lg_instance__rollback {
    lg_instance *in;
    uint16_t useg;
    bool again; /* look once more when done */
};

/* instance_wire.c */
LG_MUST lg_status lg_instance__forget_everywhere(void *arg, uint32_t file);
void lg_instance__horizon_main(void *arg);

/* instance_disk.c */
LG_MUST lg_status lg_instance__disk_watch_start(lg_instance *in);
void lg_instance__disk_watch_stop(lg_instance *in); /* nothing uses a disk any more; blocks */

/* instance_sweep.c */
LG_MUST lg_status lg_instance__sweep_start(lg_instance *in);
void lg_instance__sweep_due(lg_instance *in); /* soon */
LG_MUST lg_status lg_instance__ask_sessions(void *arg, uint32_t instance, const lg_session_ask *ask,
                                            uint64_t *ret_answer);
void lg_instance__cancel_remote(void *arg, uint32_t instance, uint32_t pid, uint32_t key);
void lg_instance__txn_hooks(lg_instance *in, lg_txn_hooks *ret);
void lg_instance__cf_hooks(lg_instance *in);
LG_MUST lg_status lg_instance__calls_serve(lg_instance *in);
LG_MUST lg_status lg_instance__undo_create(lg_instance *in);
lg_status lg_instance__undo_file_of(void *arg, uint16_t useg, uint32_t *ret_file);

/* instance.c */
void lg_instance__teardown(lg_instance *in, bool clean);
LG_MUST lg_status lg_instance__catalog_create(lg_instance *in);
LG_MUST lg_status lg_instance__views_create(lg_instance *in);
void lg_instance__die(lg_instance *in, lg_status why, const char *what);

/* instance_recovery_view.c */
/* instance_log_view.c */
lg_status lg_instance__log_views(lg_instance *in);
void lg_instance__on_archive(void *instance, lg_status st);
lg_status lg_instance__recovery_view(lg_instance *in);
lg_status lg_instance__memory_views(lg_instance *in); /* instance_memory_view.c */

/* A view of columns[] whose rows fn(in, sink) gives. */
#define LG_INSTANCE_VIEW(in, name, columns, fn)                                                    \
    lg_views_add((in)->views, name, columns, (uint16_t)(sizeof columns / sizeof columns[0]), fn, in)

#endif
