/* Fault points: named places where a test (or SQL) can make something go wrong.
 *
 *     LG_TRY(LG_FAULT(io->faults, "io_write"));
 *
 * A set (lg_faults) belongs to one instance. An armed point fires after `skip` passes, `count`
 * times, with an action: return a status, pause until released, delay, or kill the process
 * (simulated instances: the kill hook). An unarmed set costs one load and a branch.
 */
#ifndef LG_BASE_FAULT_H
#define LG_BASE_FAULT_H

#include "status.h"
#include <stdint.h>

typedef struct lg_faults lg_faults;

typedef enum lg_fault_action {
    LG_FAULT_RETURN, /* the point returns .status */
    LG_FAULT_PAUSE,  /* the fiber waits until the point is released or disarmed */
    LG_FAULT_DELAY,  /* the fiber sleeps .delay_ms */
    LG_FAULT_KILL,   /* the instance dies as by SIGKILL */
} lg_fault_action;

typedef struct lg_fault_spec {
    lg_fault_action action;
    lg_status status;
    uint64_t delay_ms;
    uint64_t skip;
    uint64_t count; /* 0 = for ever */
} lg_fault_spec;

/* What pausing, delaying and killing mean is given by the runtime (lg_run_fault_hooks gives pause
 * and delay; core/instance adds kill). pause() returns once lg_faults_pausing() is false. */
typedef struct lg_fault_hooks {
    void *arg;
    void (*pause)(void *arg, const char *name);
    void (*delay)(void *arg, uint64_t delay_ms);
    void (*kill)(void *arg);
} lg_fault_hooks;

lg_faults *lg_faults_create(void);
void lg_faults_destroy(lg_faults *f);
void lg_faults_set_hooks(lg_faults *f, const lg_fault_hooks *hooks);
void lg_faults_arm(lg_faults *f, const char *name, const lg_fault_spec *spec);
void lg_faults_disarm(lg_faults *f, const char *name);
uint64_t lg_faults_hits(const lg_faults *f, const char *name); /* passes since armed */
bool lg_faults_armed(const lg_faults *f);                      /* any point armed? */
bool lg_faults_pausing(const lg_faults *f, const char *name);  /* who paused there stays so */
lg_status lg_faults_pass(lg_faults *f, const char *name);      /* the slow path of LG_FAULT */

#define LG_FAULT(f, name)                                                                          \
    (__builtin_expect((f) && lg_faults_armed(f), 0) ? lg_faults_pass((f), (name)) : LG_OK)

#endif
