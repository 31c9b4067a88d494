/* Stream sockets for fibers: TCP and unix when real (io_uring), pairs of buffers in simulation
 * (addresses "sim:<node>:<port>"). One reader and one writer fiber at a time per socket. */
#ifndef LG_RUN_SOCK_H
#define LG_RUN_SOCK_H

#include "run.h"

typedef struct lg_sock lg_sock;

/* address: "127.0.0.1:5440", "[::1]:5440", "unix:/path" or "sim:1:5440". */
LG_MUST lg_status lg_sock_listen(lg_run *r, const char *address, int backlog, lg_sock **ret_sock);
/* While the address is in use (LG_EXISTS) it is tried again until the deadline: the kernel keeps
 * the listening socket of a process that was killed until its ring is torn down, which is after its
 * parent has heard of its end. Blocks the fiber. */
LG_MUST lg_status lg_sock_listen_wait(lg_run *r, const char *address, int backlog, lg_time deadline,
                                      lg_sock **ret_sock);
LG_MUST lg_status lg_sock_accept(lg_sock *listener, lg_time deadline, lg_sock **ret_sock);
LG_MUST lg_status lg_sock_connect(lg_run *r, const char *address, lg_time deadline,
                                  lg_sock **ret_sock);
void lg_sock_close(lg_sock *s); /* wakes its waiters with LG_CLOSED */
/* Blocks the fiber until at least one byte came; *ret_n = 0 and LG_CLOSED at end of stream.
 * Cancelable. */
LG_MUST lg_status lg_sock_read(lg_sock *s, void *buf, size_t n, lg_time deadline, size_t *ret_n);
LG_MUST lg_status lg_sock_write_all(lg_sock *s, const void *buf, size_t n, lg_time deadline);
/* One-shot: fn runs on the native stack when the socket has data or ended: an idle session parks
 * here without a fiber. Not while a read is in progress. */
void lg_sock_on_readable(lg_sock *s, void (*fn)(void *arg), void *arg);
int lg_sock_fd(const lg_sock *s); /* -1 in simulation */
const char *lg_sock_peer(const lg_sock *s);

#endif
