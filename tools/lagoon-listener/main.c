/* lagoon-listener CONFIG: one address in front of all instances. See net/listener/README.md.
 * SIGTERM and SIGINT end it. */
#include "listener.h"
#include "log.h"
#include "mem.h"
#include "run.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define CONFIG_MAX (256 * 1024)

struct program {
    lg_run *run;
    lg_log *log;
    lg_listener_config cfg;
    lg_listener *listener;
    int signals;
    int exit_code;
};

static void
main_fiber(void *arg)
{
    struct program *p = arg;
    lg_status st = lg_listener_start(p->run, &p->cfg, p->log, &p->listener);
    if (st != LG_OK) {
        fprintf(stderr, "lagoon-listener: cannot start: %s\n", lg_status_text(st));
        p->exit_code = 1;
        lg_run_stop(p->run);
        return;
    }
    for (unsigned i = 0; i < p->cfg.listen_count; i++)
        lg_log_info(p->log, "listener", "listening at %s", p->cfg.listen[i]);
    struct signalfd_siginfo info;
    do
        (void)!lg_run_wait_fd(p->run, p->signals, 1 /* POLLIN */, LG_WAIT_BACKGROUND_IDLE,
                              LG_FOREVER);
    while (read(p->signals, &info, sizeof info) != (ssize_t)sizeof info);
    lg_log_info(p->log, "listener", "stopping on signal %u", info.ssi_signo);
    lg_listener_stop(p->listener);
    lg_run_stop(p->run);
}

static int
load(const char *path, lg_listener_config *ret_cfg)
{
    static char text[CONFIG_MAX];
    FILE *f = fopen(path, "r");
    if (!f) {
        fprintf(stderr, "lagoon-listener: %s: %s\n", path, strerror(errno));
        return 1;
    }
    size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    char message[256] = "";
    if (lg_listener_config_parse(text, n, ret_cfg, message, sizeof message) == LG_OK)
        return 0;
    fprintf(stderr, "lagoon-listener: %s: %s\n", path, message);
    return 1;
}

static void
raise_descriptor_limit(void)
{
    struct rlimit rl;
    if (getrlimit(RLIMIT_NOFILE, &rl) != 0)
        return;
    rl.rlim_cur = rl.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &rl);
}

int
main(int argc, char **argv)
{
    static struct program p;
    const char *path = argc == 3 && strcmp(argv[1], "--config") == 0 ? argv[2]
                       : argc == 2 && argv[1][0] != '-'              ? argv[1]
                                                                     : NULL;
    if (!path) {
        fprintf(stderr, "usage: lagoon-listener [--config] FILE\n");
        return 2;
    }
    if (load(path, &p.cfg))
        return 1;
    raise_descriptor_limit();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    p.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    p.log = lg_log_create(STDERR_FILENO, "listener", LG_LOG_INFO, NULL, NULL);
    lg_run_config rc = {.name = "listener"};
    if (p.signals < 0 || lg_run_create(&rc, &p.run) != LG_OK ||
        lg_run_spawn(p.run, "main", 0, main_fiber, &p, NULL) != LG_OK) {
        fprintf(stderr, "lagoon-listener: cannot start its worker\n");
        return 1;
    }
    lg_status st = lg_run_loop(p.run);
    lg_run_destroy(p.run);
    lg_log_destroy(p.log);
    close(p.signals);
    return st == LG_OK ? p.exit_code : 1;
}
