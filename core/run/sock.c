/* Sockets: dispatch to the real or the simulated kind. */
#include "sock.h"
#include "assert.h"
#include "sock_internal.h"

lg_status
lg_sock_listen(lg_run *r, const char *address, int backlog, lg_sock **ret_sock)
{
    return lg_run_sim(r) ? lg_sock__sim_listen(r, address, ret_sock)
                         : lg_sock__real_listen(r, address, backlog, ret_sock);
}

#define LISTEN_AGAIN (2 * LG_MS)

lg_status
lg_sock_listen_wait(lg_run *r, const char *address, int backlog, lg_time deadline,
                    lg_sock **ret_sock)
{
    for (;;) {
        lg_status st = lg_sock_listen(r, address, backlog, ret_sock);
        if (st != LG_EXISTS || lg_run_now_ns(r) >= deadline)
            return st;
        LG_TRY(lg_fiber_sleep_until(lg_run_now_ns(r) + LISTEN_AGAIN, LG_WAIT_SLEEP));
    }
}

lg_status
lg_sock_connect(lg_run *r, const char *address, lg_time deadline, lg_sock **ret_sock)
{
    return lg_run_sim(r) ? lg_sock__sim_connect(r, address, deadline, ret_sock)
                         : lg_sock__real_connect(r, address, deadline, ret_sock);
}

lg_status
lg_sock_accept(lg_sock *listener, lg_time deadline, lg_sock **ret_sock)
{
    return listener->ops->accept(listener, deadline, ret_sock);
}

void
lg_sock_close(lg_sock *s)
{
    if (s)
        s->ops->close(s);
}

lg_status
lg_sock_read(lg_sock *s, void *buf, size_t n, lg_time deadline, size_t *ret_n)
{
    LG_ASSERT(n > 0);
    *ret_n = 0;
    return s->ops->read(s, buf, n, deadline, ret_n);
}

lg_status
lg_sock_write_all(lg_sock *s, const void *buf, size_t n, lg_time deadline)
{
    return s->ops->write_all(s, buf, n, deadline);
}

void
lg_sock_on_readable(lg_sock *s, void (*fn)(void *arg), void *arg)
{
    s->ops->on_readable(s, fn, arg);
}

int
lg_sock_fd(const lg_sock *s)
{
    return s->fd;
}

const char *
lg_sock_peer(const lg_sock *s)
{
    return s->peer;
}
