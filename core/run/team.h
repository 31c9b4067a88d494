/* Team: compute threads that help one fiber of a worker.
 *
 * MODEL
 * A worker alone touches what its instance owns (run.h). A team lets other processors compute for it:
 * the fiber that started the team puts items (memory that nobody changes while the team has it),
 * members take them one by one, each into state of its own, and the fiber collects the results when
 * all members have returned. Members are threads, not fibers: they must not use anything of the
 * worker (its heap, arenas, latches, buffer cache, catalog, sessions, clock, random), must not wait but
 * in lg_team_next, and say in their own state what went wrong.
 *
 *   worker:  create -> go -> (put | done)* -> finish -> destroy
 *   member:  (next -> work -> give_back)* -> return, when next says that there is no more
 *
 * Threads are made for a team and end with it: some 20 us each, for work of milliseconds. How many run at
 * once is bounded by the processors (all teams of a run together), so that the worker keeps one.
 * A simulated run has no threads: its one member runs inside lg_team_finish over what is left in the
 * queue, so that a seed replays.
 *
 * LOCKS  one mutex a team, held for a few instructions; the worker never waits for work under it.
 * MEMORY  what members allocate belongs to the process, not to a heap; either side may free it. */
#ifndef LG_RUN_TEAM_H
#define LG_RUN_TEAM_H

#include "run.h"

#define LG_TEAM_MAX   16u
#define LG_TEAM_QUEUE 64u /* items a member may have waiting */

typedef struct lg_team lg_team;
typedef void (*lg_team_fn)(lg_team *t, void *arg, unsigned member);

/* ---- the worker's fiber ---- */

/* Members that a team started now could have: free processors but one; 0: none. */
unsigned lg_team_available(const lg_run *r);
/* For the running fiber, with room for at most n members; NULL when there can be none. */
lg_team *lg_team_create(lg_run *r, unsigned n, lg_team_fn fn, void *arg);
unsigned lg_team_size(const lg_team *t);
void lg_team_go(lg_team *t);    /* starts them: fn(t, arg, 0 .. lg_team_size - 1), or fewer */
bool lg_team_wants(lg_team *t); /* is there room for another item, and anybody to take it? */
/* After lg_team_wants. When a member has stopped the team since, the item is done at once. */
void lg_team_put(lg_team *t, void *item);
void *lg_team_done(lg_team *t); /* an item that a member is through with; NULL: none now */
/* An item that no member has taken, for the worker to do himself; NULL: none. Simulated: only after
 * finish, so that the member gets something. */
void *lg_team_take(lg_team *t);
/* No more items: blocks the fiber until all members have returned. What they left is to be taken. A
 * cancel stops the members and stays pending. */
void lg_team_finish(lg_team *t);
/* Either side: the members should return as soon as they can; what is queued goes to done. */
void lg_team_stop(lg_team *t);
void lg_team_destroy(lg_team *t);      /* after finish; take and done gave NULL */
bool lg_team_inside(const lg_team *t); /* simulated: the member runs in finish */
/* Members that there could be if no other team ran. */
unsigned lg_team_most(const lg_run *r);

/* ---- members ---- */

void *lg_team_next(lg_team *t); /* waits; NULL: there are no more */
void lg_team_give_back(lg_team *t, void *item);
bool lg_team_stopped(const lg_team *t);

#endif
