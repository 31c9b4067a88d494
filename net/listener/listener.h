/* Listener: the one address clients know. Sends each new connection to the least loaded open
 * instance of its service, relays bytes, routes cancel requests, detects death.
 *
 * MODEL
 * A client's startup packet names a database; a service of that name restricts the choice of
 * instances (and may stand for another database), else all instances serve it. The listener asks
 * instances in order of load: one that refuses, does not answer, or says 57P03 (not open) is passed
 * over at once for the next. From then on it only moves bytes.
 *
 * Instances are probed (connection and SSLRequest) every probe_ms; one that fails `probe_failures`
 * times, or refuses a connection, is DOWN: no new connections go there, and when it stopped
 * answering without closing them, its clients' connections are closed. A status file (written by
 * the agent) may say more: state and load of each instance.
 *
 * Cancel requests carry a process id whose top bits are the instance's number:
 * pid = instance << 20 | session.
 *
 * Runs on one worker, also in simulation. An idle connection holds no fiber and no buffer. */
#ifndef LG_NET_LISTENER_H
#define LG_NET_LISTENER_H

#include "log.h"
#include "run.h"
#include "status.h"
#include <stddef.h>
#include <stdint.h>

typedef struct lg_listener lg_listener;

#define LG_LISTENER_MAX_ADDRESSES 8
#define LG_LISTENER_MAX_INSTANCES 64
#define LG_LISTENER_MAX_SERVICES  64
#define LG_CANCEL_INSTANCE_SHIFT  20

typedef struct lg_listener_instance {
    uint32_t id;
    char address[108];
} lg_listener_instance;

typedef struct lg_listener_service {
    char name[64];
    char database[64];  /* what the instances are asked for; "" = the service's name */
    uint64_t instances; /* bit i: the i-th of config.instances; 0 = all */
} lg_listener_service;

typedef struct lg_listener_config {
    char listen[LG_LISTENER_MAX_ADDRESSES][108];
    unsigned listen_count;
    lg_listener_instance instances[LG_LISTENER_MAX_INSTANCES];
    unsigned instance_count;
    lg_listener_service services[LG_LISTENER_MAX_SERVICES];
    unsigned service_count;
    char status_listen[108];   /* "": none. Who connects gets the state as JSON. */
    char status_file[256];     /* "": none. Read every probe_ms; see README.md */
    uint64_t probe_ms;         /* 1000 */
    uint64_t probe_timeout_ms; /* 2000 */
    uint64_t probe_failures;   /* 2 */
    uint64_t startup_ms;       /* 30000: a client must have sent its startup packet */
    uint64_t connect_ms;       /* 2000: one instance must have accepted */
    unsigned max_connections;  /* 10000 */
} lg_listener_config;

/* Defaults filled in, lists empty. */
void lg_listener_config_init(lg_listener_config *ret_cfg);
/* From YAML text (see README.md). LG_CONFIG with a message naming the key. */
LG_MUST lg_status lg_listener_config_parse(const char *text, size_t len,
                                           lg_listener_config *ret_cfg, char *ret_message,
                                           size_t message_size);

/* cfg is copied. log may be NULL. Blocks the fiber shortly (listening). On failure ret_message says
 * which address could not be used. */
LG_MUST lg_status lg_listener_start(lg_run *run, const lg_listener_config *cfg, lg_log *log,
                                    lg_listener **ret_listener);
/* Closes everything, waits until the listener's fibers are gone, frees it. Blocks the fiber. */
void lg_listener_stop(lg_listener *l);

typedef struct lg_listener_instance_info {
    uint32_t id;
    bool up;
    uint32_t connections; /* now */
    uint64_t total;       /* ever */
    uint64_t failures;    /* attempts that went on to another instance */
    uint64_t load;        /* from the status file */
    char state[24];       /* from the status file; "" unknown */
} lg_listener_instance_info;

unsigned lg_listener_info(const lg_listener *l, lg_listener_instance_info *ret_infos, unsigned max);

#endif
