/* The two kinds of sockets behind sock.h. */
#ifndef LG_RUN_SOCK_INTERNAL_H
#define LG_RUN_SOCK_INTERNAL_H

#include "sock.h"

struct lg_sock_ops {
    lg_status (*accept)(lg_sock *listener, lg_time deadline, lg_sock **ret_sock);
    void (*close)(lg_sock *s);
    lg_status (*read)(lg_sock *s, void *buf, size_t n, lg_time deadline, size_t *ret_n);
    lg_status (*write_all)(lg_sock *s, const void *buf, size_t n, lg_time deadline);
    void (*on_readable)(lg_sock *s, void (*fn)(void *arg), void *arg);
};

struct lg_sock {
    const struct lg_sock_ops *ops;
    lg_run *run;
    int fd; /* -1 in simulation */
    char peer[64];
};

lg_status lg_sock__real_listen(lg_run *r, const char *address, int backlog, lg_sock **ret_sock);
lg_status lg_sock__real_connect(lg_run *r, const char *address, lg_time deadline,
                                lg_sock **ret_sock);
lg_status lg_sock__sim_listen(lg_run *r, const char *address, lg_sock **ret_sock);
lg_status lg_sock__sim_connect(lg_run *r, const char *address, lg_time deadline,
                               lg_sock **ret_sock);

#endif
