/* What the files of lagoon-agent share. One agent per node; everything on its one worker.
 *
 * LIFE OF THE INSTANCE, as the own slot says it (member.h):
 *     NONE/DEAD/LEFT -- spawn, HELLO --> STARTING -- WELCOME, READY --> READY (in views)
 *         ^                                  |                            |
 *         +------ process ended, locks fallen: DEAD, or LEFT after LEAVE and exit code 0 ------+
 */
#ifndef LG_AGENT_H
#define LG_AGENT_H

#include "agent_auth.h"
#include "agent_proto.h"
#include "config.h"
#include "io.h"
#include "log.h"
#include "membership.h"
#include "run.h"
#include "sock.h"
#include "strbuf.h"
#include "waitq.h"
#include <sys/types.h>

#define AGENT_DISKS_MAX 32

typedef struct agent_config {
    uint32_t node;
    char name[64];
    char socket[160];
    char address[LG_MEMBER_ADDRESS];
    char vote[LG_VOTE_FILES_MAX][256];
    uint32_t vote_count;
    char program[512], instance_config[512], instance_log[512];
    char disk[AGENT_DISKS_MAX][256];
    uint32_t disk_count;
    char status_file[512]; /* for the listener; may be empty */
    char cluster_key[512];
    uint64_t heartbeat_ms, lease_ms, dead_ms, link_ms;
} agent_config;

/* The instance's connection: lines go through a queue, so that nobody waits for a stuck instance.
 */
typedef struct agent_conn {
    lg_sock *sock;
    lg_strbuf out;
    lg_waitq wake;
    bool closing;
} agent_conn;

typedef struct agent {
    agent_config cfg;
    lg_run *run;
    lg_log *log;
    lg_io *io;
    lg_membership *ms;
    lg_disk *disks[AGENT_DISKS_MAX];
    uint32_t disk_count;
    int signals;
    int exit_code;

    int child_nice; /* the nice value that the agent itself was started with */
    pid_t child;    /* 0: none */
    int child_fd;   /* pidfd */
    off_t log_at;   /* where its log begins */
    lg_time child_started;
    lg_time backoff, link_backoff;
    lg_waitq child_changed;
    bool stop_sent;
    const char *killed_why; /* by us; NULL: not */

    agent_conn *conn; /* of the child, from HELLO on */
    bool welcomed, welcomed_cold, began, leaving;
    lg_time lease_until;
    lg_time stopped_since; /* the child is in state T; 0: it is not */
    uint64_t view_told;
    bool stopping;
    lg_waitq peers; /* those who talk to other agents wait for news */
    uint64_t news;
    char key[256];
    size_t key_len;                    /* 0: no network between agents */
    lg_time heard_at[LG_MEMBER_NODES]; /* 0: never */
    uint64_t boot_of[LG_MEMBER_NODES]; /* the life of the agent that was heard */
    lg_time round_at;                  /* the last round */
    uint32_t unheard;                  /* as warned of */
    uint32_t votes_bad;                /* bits of voting files, as warned of */
    bool quorum_lost;
    bool fencing;
    lg_time info_at;      /* the instance was told what its views show */
    bool condemned;       /* the last end of the instance: for want of a network */
    uint64_t status_hash; /* of the status file as written */
} agent;

/* agent_config.c */
lg_status agent_config_load(const char *path, agent_config *ret, char *message, size_t size);

/* agent_child.c */
void agent_child_main(void *arg);  /* fiber: starts, awaits, restarts */
void agent_child_watch(void *arg); /* fiber: a child stopped for half its lease is killed */
/* The state that people see changes, for that reason (NULL: none to name). */
void agent_show(agent *a, uint32_t state, const char *reason);
void agent_drain(agent *a, const char *mode);
void agent_child_kill(agent *a, const char *why);
/* "1,3" of bits 1 and 3. */
const char *agent_nodes_text(uint32_t mask, char *buf, size_t size);
void agent_child_stop(agent *a, const char *mode);
lg_status agent_orphan_end(agent *a); /* the instance of an earlier life of this agent */

/* agent_conn.c */
lg_status agent_listen(agent *a);
void agent_say(agent *a, lg_agent_writer *w);

/* agent_peer.c: the network between agents */
lg_status agent_key_load(agent *a);
void agent_peer_main(void *arg); /* fiber per peer: beats */
void agent_beat(agent *a, const lg_agent_line *l);
void agent_heard(agent *a); /* each round: whom do we still hear? */
struct agent_peer {
    agent *a;
    uint32_t node;
    lg_sock *sock; /* NULL: not connected */
    uint64_t boot; /* of the peer, when it was connected */
};

/* agent_ctl.c */
void agent_ctl(agent *a, lg_sock *s, const lg_agent_line *l);
void agent_command(agent *a, uint32_t verb); /* to the own instance */
enum {
    AGENT_START = 1,
    AGENT_STOP,
    AGENT_RESTART,
    AGENT_STOP_NOW,
    AGENT_REMOVE,
    AGENT_DRAIN,
    AGENT_DRAIN_END,
    AGENT_DRAIN_OFF,
    AGENT_FENCE
};
enum {
    AGENT_REMOVED = LG_MEMBER_TARGET_REMOVED
}; /* target of a slot: stopped for good, and not shown once its agent is gone */

/* agent_service.c: services, and the status file that tells the listener of them and of the
 * instances */
void agent_service_ctl(agent *a, lg_sock *s, const lg_agent_line *l, const char *verb,
                       const char *name);
void agent_status_file(agent *a);
const char *agent_state_name(const lg_vote_slot *s);
/* Rows and the closing line, for whoever answers lagoonctl. */
void agent_row(agent *a, lg_sock *s, lg_agent_writer *w);
void agent_end(agent *a, lg_sock *s, int code, const char *message);
enum {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_NOT_FOUND = 3,
    CTL_PRECONDITION = 4,
    CTL_PARTIAL = 5,
    CTL_TIMED_OUT = 6,
    CTL_AUTH = 7,
    CTL_NO_QUORUM = 8
};

/* agent_info.c: what lagoonctl and the instance's views show of votes, nodes and fencing */
void agent_vote_add(agent *a, lg_agent_writer *w, uint32_t vote);
void agent_watch_votes(agent *a); /* warns of files that fail, and of those that are back */
void agent_tell_views(agent *a, bool now); /* every few seconds, or now */

/* agent_member.c: what the membership tells */
void agent_on_view(void *arg, const lg_member_view *v);
void agent_on_lease(void *arg, lg_time until);
void agent_on_round(void *arg);
void agent_on_news(void *arg);

#endif
