/* lagoon-agent CONFIG: the clusterware of one node. Votes on the voting files, takes part in
 * deciding who is in the cluster, starts the node's instance, watches it, fences it, restarts it.
 *
 * SIGTERM and SIGINT: the instance leaves, then the agent ends. Exit codes: 0 ok, 1 failed, 2
 * configuration. */
#include "agent.h"
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define STOP_LIMIT (60 * LG_SEC)

static void
open_disks(agent *a)
{
    for (uint32_t i = 0; i < a->cfg.disk_count; i++) {
        lg_status st = lg_disk_open(a->io, a->cfg.disk[i], 0, &a->disks[a->disk_count]);
        if (st == LG_OK)
            a->disk_count++;
        else
            lg_log_error(a->log, "agent", "%s: %s", a->cfg.disk[i], lg_status_text(st));
    }
}

static lg_status
open_membership(agent *a)
{
    const char *votes[LG_VOTE_FILES_MAX];
    for (uint32_t i = 0; i < a->cfg.vote_count; i++)
        votes[i] = a->cfg.vote[i];
    lg_membership_config mc = {.run = a->run,
                               .io = a->io,
                               .node = a->cfg.node,
                               .votes = votes,
                               .vote_count = a->cfg.vote_count,
                               .heartbeat_ns = a->cfg.heartbeat_ms * LG_MS,
                               .lease_ns = a->cfg.lease_ms * LG_MS,
                               .dead_ns = a->cfg.dead_ms * LG_MS,
                               .link_ns = a->key_len ? a->cfg.link_ms * LG_MS : 0,
                               .arg = a,
                               .on_view = agent_on_view,
                               .on_lease = agent_on_lease,
                               .on_round = agent_on_round,
                               .on_news = agent_on_news};
    return lg_membership_create(&mc, &a->ms);
}

static lg_status
start_peers(agent *a)
{
    for (uint32_t n = 1; n < LG_MEMBER_NODES && a->key_len; n++) {
        if (n == a->cfg.node)
            continue;
        struct agent_peer *p = lg_zalloc(sizeof *p);
        p->a = a;
        p->node = n;
        LG_TRY(lg_run_spawn(a->run, "peer", 0, agent_peer_main, p, NULL));
    }
    return LG_OK;
}

static lg_status
start(agent *a)
{
    if (agent_key_load(a) != LG_OK) {
        lg_log_error(a->log, "agent", "%s: no key of 16 bytes or more", a->cfg.cluster_key);
        return LG_CONFIG;
    }
    LG_TRY(lg_io_create(a->run, LG_IO_AUTO, &a->io));
    open_disks(a);
    LG_TRY(open_membership(a));
    lg_member *m = lg_membership_member(a->ms);
    if (m->mine.seq == 0)
        m->mine.target = 1;
    m->mine.restarts = 0;
    m->mine.shown_state = LG_INSTANCE_OFFLINE; /* what it was in an earlier life of ours */
    m->mine.sessions = 0;
    m->mine.heard = m->mine.link_broken = m->mine.link_lost = 0;
    snprintf(m->mine.agent_address, sizeof m->mine.agent_address, "%s", a->cfg.address);
    memset(m->mine.command_seq, 0, sizeof m->mine.command_seq);
    LG_TRY(agent_listen(a));
    LG_TRY(agent_orphan_end(a));
    LG_TRY(lg_membership_begin(a->ms));
    LG_TRY(start_peers(a));
    LG_TRY(lg_run_spawn(a->run, "child", 0, agent_child_main, a, NULL));
    return lg_run_spawn(a->run, "watch", 0, agent_child_watch, a, NULL);
}

/* The instance leaves; then the others are to know it before we go. */
static void
stop(agent *a)
{
    a->stopping = true;
    lg_waitq_wake_all(&a->child_changed);
    agent_child_stop(a, "normal");
    lg_time limit = lg_run_now_ns(a->run) + STOP_LIMIT;
    while (a->child && lg_run_now_ns(a->run) < limit)
        (void)!lg_waitq_wait(&a->child_changed, LG_WAIT_BACKGROUND_IDLE, limit, false);
    if (a->child)
        agent_child_kill(a, "it does not end");
    while (a->child)
        (void)!lg_waitq_wait(&a->child_changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
    limit = lg_run_now_ns(a->run) + 5 * LG_SEC;
    lg_member *m = lg_membership_member(a->ms);
    while (lg_run_now_ns(a->run) < limit &&
           (lg_membership_flush(a->ms, limit) != LG_OK || (m->view.members >> a->cfg.node & 1)))
        (void)!lg_fiber_sleep_until(lg_run_now_ns(a->run) + 5 * LG_MS, LG_WAIT_MEMBERSHIP);
    lg_membership_destroy(a->ms);
}

static void
main_fiber(void *arg)
{
    agent *a = arg;
    lg_status st = start(a);
    if (st != LG_OK) {
        lg_log_error(a->log, "agent", "cannot start: %s", lg_status_text(st));
        a->exit_code = 1;
        lg_run_stop(a->run);
        return;
    }
    lg_log_info(a->log, "agent", "%s is up", a->cfg.name);
    struct signalfd_siginfo info;
    do
        (void)!lg_run_wait_fd(a->run, a->signals, POLLIN, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER);
    while (read(a->signals, &info, sizeof info) != (ssize_t)sizeof info);
    lg_log_info(a->log, "agent", "stopping on signal %u", info.ssi_signo);
    stop(a);
    lg_run_stop(a->run);
}

int
main(int argc, char **argv)
{
    static agent a;
    char message[256] = "";
    if (argc != 2) {
        fprintf(stderr, "usage: lagoon-agent CONFIG\n");
        return 2;
    }
    if (agent_config_load(argv[1], &a.cfg, message, sizeof message) != LG_OK) {
        fprintf(stderr, "lagoon-agent: %s: %s\n", argv[1], message);
        return 2;
    }
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    a.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    a.child_nice = getpriority(PRIO_PROCESS, 0);
    lg_waitq_init(&a.child_changed);
    lg_waitq_init(&a.peers);
    a.log = lg_log_create(2, a.cfg.name, LG_LOG_INFO, NULL, NULL);
    lg_run_config rc = {.name = "agent"};
    lg_status st = a.signals < 0 ? LG_SYSTEM : lg_run_create(&rc, &a.run);
    if (st == LG_OK)
        st = lg_run_spawn(a.run, "main", 0, main_fiber, &a, NULL);
    if (st == LG_OK) {
        (void)lg_run_prioritize(a.run, -15); /* heartbeats come first, where we may */
        st = lg_run_loop(a.run);
    }
    if (st != LG_OK) {
        fprintf(stderr, "lagoon-agent: cannot run: io_uring is needed\n");
        return 1;
    }
    return a.exit_code;
}
