/* TCP and unix sockets over the worker's ring.
 *
 * A write is tried at once with a plain send; a read goes to the ring, unless the socket was said
 * to be readable or the one before filled its buffer (then there is likely more). A socket lives
 * until it is closed and its last operation has left the kernel: `refs` counts both. close()
 * cancels what waits.
 */
#include "assert.h"
#include "run_internal.h"
#include "sock_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct real_sock {
    lg_sock base;
    unsigned refs;
    bool closed;
    bool more_likely;
    lg_fiber_op *reader; /* or acceptor */
    lg_fiber_op *writer;
    lg_ring_op poll_op;
    bool poll_armed;
    void (*readable_fn)(void *arg);
    void *readable_arg;
} real_sock;

static const struct lg_sock_ops real_ops;

typedef struct any_address {
    struct sockaddr_storage sa;
    socklen_t len;
} any_address;

/* ---- addresses ---- */

static lg_status
parse_unix(const char *path, any_address *ret)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&ret->sa;
    if (strlen(path) >= sizeof un->sun_path)
        return LG_INVALID;
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path) + 1);
    ret->len = sizeof *un;
    return LG_OK;
}

static lg_status
parse_address(const char *text, any_address *ret)
{
    memset(ret, 0, sizeof *ret);
    if (!strncmp(text, "unix:", 5))
        return parse_unix(text + 5, ret);
    const char *colon = strrchr(text, ':');
    char host[64];
    if (!colon || (size_t)(colon - text) >= sizeof host)
        return LG_INVALID;
    size_t n = (size_t)(colon - text);
    memcpy(host, text, n);
    host[n] = 0;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end || port > 65535)
        return LG_INVALID;
    if (!strcmp(host, "localhost"))
        memcpy(host, "127.0.0.1", 10);
    struct sockaddr_in *in = (struct sockaddr_in *)&ret->sa;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&ret->sa;
    if (host[0] == '[' && n > 2 && host[n - 1] == ']') {
        host[n - 1] = 0;
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        ret->len = sizeof *in6;
        return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? LG_OK : LG_INVALID;
    }
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    ret->len = sizeof *in;
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? LG_OK : LG_INVALID;
}

static void
format_peer(real_sock *s)
{
    any_address a = {.len = sizeof a.sa};
    char host[INET6_ADDRSTRLEN];
    if (getpeername(s->base.fd, (struct sockaddr *)&a.sa, &a.len) != 0)
        return;
    if (a.sa.ss_family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)&a.sa;
        inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
        snprintf(s->base.peer, sizeof s->base.peer, "%s:%u", host, ntohs(in->sin_port));
    } else if (a.sa.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a.sa;
        inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(s->base.peer, sizeof s->base.peer, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        snprintf(s->base.peer, sizeof s->base.peer, "unix:");
    }
}

/* ---- life ---- */

static void poll_fired(lg_ring_op *op, int res);

static real_sock *
sock_of(lg_sock *s)
{
    return LG_CONTAINER_OF(s, real_sock, base);
}

static real_sock *
sock_create(lg_run *r, int fd)
{
    real_sock *s = lg_zalloc(sizeof *s);
    s->base = (lg_sock){.ops = &real_ops, .run = r, .fd = fd};
    s->refs = 1;
    s->poll_op.fn = poll_fired;
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* fails on unix sockets */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    format_peer(s);
    return s;
}

static void
unref(real_sock *s)
{
    if (--s->refs > 0)
        return;
    close(s->base.fd);
    lg_free(s);
}

static void
real_close(lg_sock *base)
{
    real_sock *s = sock_of(base);
    LG_ASSERT(!s->closed);
    s->closed = true;
    if (s->reader)
        lg_run__op_cancel(base->run, &s->reader->op);
    if (s->writer)
        lg_run__op_cancel(base->run, &s->writer->op);
    if (s->poll_armed)
        lg_run__op_cancel(base->run, &s->poll_op);
    if (s->refs > 1)
        (void)shutdown(base->fd, SHUT_RDWR);
    unref(s);
}

/* ---- operations ---- */

static lg_status
status_of(int error)
{
    switch (error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ESHUTDOWN:
        return LG_CLOSED;
    case ECONNREFUSED:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ETIMEDOUT:
    case ENOENT:
        return LG_PEER_DOWN;
    case EADDRINUSE:
        return LG_EXISTS;
    case ENOMEM:
    case ENOBUFS:
    case EMFILE:
    case ENFILE:
        return LG_NO_MEMORY;
    default:
        return LG_SYSTEM;
    }
}

/* Waits for the operation in *slot; the socket may be closed meanwhile, even freed after. */
static lg_status
op_run(real_sock *s, lg_fiber_op **slot, lg_fiber_op *op, lg_wait event, lg_time deadline,
       bool cancelable, int *ret_res)
{
    *slot = op;
    s->refs++;
    lg_status st = lg_run__op_wait(s->base.run, op, event, deadline, cancelable, ret_res);
    *slot = NULL;
    bool closed = s->closed;
    unref(s);
    return st == LG_OK && closed ? LG_CLOSED : st;
}

static lg_status
real_read(lg_sock *base, void *buf, size_t n, lg_time deadline, size_t *ret_n)
{
    real_sock *s = sock_of(base);
    LG_ASSERT(!s->reader);
    if (s->closed)
        return LG_CLOSED;
    int res = -EAGAIN;
    if (s->more_likely) {
        ssize_t got = recv(base->fd, buf, n, MSG_DONTWAIT);
        res = got < 0 ? -errno : (int)got;
    }
    if (res == -EAGAIN || res == -EINTR) {
        lg_fiber_op op;
        io_uring_prep_recv(lg_run__op_prepare(base->run, &op), base->fd, buf, n, 0);
        LG_TRY(op_run(s, &s->reader, &op, LG_WAIT_CLIENT_MESSAGE, deadline, true, &res));
    }
    if (res < 0)
        return status_of(-res);
    s->more_likely = (size_t)res == n;
    *ret_n = (size_t)res;
    return res == 0 ? LG_CLOSED : LG_OK;
}

static lg_status
real_write_all(lg_sock *base, const void *buf, size_t n, lg_time deadline)
{
    real_sock *s = sock_of(base);
    LG_ASSERT(!s->writer);
    const char *p = buf;
    while (n > 0) {
        if (s->closed)
            return LG_CLOSED;
        ssize_t sent = send(base->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent >= 0) {
            p += sent;
            n -= (size_t)sent;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return status_of(errno);
        lg_fiber_op op;
        int res;
        io_uring_prep_poll_add(lg_run__op_prepare(base->run, &op), base->fd, POLLOUT);
        LG_TRY(op_run(s, &s->writer, &op, LG_WAIT_CLIENT_WRITE, deadline, false, &res));
    }
    return LG_OK;
}

static void
poll_fired(lg_ring_op *op, int res)
{
    real_sock *s = LG_CONTAINER_OF(op, real_sock, poll_op);
    s->poll_armed = false;
    s->more_likely = res > 0;
    void (*fn)(void *) = s->closed ? NULL : s->readable_fn;
    void *arg = s->readable_arg;
    s->readable_fn = NULL;
    unref(s);
    if (fn)
        fn(arg);
}

static void
real_on_readable(lg_sock *base, void (*fn)(void *arg), void *arg)
{
    real_sock *s = sock_of(base);
    LG_ASSERT(!s->reader && !s->closed);
    s->readable_fn = fn;
    s->readable_arg = arg;
    if (s->poll_armed || !fn)
        return; /* a poll left over from before serves as well */
    s->poll_armed = true;
    s->refs++;
    io_uring_prep_poll_add(lg_run_sqe(base->run, &s->poll_op), base->fd, POLLIN);
}

static lg_status
real_accept(lg_sock *base, lg_time deadline, lg_sock **ret_sock)
{
    real_sock *s = sock_of(base);
    LG_ASSERT(!s->reader);
    if (s->closed)
        return LG_CLOSED;
    lg_run *r = base->run;
    lg_fiber_op op;
    int res;
    io_uring_prep_accept(lg_run__op_prepare(r, &op), base->fd, NULL, NULL, SOCK_CLOEXEC);
    lg_status st = op_run(s, &s->reader, &op, LG_WAIT_BACKGROUND_IDLE, deadline, true, &res);
    if (st != LG_OK) {
        if (op.done && op.res >= 0)
            close(op.res);
        return st;
    }
    if (res < 0)
        return status_of(-res);
    *ret_sock = &sock_create(r, res)->base;
    return LG_OK;
}

static const struct lg_sock_ops real_ops = {real_accept, real_close, real_read, real_write_all,
                                            real_on_readable};

/* A socket file left by a dead process would make bind fail for ever. */
static void
remove_stale(const any_address *a)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&a->sa;
    struct stat sb;
    if (a->sa.ss_family == AF_UNIX && stat(un->sun_path, &sb) == 0 && S_ISSOCK(sb.st_mode))
        (void)unlink(un->sun_path);
}

lg_status
lg_sock__real_listen(lg_run *r, const char *address, int backlog, lg_sock **ret_sock)
{
    any_address a;
    LG_TRY(parse_address(address, &a));
    int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return status_of(errno);
    int one = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    remove_stale(&a);
    if (bind(fd, (struct sockaddr *)&a.sa, a.len) != 0 || listen(fd, backlog) != 0) {
        lg_status st = status_of(errno);
        close(fd);
        return st;
    }
    *ret_sock = &sock_create(r, fd)->base;
    return LG_OK;
}

lg_status
lg_sock__real_connect(lg_run *r, const char *address, lg_time deadline, lg_sock **ret_sock)
{
    any_address a;
    LG_TRY(parse_address(address, &a));
    int fd = socket(a.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return status_of(errno);
    lg_fiber_op op;
    int res = 0;
    io_uring_prep_connect(lg_run__op_prepare(r, &op), fd, (struct sockaddr *)&a.sa, a.len);
    lg_status st = lg_run__op_wait(r, &op, LG_WAIT_BACKGROUND_IDLE, deadline, true, &res);
    if (st == LG_OK && res < 0)
        st = status_of(-res);
    if (st != LG_OK) {
        close(fd);
        return st;
    }
    *ret_sock = &sock_create(r, fd)->base;
    snprintf((*ret_sock)->peer, sizeof(*ret_sock)->peer, "%.60s", address);
    return LG_OK;
}
