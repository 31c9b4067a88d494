/* The instance's process: started, awaited by its pidfd, confirmed dead, restarted with back-off.
 */
#include "agent.h"
#include "assert.h"
#include "fence.h"
#include "mem.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_MIN (5 * LG_MS)
#define BACKOFF_MAX (10 * LG_SEC)
#define LIVED_WELL  (20 * LG_SEC)

#define LINK_BACKOFF_MIN (2 * LG_SEC)
#define LINK_BACKOFF_MAX (60 * LG_SEC)

#define LOCKS_TIMEOUT (60 * LG_SEC)
#define WATCH_EVERY   (200 * LG_MS)

static int
pidfd_of(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

/* ---- start ---- */

static void
child_exec(const agent *a, pid_t agent_pid)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* an instance without its agent loses its lease anyway; gone at once it is recovered sooner */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)setpriority(PRIO_PROCESS, 0, a->child_nice);
    if (getppid() != agent_pid)
        _exit(126);
    int log = open(a->cfg.instance_log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log < 0 || null < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
        _exit(126);
    execl(a->cfg.program, a->cfg.program, "--config", a->cfg.instance_config, (char *)NULL);
    _exit(127);
}

static lg_status
child_start(agent *a)
{
    struct stat log;
    a->log_at = stat(a->cfg.instance_log, &log) == 0 ? log.st_size : 0;
    pid_t self = getpid(), pid = fork();
    if (pid == 0)
        child_exec(a, self);
    if (pid < 0)
        return LG_SYSTEM;
    int fd = pidfd_of(pid);
    if (fd < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        return LG_SYSTEM;
    }
    a->child = pid;
    a->child_fd = fd;
    a->child_started = lg_run_now_exact_ns(a->run);
    a->welcomed = a->welcomed_cold = a->began = a->leaving = a->stop_sent = false;
    a->lease_until = a->stopped_since = 0;
    a->view_told = 0;
    lg_log_info(a->log, "agent", "instance started, pid %d", (int)pid);
    return LG_OK;
}

/* ---- what people see ---- */

void
agent_show(agent *a, uint32_t state, const char *reason)
{
    lg_member *m = lg_membership_member(a->ms);
    if (state == m->mine.shown_state && !reason)
        return;
    if (state != m->mine.shown_state)
        m->mine.since_s = lg_run_wall_us(a->run) / 1000000;
    m->mine.shown_state = state;
    snprintf(m->mine.reason, sizeof m->mine.reason, "%.*s", (int)sizeof m->mine.reason - 1,
             reason ? reason : "");
    lg_membership_changed(a->ms);
}

void
agent_drain(agent *a, const char *mode)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    lg_agent_begin(&w, buf, "DRAIN");
    lg_agent_add(&w, "mode", mode);
    agent_say(a, &w);
}

/* ---- end ---- */

void
agent_child_kill(agent *a, const char *why)
{
    if (!a->child)
        return;
    lg_log_warn(a->log, "agent", "killing the instance, pid %d: %s", (int)a->child, why);
    if (!a->killed_why)
        a->killed_why = why;
    kill(a->child, SIGKILL);
}

void
agent_child_stop(agent *a, const char *mode)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    if (!a->child || a->stop_sent)
        return;
    a->stop_sent = true;
    if (!a->conn || !a->began) { /* still starting: nothing is open that recovery does not handle */
        agent_child_kill(a, "stopped while it was starting");
        return;
    }
    lg_agent_begin(&w, buf, "STOP");
    lg_agent_add(&w, "mode", mode);
    agent_say(a, &w);
}

/* Only when the locks have fallen too is the death confirmed: then no request of it is in the
 * kernel. */
static void
confirm(agent *a, bool clean)
{
    lg_member *m = lg_membership_member(a->ms);
    for (;;) {
        lg_status st = lg_fence_wait_locks(a->run, a->disks, a->disk_count, a->cfg.node,
                                           lg_run_now_ns(a->run) + LOCKS_TIMEOUT);
        if (st == LG_OK)
            break;
        lg_log_error(a->log, "agent", "the dead instance's locks on the disks still stand: %s",
                     lg_status_text(st));
        (void)!lg_fiber_sleep_until(lg_run_now_ns(a->run) + LG_SEC, LG_WAIT_MEMBERSHIP);
    }
    if (m->mine.instance == LG_MEMBER_STARTING || m->mine.instance == LG_MEMBER_READY)
        m->mine.instance = clean ? LG_MEMBER_LEFT : LG_MEMBER_DEAD;
    m->mine.sessions = 0;
    m->mine.pid = 0;
    lg_membership_changed(a->ms);
}

const char *
agent_nodes_text(uint32_t mask, char *buf, size_t size)
{
    size_t len = 0;
    buf[0] = 0;
    for (uint32_t n = 0; n < 32; n++)
        if (mask >> n & 1 && len < size)
            len += (size_t)snprintf(buf + len, size - len, "%s%u", len ? "," : "", n);
    return buf;
}

#define LOG_LOOK (64 * 1024)
#define SESSION  "\"module\":\"session\""

/* The first error that the instance wrote into its log in this life, cut to fit: beginning and end. */
static bool
logged_error(const agent *a, char *ret, size_t size)
{
    static const char error[] = "\"level\":\"error\"", key[] = "\"msg\":\"";
    bool found = false;
    int fd = open(a->cfg.instance_log, O_RDONLY | O_CLOEXEC);
    char *text = lg_zalloc(LOG_LOOK + 1);
    ssize_t n = fd >= 0 ? pread(fd, text, LOG_LOOK, a->log_at) : 0;
    text[n > 0 ? n : 0] = 0;
    char *line = strstr(text, error);
    for (char *of; line && (of = strstr(line, SESSION)) && of < line + strcspn(line, "\n");)
        line = strstr(line + 1, error); /* of a client: no reason to end */
    char *msg = line ? strstr(line, key) : NULL;
    char *stop = msg ? strstr(msg, "\"}") : NULL;
    if (stop) {
        msg += sizeof key - 1;
        *stop = 0;
        size_t len = (size_t)(stop - msg), half = (size - 4) / 2;
        if (len < size)
            snprintf(ret, size, "%s", msg);
        else
            snprintf(ret, size, "%.*s...%s", (int)half, msg, stop - half);
        found = true;
    }
    if (fd >= 0)
        close(fd);
    lg_free(text);
    return found;
}

static void
child_await(agent *a)
{
    while (lg_run_wait_fd(a->run, a->child_fd, POLLIN, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER) !=
           LG_OK)
        ;
    int status = 0;
    while (waitpid(a->child, &status, 0) < 0 && errno == EINTR)
        ;
    close(a->child_fd);
    bool clean = a->leaving && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    char how[64];
    if (a->killed_why)
        snprintf(how, sizeof how, "%s", a->killed_why);
    else if (WIFSIGNALED(status))
        snprintf(how, sizeof how, "killed by signal %d", WTERMSIG(status));
    else if (clean || !logged_error(a, how, sizeof how))
        snprintf(how, sizeof how, clean ? "stopped" : "ended with code %d", WEXITSTATUS(status));
    agent_show(a, LG_INSTANCE_OFFLINE, how);
    a->killed_why = NULL;
    if (WIFSIGNALED(status))
        lg_log_warn(a->log, "agent", "instance killed by signal %d", WTERMSIG(status));
    else
        lg_log_info(a->log, "agent", "instance ended with code %d%s", WEXITSTATUS(status),
                    clean ? ", left" : "");
    bool lived = lg_run_now_exact_ns(a->run) - a->child_started > LIVED_WELL;
    a->backoff = lived || clean || a->backoff == 0 ? BACKOFF_MIN : a->backoff * 2;
    if (a->backoff > BACKOFF_MAX)
        a->backoff = BACKOFF_MAX;
    if (a->condemned) { /* each attempt to come in stops the others for a while */
        a->link_backoff = a->link_backoff ? a->link_backoff * 2 : LINK_BACKOFF_MIN;
        if (a->link_backoff > LINK_BACKOFF_MAX)
            a->link_backoff = LINK_BACKOFF_MAX;
        a->backoff = a->link_backoff;
    } else if (lived) {
        a->link_backoff = 0;
    }
    a->condemned = false;
    a->child = 0;
    if (a->conn) {
        a->conn->closing = true;
        lg_waitq_wake_all(&a->conn->wake);
        a->conn = NULL;
    }
    confirm(a, clean);
    lg_waitq_wake_all(&a->child_changed);
}

void
agent_child_main(void *arg)
{
    agent *a = arg;
    lg_member *m = lg_membership_member(a->ms);
    while (!a->stopping) {
        if (m->mine.target != 1) {
            (void)!lg_waitq_wait(&a->child_changed, LG_WAIT_BACKGROUND_IDLE, LG_FOREVER, false);
            continue;
        }
        if (child_start(a) != LG_OK)
            lg_log_error(a->log, "agent", "cannot start %s: %s", a->cfg.program, strerror(errno));
        else
            child_await(a);
        if (a->stopping)
            break;
        m->mine.restarts++;
        (void)!lg_waitq_wait(&a->child_changed, LG_WAIT_BACKGROUND_IDLE,
                             lg_run_now_ns(a->run) + a->backoff, false);
    }
    a->child = 0;
    lg_waitq_wake_all(&a->child_changed);
}

/* ---- watching ---- */

static char
process_state(pid_t pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return 0;
    text[n] = 0;
    const char *p = strrchr(text, ')');
    return p && p[1] ? p[2] : 0;
}

void
agent_child_watch(void *arg)
{
    agent *a = arg;
    while (!a->stopping) {
        (void)!lg_fiber_sleep_until(lg_run_now_ns(a->run) + WATCH_EVERY, LG_WAIT_BACKGROUND_IDLE);
        char state = a->child ? process_state(a->child) : 0;
        lg_time now = lg_run_now_exact_ns(a->run);
        if (state != 'T' && state != 't')
            a->stopped_since = 0;
        else if (a->stopped_since == 0)
            a->stopped_since = now;
        else if (now - a->stopped_since > a->cfg.lease_ms * LG_MS / 2)
            agent_child_kill(a, "stopped for half its lease");
    }
}

/* ---- an earlier life of the agent ---- */

static bool
is_our_program(pid_t pid, const agent *a)
{
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = 0;
    for (char *p = text; p < text + n; p += strlen(p) + 1)
        if (!strcmp(p, a->cfg.instance_config))
            return true;
    return false;
}

lg_status
agent_orphan_end(agent *a)
{
    lg_member *m = lg_membership_member(a->ms);
    pid_t pid = (pid_t)m->mine.pid;
    if (m->mine.instance != LG_MEMBER_STARTING && m->mine.instance != LG_MEMBER_READY)
        return LG_OK;
    if (pid > 1 && is_our_program(pid, a)) {
        int fd = pidfd_of(pid);
        if (fd >= 0 && is_our_program(pid, a)) {
            lg_log_warn(a->log, "agent", "ending the instance of an earlier agent, pid %d",
                        (int)pid);
            kill(pid, SIGKILL);
            LG_TRY(lg_run_wait_fd(a->run, fd, POLLIN, LG_WAIT_BACKGROUND_IDLE,
                                  lg_run_now_ns(a->run) + 60 * LG_SEC));
        }
        if (fd >= 0)
            close(fd);
    }
    confirm(a, false);
    return LG_OK;
}
