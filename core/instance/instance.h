/* Instance: the composition root. Makes every module's object of one instance, wires the five
 * upward calls, starts and stops them in order. N instances fit in one process (the simulator).
 *
 * START (instance.c: lg_instance_run reads top to bottom)
 *   volume -> agent: HELLO, WELCOME (incarnation) -> interconnect, directory, enqueues, buffer
 * cache
 *   -> READY -> a view with us in it -> reconfiguration (in a cold start it recovers all threads)
 *   -> own redo thread -> undo and transactions (own unfinished ones rolled back in the background)
 *   -> catalog, views -> sessions: OPEN
 * An instance without an agent takes the same way with a view of its own making: {itself}.
 *
 * STOP     drain sessions -> checkpoint -> thread CLEAN -> LEAVE -> down. Anything that forbids
 * going on (fenced, redo thread broken, agent lost past the lease) ends the process at once: the
 * others recover.
 *
 * FENCING  the write gate asks the lease: LG_FENCED from the moment it has run out (invariant 6).
 */
#ifndef LG_INSTANCE_INSTANCE_H
#define LG_INSTANCE_INSTANCE_H

#include "config.h"
#include "log.h"
#include "run.h"
#include "status.h"

typedef struct lg_instance lg_instance;

#define LG_INSTANCE_MAX_DISKS    32
#define LG_INSTANCE_MAX          15
#define LG_INSTANCE_MAX_SETTINGS 24

typedef struct lg_instance_config {
    uint32_t node; /* 1..15: also the undo segment, and one more than the redo thread's slot */
    char name[64];
    char listen[256];
    char transport[16];
    char interconnect[96]; /* address of the interconnect, port 0: any */
    char agent[128];       /* "unix:/path"; empty: alone */
    char cluster_key[128]; /* file; empty: alone */
    char archive_dir[256]; /* empty: no archiving */
    char temp_dir[256];    /* local, for temporary files; empty: none */
    uint32_t disk_count;
    char disks[LG_INSTANCE_MAX_DISKS][256];
    uint64_t cache_bytes;
    uint64_t column_cache_bytes; /* core/columns; 0: none */
    uint64_t memory_limit_bytes; /* of sessions and their statements, beside the caches; 0: none */
    uint64_t undo_retention_ms;
    uint64_t disk_timeout_ms; /* a request to a disk that takes longer ends the instance */
    uint32_t max_sessions;
    int32_t worker_nice; /* added to the worker's nice value, where the system allows it */
    bool trust_unix;
    /* Of sessions, and of the log: settings.def's names and values, found good. */
    uint32_t setting_count;
    struct {
        char name[48], value[208];
    } settings[LG_INSTANCE_MAX_SETTINGS];
} lg_instance_config;

/* Fills ret with defaults and the document's values. On failure ret_message says what is wrong. */
LG_MUST lg_status lg_instance_config_read(const lg_config *c, lg_instance_config *ret,
                                          char *ret_message, size_t message_size);

/* The value of a setting in it; NULL: it says nothing of it. */
const char *lg_instance_config_setting(const lg_instance_config *cfg, const char *name);

typedef struct lg_instance_env {
    lg_run *run;
    lg_log *log;
    lg_stats *stats;
    /* The instance cannot go on: the process must end now (the simulator kills the node). */
    void (*die)(void *arg, lg_status why);
    void *arg;
} lg_instance_env;

/* Starts and runs until stopped. Blocks the calling fiber. LG_OK after a clean stop; an error when
 * it could not start (logged). *ret_instance is set while it runs, for lg_instance_stop; NULL
 * afterwards. */
LG_MUST lg_status lg_instance_run(const lg_instance_env *env, const lg_instance_config *cfg,
                                  lg_instance **ret_instance);
/* Asks a running instance to stop: drains for so long. From its own worker. */
void lg_instance_stop(lg_instance *in, uint64_t drain_ms); /* NULL is fine */

typedef struct lg_instance_create_config {
    lg_instance_config instance; /* node, disks */
    uint32_t instances;          /* redo areas and undo segments to make */
    uint32_t block_bytes;
    uint64_t log_file_bytes;
    const char *database;
    const char *user;
    const char *password;
    bool force;
} lg_instance_create_config;

/* Creates volume and database. Nobody else uses the disks. Blocks the fiber. */
LG_MUST lg_status lg_instance_create_database(const lg_instance_env *env,
                                              const lg_instance_create_config *cfg);

#endif
