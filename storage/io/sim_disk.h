/* The simulated disk: files by name in the simulator's world, shared by all its nodes. For tests.
 *
 * A write lands some time after it was submitted, sector by sector (512 bytes), in two steps, so
 * that a concurrent read may see half of it; it completes after that. When its node is killed a
 * write in flight may still land later: whole, torn at any sectors, or not at all. What was not
 * synced (lazy writes) survives the death of nodes but not lg_sim_disk_power_loss.
 */
#ifndef LG_STORAGE_SIM_DISK_H
#define LG_STORAGE_SIM_DISK_H

#include "run.h"

/* Makes the file at once, zero-filled. LG_EXISTS when it is there. */
LG_MUST lg_status lg_sim_disk_create(lg_sim *s, const char *name, uint64_t size_bytes);
/* Nothing completes on the disk before `until`. */
void lg_sim_disk_stall(lg_sim *s, const char *name, lg_time until);
/* Reads and writes fail with LG_IO at these rates. */
void lg_sim_disk_set_errors(lg_sim *s, const char *name, uint32_t reads_per_million,
                            uint32_t writes_per_million);
/* From now on the disk has (or has not) persistent reservations. */
void lg_sim_disk_set_pr(lg_sim *s, const char *name, bool supported);
/* It says yes to preemptions and does not do them, `times` times. */
void lg_sim_disk_set_pr_deaf(lg_sim *s, const char *name, unsigned times);
/* One request of `node`, the next to land, does not come back: its completion is lost, or the
 * request itself, which never lands then. It stays in flight until the node dies. */
typedef enum lg_sim_lose {
    LG_SIM_LOSE_NOTHING, /* takes it back */
    LG_SIM_LOSE_COMPLETION,
    LG_SIM_LOSE_REQUEST
} lg_sim_lose;
void lg_sim_disk_lose(lg_sim *s, const char *name, uint32_t node, lg_sim_lose what);
/* Nobody of `node` reaches the disk any more until allowed again (a cut cable): I/O errors. */
void lg_sim_disk_detach(lg_sim *s, const char *name, uint32_t node, bool detached);
/* The disk loses power: each sector not made durable keeps its new or gets back its old content,
 * at random; writes in flight are torn and their nodes get LG_IO. */
void lg_sim_disk_power_loss(lg_sim *s, const char *name);
/* Writes of a dead process of `node` are still on their way (its locks on the disk have not
 * fallen).
 */
bool lg_sim_disk_dying(lg_sim *s, const char *name, uint32_t node);
/* Bypasses latency, errors and gates: for checkers. */
void lg_sim_disk_peek(lg_sim *s, const char *name, uint64_t offset, void *buf, size_t len);
void lg_sim_disk_poke(lg_sim *s, const char *name, uint64_t offset, const void *buf, size_t len);
/* The same, but only what a power loss now could not take back. */
void lg_sim_disk_peek_durable(lg_sim *s, const char *name, uint64_t offset, void *buf, size_t len);
/* fn hears of every write from one buffer, when it is submitted; NULL: nobody. */
typedef struct lg_sim_write {
    const char *name;
    uint32_t node;
    uint64_t offset;
    const void *data;
    size_t len;
} lg_sim_write;
void lg_sim_disk_watch(lg_sim *s, void (*fn)(void *arg, const lg_sim_write *w), void *arg);
/* Speed: latencies are multiplied by this (100 = as made). */
void lg_sim_disk_set_slowness(lg_sim *s, const char *name, uint32_t percent);

#endif
