/* Fault points by name. */
#include "fault.h"
#include "map.h"
#include "mem.h"
#include <string.h>

struct point {
    lg_fault_spec spec;
    uint64_t hits;
    uint64_t fired;
    bool armed;
};

struct lg_faults {
    lg_strmap *points;
    unsigned armed; /* points that can still fire */
    lg_fault_hooks hooks;
};

lg_faults *
lg_faults_create(void)
{
    lg_faults *f = lg_zalloc(sizeof *f);
    f->points = lg_strmap_create();
    return f;
}

void
lg_faults_destroy(lg_faults *f)
{
    if (!f)
        return;
    size_t pos = 0;
    void *p;
    while (lg_strmap_next(f->points, &pos, NULL, NULL, &p))
        lg_free(p);
    lg_strmap_destroy(f->points);
    lg_free(f);
}

void
lg_faults_set_hooks(lg_faults *f, const lg_fault_hooks *hooks)
{
    f->hooks = *hooks;
}

static struct point *
find(const lg_faults *f, const char *name)
{
    return lg_strmap_get(f->points, name, strlen(name));
}

void
lg_faults_arm(lg_faults *f, const char *name, const lg_fault_spec *spec)
{
    struct point *p = find(f, name);
    if (!p) {
        p = lg_zalloc(sizeof *p);
        (void)lg_strmap_put(f->points, name, strlen(name), p);
    }
    if (!p->armed)
        f->armed++;
    *p = (struct point){.spec = *spec, .armed = true};
}

static void
disarm(lg_faults *f, struct point *p)
{
    if (p->armed) {
        p->armed = false;
        f->armed--;
    }
}

void
lg_faults_disarm(lg_faults *f, const char *name)
{
    struct point *p = find(f, name);
    if (p) {
        disarm(f, p);
        p->spec.action = LG_FAULT_RETURN; /* lets go who is paused in it */
    }
}

uint64_t
lg_faults_hits(const lg_faults *f, const char *name)
{
    struct point *p = find(f, name);
    return p ? p->hits : 0;
}

bool
lg_faults_armed(const lg_faults *f)
{
    return f->armed > 0;
}

bool
lg_faults_pausing(const lg_faults *f, const char *name)
{
    struct point *p = find(f, name);
    return p && p->spec.action == LG_FAULT_PAUSE;
}

lg_status
lg_faults_pass(lg_faults *f, const char *name)
{
    struct point *p = find(f, name);
    if (!p || !p->armed)
        return LG_OK;
    if (p->hits++ < p->spec.skip)
        return LG_OK;
    lg_fault_spec spec = p->spec; /* a hook may yield, and the point may be armed anew meanwhile */
    if (spec.count && ++p->fired >= spec.count)
        disarm(f, p);
    switch (spec.action) {
    case LG_FAULT_RETURN:
        return spec.status;
    case LG_FAULT_PAUSE:
        if (f->hooks.pause)
            f->hooks.pause(f->hooks.arg, name);
        return LG_OK;
    case LG_FAULT_DELAY:
        if (f->hooks.delay)
            f->hooks.delay(f->hooks.arg, spec.delay_ms);
        return LG_OK;
    case LG_FAULT_KILL:
        if (f->hooks.kill)
            f->hooks.kill(f->hooks.arg);
        return LG_OK;
    }
    return LG_OK;
}
