/* Talking to an agent: over its unix socket, or over TCP after both have proved the cluster key. */
#include "agent_auth.h"
#include "ctl.h"
#include "mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <netdb.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int
connect_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        return -1;
    strcpy(a.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int
connect_tcp(const char *address)
{
    char host[128];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list;
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host)
        return -1;
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = 0;
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0)
        return -1;
    int fd = -1;
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

static int
send_request(const struct ctl *c, int fd)
{
    char buf[LG_AGENT_LINE_MAX];
    lg_agent_writer w;
    size_t len;
    lg_agent_begin(&w, buf, "CTL");
    lg_agent_add(&w, "verb", c->verb);
    lg_agent_add(&w, "noun", c->noun);
    if (c->name)
        lg_agent_add(&w, "name", c->name);
    for (int i = 0; i < c->option_count; i++)
        if (strcmp(c->options[i].name, "key"))
            lg_agent_add(&w, c->options[i].name, c->options[i].value);
    if (lg_agent_end(&w, &len) != LG_OK)
        return ctl_fail(2, "the request is too long");
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, buf + done, len - done);
        if (n <= 0)
            return ctl_fail(1, "the agent closed the connection");
        done += (size_t)n;
    }
    return 0;
}

static int
read_reply(FILE *in, struct ctl_rows *r, char *message, size_t size)
{
    char line[LG_AGENT_LINE_MAX + 2];
    while (fgets(line, sizeof line, in)) {
        line[strcspn(line, "\n")] = 0;
        char *keep = lg_strdup(line);
        lg_agent_line l;
        if (lg_agent_line_decode(keep, &l) != LG_OK) {
            lg_free(keep);
            return ctl_fail(1, "the agent sent a malformed line");
        }
        if (!strcmp(l.type, "END")) {
            const char *m = lg_agent_line_get(&l, "message");
            snprintf(message, size, "%s", m ? m : "");
            int code = (int)lg_agent_line_u64(&l, "code", 1);
            lg_free(keep);
            return code;
        }
        if (r->count == CTL_ROWS_MAX) {
            lg_free(keep);
            return ctl_fail(1, "too many rows");
        }
        r->texts[r->text_count++] = keep;
        r->rows[r->count++] = l;
    }
    return ctl_fail(1, "the agent closed the connection before it had answered");
}

/* The key: --key FILE, $LAGOON_KEY, or what stands beside --dir. */
static size_t
load_key(const struct ctl *c, char *key, size_t size)
{
    char beside[1024] = "";
    const char *path = ctl_option(c, "key"), *dir = ctl_option(c, "dir");
    if (dir)
        snprintf(beside, sizeof beside, "%s/cluster.key", dir);
    if (!path)
        path = getenv("LAGOON_KEY");
    if (!path && *beside)
        path = beside;
    FILE *f = path ? fopen(path, "r") : NULL;
    size_t n = f ? fread(key, 1, size, f) : 0;
    if (f)
        fclose(f);
    return n;
}

static int
say(FILE *f, lg_agent_writer *w)
{
    size_t len;
    return lg_agent_end(w, &len) == LG_OK && fwrite(w->buf, 1, len, f) == len && fflush(f) == 0
               ? 0
               : ctl_fail(1, "the agent closed the connection");
}

/* agent_auth.h, the client's side. */
static int
prove(const struct ctl *c, FILE *f)
{
    char key[256], nonce[LG_AGENT_HEX], mac[LG_AGENT_HEX], buf[LG_AGENT_LINE_MAX];
    unsigned char random[LG_AGENT_NONCE_BYTES];
    lg_agent_writer w;
    lg_agent_line l;
    size_t key_len = load_key(c, key, sizeof key);
    if (key_len < 16)
        return ctl_fail(7,
                        "over TCP the cluster key is needed: --key FILE or LAGOON_KEY (cluster.key "
                        "in the cluster's directory)");
    if (getrandom(random, sizeof random, 0) != sizeof random)
        return ctl_fail(1, "no randomness: %s", strerror(errno));
    lg_agent_hex(random, nonce);
    lg_agent_begin(&w, buf, "AUTH");
    lg_agent_add(&w, "nonce", nonce);
    if (say(f, &w))
        return 1;
    if (!fgets(buf, sizeof buf, f))
        return ctl_fail(1, "the agent closed the connection");
    buf[strcspn(buf, "\n")] = 0;
    const char *theirs =
        lg_agent_line_decode(buf, &l) == LG_OK ? lg_agent_line_get(&l, "nonce") : NULL;
    if (!theirs || strlen(theirs) != LG_AGENT_HEX - 1 ||
        !lg_agent_mac_good(key, key_len, "agent", nonce, theirs, lg_agent_line_get(&l, "mac")))
        return ctl_fail(
            7, "the agent does not prove the cluster key: is --key the one of its cluster?");
    lg_agent_mac(key, key_len, "client", nonce, theirs, mac);
    lg_agent_begin(&w, buf, "PROOF");
    lg_agent_add(&w, "mac", mac);
    return say(f, &w);
}

int
ctl_request(const struct ctl *c, struct ctl_rows *r)
{
    char message[LG_AGENT_LINE_MAX] = "";
    r->count = 0;
    while (r->text_count)
        lg_free(r->texts[--r->text_count]);
    const char *address = c->agent ? c->agent : getenv("LAGOON_AGENT");
    if (!address)
        return ctl_fail(2, "which agent? --agent ADDRESS or LAGOON_AGENT");
    int fd = !strncmp(address, "unix:", 5) ? connect_unix(address + 5) : connect_tcp(address);
    if (fd < 0)
        return c->quiet ? 3
                        : ctl_fail(3,
                                   "no agent answers at %s (%s): start lagoon-agent there, or name "
                                   "another one with --agent or LAGOON_AGENT",
                                   address, strerror(errno));
    FILE *in = fdopen(fd, "r+");
    int code = strncmp(address, "unix:", 5) ? prove(c, in) : 0;
    if (!code)
        code = send_request(c, fd);
    if (!code)
        code = read_reply(in, r, message, sizeof message);
    fclose(in);
    if (*message && !c->quiet)
        fprintf(stderr, "lagoonctl: %s\n", message);
    return code;
}
