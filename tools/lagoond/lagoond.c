/* lagoond: a database instance.
 *
 *   lagoond --config FILE                     runs the instance; SIGTERM stops it cleanly, SIGINT
 * at once lagoond --config FILE --create --database NAME --user NAME --password-file FILE
 * [--instances N]
 *           [--log-file-size BYTES] [--force]     creates volume and database on the configured
 * disks
 *
 * Exit codes: 0 ok, 1 failed, 2 usage or configuration. The log goes to standard error. */
#include "config.h"
#include "instance.h"
#include "log.h"
#include "mem.h"
#include "run.h"
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct program {
    lg_run *run;
    lg_log *log;
    lg_stats stats;
    lg_instance *instance;
    lg_instance_config cfg;
    lg_instance_create_config create;
    bool creating;
    int signals;
    lg_status result;
};

static void
die(void *arg, lg_status why)
{
    (void)arg;
    /* Nothing is flushed on purpose: the others recover this instance from what is on disk. */
    _exit(why == LG_FENCED ? 3 : 1);
}

static void
on_signal(void *arg)
{
    struct program *p = arg;
    struct signalfd_siginfo info;
    if (read(p->signals, &info, sizeof info) != sizeof info)
        return;
    lg_log_info(p->log, "lagoond", "signal %u: stopping", info.ssi_signo);
    if (!p->instance)
        _exit(0); /* still starting: nothing of ours is open that recovery does not handle */
    lg_instance_stop(p->instance, info.ssi_signo == SIGTERM ? 10000 : 0);
}

static void
main_fiber(void *arg)
{
    struct program *p = arg;
    lg_instance_env env = {.run = p->run, .log = p->log, .stats = &p->stats, .die = die, .arg = p};
    if (p->creating)
        p->result = lg_instance_create_database(&env, &p->create);
    else
        p->result = lg_instance_run(&env, &p->cfg, &p->instance);
    lg_run_stop(p->run);
}

static int
usage(void)
{
    fprintf(
        stderr,
        "usage: lagoond --config FILE [--create --database NAME --user NAME --password-file FILE "
        "[--instances N] [--log-file-size BYTES] [--force]]\n");
    return 2;
}

static char *
read_password(const char *path)
{
    static char password[256];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, password, sizeof password - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return NULL;
    password[n] = 0;
    password[strcspn(password, "\r\n")] = 0;
    return password;
}

static int
parse_arguments(int argc, char **argv, struct program *p)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'},
                                            {"create", no_argument, NULL, 'C'},
                                            {"database", required_argument, NULL, 'd'},
                                            {"user", required_argument, NULL, 'u'},
                                            {"password-file", required_argument, NULL, 'p'},
                                            {"instances", required_argument, NULL, 'n'},
                                            {"log-file-size", required_argument, NULL, 'l'},
                                            {"force", no_argument, NULL, 'f'},
                                            {NULL, 0, NULL, 0}};
    const char *config_path = NULL;
    const char *password_file = NULL;
    char message[256];
    lg_config *c;
    p->create = (lg_instance_create_config){.instances = 1, .database = "lagoon", .user = "lagoon"};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (o) {
        case 'c':
            config_path = optarg;
            break;
        case 'C':
            p->creating = true;
            break;
        case 'd':
            p->create.database = optarg;
            break;
        case 'u':
            p->create.user = optarg;
            break;
        case 'p':
            password_file = optarg;
            break;
        case 'n':
            p->create.instances = (uint32_t)atoi(optarg);
            break;
        case 'l':
            p->create.log_file_bytes = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            p->create.force = true;
            break;
        default:
            return usage();
        }
    }
    if (!config_path || optind != argc || p->create.instances < 1 ||
        p->create.instances > LG_INSTANCE_MAX)
        return usage();
    if (lg_config_load(config_path, &c, message, sizeof message) != LG_OK ||
        lg_instance_config_read(c, &p->cfg, message, sizeof message) != LG_OK) {
        fprintf(stderr, "lagoond: %s: %s\n", config_path, message);
        return 2;
    }
    lg_config_free(c);
    p->create.instance = p->cfg;
    if (p->creating) {
        p->create.password = password_file ? read_password(password_file) : NULL;
        if (!p->create.password) {
            fprintf(stderr, "lagoond: --password-file is missing or cannot be read\n");
            return 2;
        }
    }
    return 0;
}

int
main(int argc, char **argv)
{
    static struct program p;
    sigset_t set;
    lg_fd_watch *watch = NULL;
    int rc = parse_arguments(argc, argv, &p);
    if (rc)
        return rc;
    if (lg_run_native_stack_raise() != LG_OK) {
        fprintf(stderr, "lagoond: the stack's hard limit is below 64 MiB\n");
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigprocmask(SIG_BLOCK, &set, NULL);
    p.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    p.log = lg_log_create(2, p.cfg.name, LG_LOG_INFO, NULL, NULL);
    const char *destination = lg_instance_config_setting(&p.cfg, "log_destination");
    const char *prefix = lg_instance_config_setting(&p.cfg, "log_line_prefix");
    if (destination && !strcmp(destination, "stderr"))
        lg_log_set_format(p.log, LG_LOG_TEXT, prefix ? prefix : "%m [%p] ");
    lg_budget *budget = lg_budget_create();
    lg_run_config rcfg = {.name = p.cfg.name, .stats = &p.stats, .budget = budget};
    if (lg_run_create(&rcfg, &p.run) != LG_OK ||
        lg_run_watch_fd(p.run, p.signals, on_signal, &p, &watch) != LG_OK ||
        lg_run_spawn(p.run, "main", 0, main_fiber, &p, NULL) != LG_OK) {
        fprintf(stderr, "lagoond: cannot start\n");
        return 1;
    }
    if (!p.creating)
        lg_log_info(p.log, "lagoond", "the worker runs at nice %d",
                    lg_run_prioritize(p.run, p.cfg.worker_nice));
    lg_status looped = lg_run_loop(p.run);
    lg_run_unwatch_fd(watch);
    lg_run_destroy(p.run);
    lg_budget_release(budget);
    lg_log_destroy(p.log);
    close(p.signals);
    return p.result == LG_OK && looped == LG_OK ? 0 : 1;
}
