/* Inside net/listener.
 *
 *   listener_config.c   YAML
 *   listener.c          life, accepting, probes, choice of an instance, status
 *   listener_session.c  one client: startup, cancel, relay
 *
 * `fibers` counts the listener's fibers; lg_listener_stop waits for none. A session is freed when
 * its last fiber leaves and nothing is parked on its sockets. */
#ifndef LG_NET_LISTENER_INTERNAL_H
#define LG_NET_LISTENER_INTERNAL_H

#include "list.h"
#include "listener.h"
#include "sock.h"
#include "waitq.h"

typedef struct lg_listener_target {
    lg_listener_instance conf;
    bool up;
    bool ever_up;
    unsigned failed_probes;
    uint32_t connections;
    uint64_t total;
    uint64_t failures;
    uint64_t load;
    char state[24];
} lg_listener_target;

struct lg_listener {
    lg_run *run;
    lg_listener_config cfg;
    lg_log *log;
    unsigned fixed_services; /* of the configuration; the status file's follow */
    lg_list sockets;         /* struct lg_listener_socket */
    lg_list sessions;
    unsigned session_count;
    lg_listener_target targets[LG_LISTENER_MAX_INSTANCES];
    unsigned fibers;
    bool stopping;
    lg_waitq changed; /* stopping, or a fiber left */
};

lg_status lg_listener__spawn(lg_listener *l, const char *name, void (*fn)(void *arg), void *arg);
void lg_listener__fiber_left(lg_listener *l);
/* The best instance that is not in `tried` (bit mask); -1: none. */
int lg_listener__choose(const lg_listener *l, uint64_t among, uint64_t tried);
void lg_listener__mark(lg_listener *l, unsigned target, bool up, const char *why);

/* listener_session.c: takes the socket. */
void lg_listener__session_start(lg_listener *l, lg_sock *client);
void lg_listener__sessions_close(lg_listener *l, int target); /* -1: all */

#endif
