/* Creation of a cluster on one machine, and of its database.
 *
 * A cluster is a directory:
 *     cluster.key            the interconnect's and agents' shared key, mode 0600
 *     disks/diskN            the volume; preallocated files (or links to block devices put there
 * before) votes/vote1..3         voting files nodeN.yaml             of the agent of node N
 *     instanceN.yaml         of its instance
 *     listener.yaml          of the listener
 *     run/                   sockets, pid files, logs
 * Ports: base = listener, base + N = instance N, base + 20 + N = agent N. */
#include "ctl.h"
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024ull * 1024)

static const char *
option_or(const struct ctl *c, const char *name, const char *otherwise)
{
    const char *v = ctl_option(c, name);
    return v ? v : otherwise;
}

static int
make_directory(const char *path, mode_t mode)
{
    if (mkdir(path, mode) == 0 || errno == EEXIST)
        return 0;
    return ctl_fail(1, "%s: %s", path, strerror(errno));
}

/* A file of zeros, written out so that its blocks are allocated and later writes change no
 * metadata. */
static int
make_file(const char *path, unsigned long long size)
{
    static char zeros[MIB];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : ctl_fail(1, "%s: %s", path, strerror(errno));
    int rc = 0;
    for (unsigned long long done = 0; done < size && !rc; done += MIB) {
        size_t n = size - done < MIB ? (size_t)(size - done) : MIB;
        if (write(fd, zeros, n) != (ssize_t)n)
            rc = ctl_fail(1, "%s: %s", path, errno ? strerror(errno) : "disk full");
    }
    if (!rc && fsync(fd) != 0)
        rc = ctl_fail(1, "%s: %s", path, strerror(errno));
    close(fd);
    if (rc)
        unlink(path);
    return rc;
}

static int
make_key(const char *path)
{
    unsigned char key[32];
    char text[65];
    if (access(path, F_OK) == 0)
        return 0;
    if (getrandom(key, sizeof key, 0) != sizeof key)
        return ctl_fail(1, "no randomness: %s", strerror(errno));
    for (int i = 0; i < 32; i++)
        snprintf(text + 2 * i, 3, "%02x", key[i]);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text, 64) != 64)
        return ctl_fail(1, "%s: %s", path, strerror(errno));
    close(fd);
    return 0;
}

static FILE *
create_text(const char *dir, const char *name)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    if (!f)
        ctl_fail(1, "%s: %s", path, strerror(errno));
    return f;
}

static unsigned long long
size_of(const char *text)
{
    char *end;
    unsigned long long n = strtoull(text, &end, 10);
    if (!strncasecmp(end, "g", 1))
        return n * 1024 * MIB;
    if (!strncasecmp(end, "m", 1))
        return n * MIB;
    return n;
}

/* Everything the files say. */
struct layout {
    const char *dir, *cache, *transport, *program;
    int nodes, disks, base_port;
};

static int
write_node(const struct layout *l, int node)
{
    char name[64];
    snprintf(name, sizeof name, "node%d.yaml", node);
    FILE *f = create_text(l->dir, name);
    if (!f)
        return 1;
    fprintf(f, "# The agent of node %d.\nnode: %d\nname: node%d\n", node, node, node);
    fprintf(f, "socket: unix:%s/run/agent%d.sock\naddress: 127.0.0.1:%d\n", l->dir, node,
            l->base_port + 20 + node);
    fprintf(f, "cluster_key: %s/cluster.key\nvotes:\n", l->dir);
    for (int i = 1; i <= 3; i++)
        fprintf(f, "  - %s/votes/vote%d\n", l->dir, i);
    fprintf(f, "status_file: %s/run/status.yaml\nnodes:\n", l->dir);
    for (int i = 1; i <= l->nodes; i++)
        fprintf(f, "  - {node: %d, address: 127.0.0.1:%d}\n", i, l->base_port + 20 + i);
    fprintf(
        f, "instance:\n  program: %s\n  config: %s/instance%d.yaml\n  log: %s/run/instance%d.log\n",
        l->program, l->dir, node, l->dir, node);
    return fclose(f) == 0 ? 0 : ctl_fail(1, "%s: %s", name, strerror(errno));
}

static int
write_instance(const struct layout *l, int node)
{
    char name[64];
    snprintf(name, sizeof name, "instance%d.yaml", node);
    FILE *f = create_text(l->dir, name);
    if (!f)
        return 1;
    fprintf(f, "# Instance %d.\ninstance: %d\nname: lagoon%d\nlisten: 127.0.0.1:%d\n", node, node,
            node, l->base_port + node);
    fprintf(f, "cache: %s\ninterconnect: {transport: %s, address: \"%s\"}\n", l->cache,
            l->transport, strcmp(l->transport, "shm") ? "127.0.0.1:0" : name);
    fprintf(f, "agent: unix:%s/run/agent%d.sock\ncluster_key: %s/cluster.key\nvolume:\n", l->dir,
            node, l->dir);
    for (int i = 1; i <= l->disks; i++)
        fprintf(f, "  - %s/disks/disk%d\n", l->dir, i);
    return fclose(f) == 0 ? 0 : ctl_fail(1, "%s: %s", name, strerror(errno));
}

static int
write_listener(const struct layout *l)
{
    FILE *f = create_text(l->dir, "listener.yaml");
    if (!f)
        return 1;
    fprintf(f,
            "# The one address clients know.\nlisten: [127.0.0.1:%d]\nstatus_file: "
            "%s/run/status.yaml\ninstances:\n",
            l->base_port, l->dir);
    for (int i = 1; i <= l->nodes; i++)
        fprintf(f, "  - {id: %d, address: 127.0.0.1:%d}\n", i, l->base_port + i);
    return fclose(f) == 0 ? 0 : ctl_fail(1, "listener.yaml: %s", strerror(errno));
}

static int
make_files(const struct layout *l, unsigned long long disk_size)
{
    static const char *const folders[] = {"", "/disks", "/votes", "/run"};
    char path[1024];
    for (int i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s%s", l->dir, folders[i]);
        if (make_directory(path, 0700))
            return 1;
    }
    for (int i = 1; i <= l->disks; i++) {
        snprintf(path, sizeof path, "%s/disks/disk%d", l->dir, i);
        if (make_file(path, disk_size))
            return 1;
    }
    for (int i = 1; i <= 3; i++) {
        snprintf(path, sizeof path, "%s/votes/vote%d", l->dir, i);
        if (make_file(path, MIB))
            return 1;
    }
    snprintf(path, sizeof path, "%s/cluster.key", l->dir);
    return make_key(path);
}

int
ctl_create_cluster(const struct ctl *c)
{
    char dir[512], program[512];
    struct layout l = {.cache = option_or(c, "cache", "128MiB"),
                       .transport = option_or(c, "transport", "tcp"),
                       .nodes = atoi(option_or(c, "nodes", "3")),
                       .disks = atoi(option_or(c, "disks", "2")),
                       .base_port = atoi(option_or(c, "base-port", "5440"))};
    const char *given = ctl_option(c, "dir");
    if (!given || l.nodes < 1 || l.nodes > 15 || l.disks < 1 || l.disks > 32)
        return ctl_fail(2, "create cluster needs --dir, 1 to 15 --nodes, 1 to 32 --disks");
    if (make_directory(given, 0700) || !realpath(given, dir))
        return ctl_fail(1, "%s: %s", given, strerror(errno));
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    if (n <= 0)
        return ctl_fail(1, "cannot find lagoond");
    program[n] = 0;
    strcpy(strrchr(program, '/') + 1, "lagoond");
    l.dir = dir;
    l.program = option_or(c, "program", program);
    if (make_files(&l, size_of(option_or(c, "disk-size", "1g"))))
        return 1;
    for (int i = 1; i <= l.nodes; i++)
        if (write_node(&l, i) || write_instance(&l, i))
            return 1;
    if (write_listener(&l))
        return 1;
    fprintf(stderr, "cluster of %d nodes in %s\n", l.nodes, dir);
    return 0;
}

static int
load(const char *dir, const char *name, lg_config **ret)
{
    char path[1024], message[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (lg_config_load(path, ret, message, sizeof message) == LG_OK)
        return 0;
    return ctl_fail(3, "%s", message);
}

static const char *
text_or(const lg_config *c, const char *path, const char *otherwise)
{
    const char *v = lg_config_string(c, path);
    return v ? v : otherwise;
}

static int
append_to_listener(const struct layout *l, int node)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/listener.yaml", l->dir);
    FILE *f = fopen(path, "a");
    if (!f)
        return ctl_fail(1, "%s: %s", path, strerror(errno));
    fprintf(f, "  - {id: %d, address: 127.0.0.1:%d}\n", node, l->base_port + node);
    return fclose(f) == 0 ? 0 : ctl_fail(1, "%s: %s", path, strerror(errno));
}

/* Files of one more node, like those of node 1. Its agent finds the others on the voting files. */
static int
add_files(const struct layout *first, int node)
{
    char path[1024];
    struct layout l = *first;
    snprintf(path, sizeof path, "%s/node%d.yaml", l.dir, node);
    if (access(path, F_OK) == 0) {
        fprintf(stderr, "node %d is there\n", node);
        return 0;
    }
    if (l.nodes < node)
        l.nodes = node;
    if (write_instance(&l, node) || append_to_listener(&l, node) || write_node(&l, node))
        return 1;
    fprintf(stderr, "node %d added; start lagoon-agent %s\n", node, path);
    return 0;
}

int
ctl_add_node(const struct ctl *c)
{
    char dir[512];
    lg_config *agent = NULL, *instance = NULL, *listener = NULL;
    const char *given = ctl_option(c, "dir");
    int node = c->name ? atoi(c->name + strcspn(c->name, "0123456789")) : 0;
    if (!given || node < 1 || node > 15)
        return ctl_fail(2, "add node needs a number from 1 to 15 and --dir");
    if (!realpath(given, dir))
        return ctl_fail(3, "%s: %s", given, strerror(errno));
    int rc = load(dir, "node1.yaml", &agent);
    if (!rc)
        rc = load(dir, "instance1.yaml", &instance);
    if (!rc)
        rc = load(dir, "listener.yaml", &listener);
    if (!rc) {
        const char *listen = text_or(listener, "listen[0]", ":5440");
        struct layout l = {.dir = dir,
                           .cache = text_or(instance, "cache", "128MiB"),
                           .transport = text_or(instance, "interconnect.transport", "tcp"),
                           .program = text_or(agent, "instance.program", "lagoond"),
                           .nodes = (int)lg_config_count(agent, "nodes"),
                           .disks = (int)lg_config_count(instance, "volume"),
                           .base_port = atoi(strrchr(listen, ':') + 1)};
        rc = add_files(&l, node);
    }
    lg_config_free(listener);
    lg_config_free(instance);
    lg_config_free(agent);
    return rc;
}

/* Runs lagoond --create with the first instance's configuration. */
int
ctl_create_database(const struct ctl *c)
{
    char program[512], config[1024];
    const char *dir = ctl_option(c, "dir");
    const char *password = ctl_option(c, "password-file");
    if (!dir || !c->name || !password)
        return ctl_fail(2, "create database needs NAME, --dir and --password-file");
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 16);
    if (n <= 0)
        return ctl_fail(1, "cannot find lagoond");
    program[n] = 0;
    strcpy(strrchr(program, '/') + 1, "lagoond");
    snprintf(config, sizeof config, "%s/instance1.yaml", dir);
    pid_t pid = fork();
    if (pid < 0)
        return ctl_fail(1, "fork: %s", strerror(errno));
    if (pid == 0) {
        execl(program, program, "--config", config, "--create", "--database", c->name, "--user",
              option_or(c, "user", "lagoon"), "--password-file", password, "--instances",
              option_or(c, "instances", "8"), ctl_option(c, "force") ? "--force" : (char *)NULL,
              (char *)NULL);
        _exit(127);
    }
    int status;
    if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
        return ctl_fail(1, "lagoond ended abnormally");
    return WEXITSTATUS(status) == 127 ? ctl_fail(1, "%s cannot be run", program)
                                      : WEXITSTATUS(status);
}
