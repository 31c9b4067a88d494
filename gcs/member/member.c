/* Membership: liveness, the next view, disk Paxos. See member.h. */
#include "member.h"
#include "assert.h"
#include "hash.h"
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MAGIC   0x4c47564fu /* "LGVO" */
#define VERSION 2
#define MARK_PATIENCE_NS                                                                           \
    300000000ull /* an unfinished proposal of another is finished by us after */

/* ---- slots ---- */

static uint32_t
slot_crc(const lg_vote_slot *s)
{
    size_t from = offsetof(lg_vote_slot, version);
    return lg_crc32c(0, (const char *)s + from, sizeof *s - from);
}

void
lg_vote_seal(lg_vote_slot *s)
{
    s->magic = MAGIC;
    s->version = VERSION;
    s->crc = slot_crc(s);
}

bool
lg_vote_valid(const lg_vote_slot *s, uint32_t node)
{
    return s->magic == MAGIC && s->version == VERSION && s->node == node && s->crc == slot_crc(s);
}

void
lg_member_init(lg_member *m, const lg_member_config *cfg, const lg_vote_slot *own, uint64_t boot)
{
    LG_ASSERT(cfg->node > 0 && cfg->node < LG_MEMBER_NODES && cfg->dead_ns > cfg->lease_ns);
    memset(m, 0, sizeof *m);
    m->cfg = *cfg;
    if (own)
        m->mine = *own;
    m->mine.node = cfg->node;
    m->mine.boot = boot;
    m->view = m->mine.decided;
    m->highest_ballot = m->mine.mbal;
}

const lg_vote_slot *
lg_member_next_slot(lg_member *m)
{
    m->mine.seq++;
    lg_vote_seal(&m->mine);
    return &m->mine;
}

static bool
has(uint32_t mask, uint32_t node)
{
    return (mask >> node & 1) != 0;
}

bool
lg_member_alive(const lg_member *m, uint32_t node, uint64_t now)
{
    if (node == m->cfg.node)
        return true;
    return m->changed_at[node] != 0 && now - m->changed_at[node] < m->cfg.dead_ns;
}

/* ---- the next view ---- */

static const lg_vote_slot *
slot_of(const lg_member *m, uint32_t node)
{
    return node == m->cfg.node ? &m->mine : &m->seen.slot[node];
}

enum verdict { STAYS, ENDED, LEFT, SILENT, KEY_OUT };

/* Some member has thrown the key of the condemned node out on every device. */
static bool
key_is_out(const lg_member *m, uint32_t node)
{
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = slot_of(m, n);
        if (has(m->view.condemned, node) && s->fence_epoch == m->view.epoch && has(s->fenced, node))
            return true;
    }
    return false;
}

/* Silent for so long that it is condemned, where it can be fenced without waiting. */
static bool
fails(const lg_member *m, uint32_t node, uint64_t now)
{
    return node != m->cfg.node && slot_of(m, node)->reservations && m->changed_at[node] &&
           now - m->changed_at[node] >= m->cfg.lease_ns / 2;
}

static enum verdict
judge(const lg_member *m, uint32_t node, uint64_t incarnation, uint64_t now)
{
    const lg_vote_slot *s = slot_of(m, node);
    if (s->incarnation > incarnation)
        return ENDED; /* a later life began only after the end of this one was confirmed */
    if (s->incarnation == incarnation && s->instance == LG_MEMBER_LEFT)
        return LEFT;
    if (s->incarnation == incarnation && s->instance == LG_MEMBER_DEAD)
        return ENDED;
    if (key_is_out(m, node))
        return KEY_OUT;
    if (m->condemned_at[node] != 0 && now - m->condemned_at[node] >= m->cfg.dead_ns)
        return SILENT; /* M6 */
    return lg_member_alive(m, node, now) ? STAYS : SILENT;
}

/* Every member lives and has completed the view (M4). */
static bool
settled(const lg_member *m, uint64_t now)
{
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        if (!has(m->view.members, n))
            continue;
        const lg_vote_slot *s = slot_of(m, n);
        if (judge(m, n, m->view.incarnation[n], now) != STAYS || s->done_epoch < m->view.epoch)
            return false;
    }
    return m->view.condemned == 0;
}

/* ---- links ---- */

/* The agents of a and b hear each other. */
static bool
hear_each_other(const lg_member *m, uint32_t a, uint32_t b)
{
    return m->cfg.link_ns == 0 || (has(slot_of(m, a)->heard, b) && has(slot_of(m, b)->heard, a));
}

static bool
member_now(const lg_member *m, uint32_t node)
{
    return has(m->view.members, node) && slot_of(m, node)->incarnation == m->view.incarnation[node];
}

static bool
apart_now(const lg_member *m, uint32_t a, uint32_t b)
{
    return !hear_each_other(m, a, b) || has(slot_of(m, a)->link_lost, b) ||
           has(slot_of(m, b)->link_lost, a);
}

static void
look_at_links(lg_member *m, uint64_t now)
{
    for (uint32_t a = 1; a < LG_MEMBER_NODES && m->cfg.link_ns; a++)
        for (uint32_t b = a + 1; b < LG_MEMBER_NODES; b++) {
            if (!member_now(m, a) || !member_now(m, b) || !apart_now(m, a, b))
                m->apart_since[a][b] = 0;
            else if (m->apart_since[a][b] == 0)
                m->apart_since[a][b] = now;
        }
}

/* No two of the set are apart for good. */
static bool
connected(const lg_member *m, uint32_t set, uint64_t now)
{
    for (uint32_t a = 1; a < LG_MEMBER_NODES; a++)
        for (uint32_t b = a + 1; has(set, a) && b < LG_MEMBER_NODES; b++)
            if (has(set, b) && m->apart_since[a][b] && now - m->apart_since[a][b] >= m->cfg.link_ns)
                return false;
    return true;
}

/* Is x to stay rather than y, both connected? The larger; else the one with the lowest node in
 * which they differ. */
static bool
rather(uint32_t x, uint32_t y)
{
    int nx = __builtin_popcount(x), ny = __builtin_popcount(y);
    uint32_t differ = x ^ y;
    return nx != ny ? nx > ny : (x & differ & (~differ + 1)) != 0;
}

/* The members that stay: at most 2^15 sets, and only when some are apart for good. */
static uint32_t
largest_connected(const lg_member *m, uint32_t members, uint64_t now)
{
    uint32_t best = 0;
    if (connected(m, members, now))
        return members;
    for (uint32_t set = members; set; set = (set - 1) & members)
        if (rather(set, best) && connected(m, set, now))
            best = set;
    return best;
}

/* Some pair has lost messages in this epoch and is together again, and no other is apart. */
static bool
wants_new_epoch(const lg_member *m)
{
    bool broken = false;
    for (uint32_t a = 1; a < LG_MEMBER_NODES && m->cfg.link_ns; a++) {
        if (!member_now(m, a))
            continue;
        const lg_vote_slot *s = slot_of(m, a);
        broken |= s->link_epoch == m->view.epoch && (s->link_broken & m->view.members) != 0;
        for (uint32_t b = a + 1; b < LG_MEMBER_NODES; b++)
            if (member_now(m, b) && apart_now(m, a, b))
                return false;
    }
    return broken;
}

static void
remove_member(lg_member_view *v, uint32_t node, bool victim)
{
    v->members &= ~(1u << node);
    v->condemned &= ~(1u << node);
    v->address[node][0] = 0;
    if (victim)
        v->victims |= 1u << node;
    else
        v->incarnation[node] = 0;
}

static void
choose_cold(const lg_member *m, uint64_t now, lg_member_view *v)
{
    const lg_vote_slot *owner = v->cold_node ? slot_of(m, v->cold_node) : NULL;
    if (owner && owner->incarnation == v->cold_incarnation &&
        lg_member_alive(m, v->cold_node, now) &&
        (owner->instance == LG_MEMBER_STARTING || owner->instance == LG_MEMBER_READY))
        return;
    v->cold_node = 0;
    v->cold_incarnation = 0;
    for (uint32_t n = 1; n < LG_MEMBER_NODES && !v->cold_node; n++) {
        const lg_vote_slot *s = slot_of(m, n);
        if (s->seq && lg_member_alive(m, n, now) && s->instance == LG_MEMBER_STARTING) {
            v->cold_node = n;
            v->cold_incarnation = s->incarnation;
        }
    }
}

/* Members that do not hear it, or are not heard by it. */
static uint32_t
unheard_by(const lg_member *m, uint32_t node, uint32_t members)
{
    uint32_t mask = 0;
    for (uint32_t k = 1; k < LG_MEMBER_NODES; k++)
        if (k != node && has(members, k) && !hear_each_other(m, k, node))
            mask |= 1u << k;
    return mask;
}

static void
add_ready(const lg_member *m, uint64_t now, lg_member_view *v)
{
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = slot_of(m, n);
        if (has(v->members | v->victims, n) || s->instance != LG_MEMBER_READY ||
            !lg_member_alive(m, n, now) || unheard_by(m, n, v->members))
            continue;
        if (m->view.members == 0 &&
            (n != m->view.cold_node || s->incarnation != m->view.cold_incarnation))
            continue; /* M5 */
        v->members |= 1u << n;
        v->incarnation[n] = s->incarnation;
        memcpy(v->address[n], s->address, LG_MEMBER_ADDRESS);
    }
    if (v->members)
        v->cold_node = 0, v->cold_incarnation = 0;
}

/* The view that should follow the newest one. Victims stay victims until their recovery is done. */
static bool
next_view(const lg_member *m, uint64_t now, lg_member_view *ret, bool *ret_mine)
{
    lg_member_view v = m->view;
    bool mine = false, stable = settled(m, now);
    v.epoch++;
    if (stable) {
        for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
            if (has(v.victims, n) && !has(v.members, n))
                v.incarnation[n] = 0;
        v.victims = 0;
        v.by_lease = 0;
        v.by_key = 0;
    }
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        if (!has(v.members, n))
            continue;
        enum verdict j = judge(m, n, v.incarnation[n], now);
        if (j == STAYS)
            continue;
        remove_member(&v, n, j != LEFT);
        v.by_lease |= j == SILENT;
        v.by_key |= j == KEY_OUT;
        mine |= n == m->cfg.node;
    }
    bool new_epoch = false;
    if (v.condemned == 0) {
        v.condemned = v.members & ~largest_connected(m, v.members, now);
        for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
            if (has(v.members, n) && fails(m, n, now))
                v.condemned |= 1u << n;
        new_epoch = wants_new_epoch(m);
    }
    if (v.members == m->view.members && stable && !v.condemned)
        add_ready(m, now, &v);
    if (v.members == 0)
        choose_cold(m, now, &v);
    bool changed = v.members != m->view.members || v.cold_node != m->view.cold_node ||
                   v.cold_incarnation != m->view.cold_incarnation ||
                   v.condemned != m->view.condemned || new_epoch;
    mine |= new_epoch && m->mine.link_epoch == m->view.epoch && m->mine.link_broken;
    mine |=
        has(v.members & ~m->view.members, m->cfg.node) || (changed && v.cold_node == m->cfg.node);
    *ret = v;
    *ret_mine = mine;
    return changed;
}

bool
lg_member_wants(const lg_member *m, uint64_t now, bool *mine_ret)
{
    lg_member_view v;
    if (m->phase != LG_MEMBER_IDLE)
        return false;
    if (next_view(m, now, &v, mine_ret))
        return true;
    *mine_ret = false;
    return m->mark_since != 0 && now - m->mark_since > MARK_PATIENCE_NS;
}

/* ---- Paxos ---- */

void
lg_member_begin(lg_member *m)
{
    LG_ASSERT(m->phase == LG_MEMBER_IDLE);
    uint64_t epoch = m->view.epoch + 1;
    if (m->mine.prop_epoch != epoch) {
        LG_ASSERT(m->mine.prop_epoch < epoch);
        m->mine.prop_epoch = epoch;
        m->mine.bal = 0;
        memset(&m->mine.value, 0, sizeof m->mine.value);
    }
    m->mine.mbal = (m->highest_ballot / LG_MEMBER_NODES + 1) * LG_MEMBER_NODES + m->cfg.node;
    m->highest_ballot = m->mine.mbal;
    m->phase = LG_MEMBER_PHASE1;
}

void
lg_member_abandon(lg_member *m)
{
    m->phase = LG_MEMBER_IDLE;
}

static bool
learn(lg_member *m, const lg_member_view *v)
{
    if (v->epoch <= m->view.epoch)
        return false;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (!has(v->condemned, n) || v->incarnation[n] != m->view.incarnation[n])
            m->condemned_at[n] = 0;
    m->view = *v;
    m->mine.decided = *v;
    m->phase = LG_MEMBER_IDLE;
    m->mark_since = 0;
    return true;
}

/* Phase 1 is over without a rival: the value accepted with the highest ballot, else our own wish.
 */
static void
enter_phase2(lg_member *m, const lg_vote_scan *scan, uint64_t now)
{
    uint64_t best = m->mine.bal;
    const lg_member_view *value = best ? &m->mine.value : NULL;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = &scan->slot[n];
        if (n != m->cfg.node && s->prop_epoch == m->mine.prop_epoch && s->bal > best) {
            best = s->bal;
            value = &s->value;
        }
    }
    bool mine;
    if (value)
        m->proposal = *value;
    else
        (void)next_view(m, now, &m->proposal,
                        &mine); /* unchanged is fine: it ends the stale mark */
    m->mine.value = m->proposal;
    m->mine.bal = m->mine.mbal;
    m->phase = LG_MEMBER_PHASE2;
}

static bool
rival(lg_member *m, const lg_vote_scan *scan)
{
    bool found = false;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = &scan->slot[n];
        if (n == m->cfg.node || s->prop_epoch != m->mine.prop_epoch)
            continue;
        if (s->mbal > m->highest_ballot)
            m->highest_ballot = s->mbal;
        found |= s->mbal > m->mine.mbal;
    }
    return found;
}

static void
look_for_marks(lg_member *m, uint64_t now)
{
    bool mark = m->mine.prop_epoch > m->view.epoch && m->phase == LG_MEMBER_IDLE;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        mark |= n != m->cfg.node && m->seen.slot[n].prop_epoch > m->view.epoch;
    if (!mark)
        m->mark_since = 0;
    else if (m->mark_since == 0)
        m->mark_since = now;
}

bool
lg_member_scan(lg_member *m, const lg_vote_scan *scan, uint64_t now)
{
    bool learned = false;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        const lg_vote_slot *s = &scan->slot[n];
        if (n == m->cfg.node || s->seq <= m->seen.slot[n].seq)
            continue;
        m->seen.slot[n] = *s;
        m->changed_at[n] = now;
        learned |= learn(m, &s->decided);
    }
    if (!learned && m->phase != LG_MEMBER_IDLE) {
        if (rival(m, &m->seen)) {
            lg_member_abandon(m);
        } else if (m->phase == LG_MEMBER_PHASE1) {
            enter_phase2(m, &m->seen, now);
        } else {
            lg_member_view decided = m->proposal;
            learned = learn(m, &decided);
        }
    }
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (has(m->view.condemned, n) && m->condemned_at[n] == 0)
            m->condemned_at[n] = now;
    look_at_links(m, now);
    look_for_marks(m, now);
    return learned;
}

/* ---- what follows from the view ---- */

bool
lg_member_in_view(const lg_member *m)
{
    return has(m->view.members, m->cfg.node) &&
           m->view.incarnation[m->cfg.node] == m->mine.incarnation &&
           m->mine.instance == LG_MEMBER_READY;
}

bool
lg_member_condemned(const lg_member *m)
{
    return lg_member_in_view(m) && has(m->view.condemned, m->cfg.node);
}

uint32_t
lg_member_unheard(const lg_member *m)
{
    return unheard_by(m, m->cfg.node, m->view.members);
}

bool
lg_member_cold_starter(const lg_member *m)
{
    return m->view.members == 0 && m->view.cold_node == m->cfg.node &&
           m->view.cold_incarnation == m->mine.incarnation &&
           (m->mine.instance == LG_MEMBER_STARTING || m->mine.instance == LG_MEMBER_READY);
}

uint64_t
lg_member_lease_until(const lg_member *m, uint64_t began)
{
    if ((!lg_member_in_view(m) && !lg_member_cold_starter(m)) || lg_member_condemned(m))
        return 0;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (n != m->cfg.node && m->seen.slot[n].prop_epoch > m->view.epoch)
            return 0; /* M2 */
    return began + m->cfg.lease_ns;
}

bool
lg_member_may_welcome(const lg_member *m, uint64_t now, bool *ret_cold)
{
    *ret_cold = false;
    if (m->mine.instance != LG_MEMBER_STARTING)
        return false;
    if (m->view.members == 0) {
        *ret_cold = true;
        return lg_member_cold_starter(m);
    }
    return !has(m->view.members, m->cfg.node) && settled(m, now);
}

lg_member_service *
lg_member_service_find(lg_member *m, const char *name)
{
    lg_member_service *unused = NULL;
    for (unsigned i = 0; i < LG_MEMBER_SERVICES; i++) {
        lg_member_service *s = &m->mine.services[i];
        if (s->version && !strncmp(s->name, name, sizeof s->name))
            return s;
        if (!s->version && !unused)
            unused = s;
    }
    return unused;
}

bool
lg_member_merge_services(lg_member *m)
{
    bool changed = false;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        for (unsigned i = 0; n != m->cfg.node && i < LG_MEMBER_SERVICES; i++) {
            const lg_member_service *theirs = &m->seen.slot[n].services[i];
            lg_member_service *s = theirs->version ? lg_member_service_find(m, theirs->name) : NULL;
            if (!s || !(theirs->version > s->version ||
                        (theirs->version == s->version && n < m->cfg.node &&
                         memcmp(theirs, s, sizeof *s) != 0)))
                continue;
            *s = *theirs;
            changed = true;
        }
    }
    return changed;
}

uint32_t
lg_member_known(const lg_member *m)
{
    uint32_t known = 1u << m->cfg.node;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++)
        if (m->seen.slot[n].seq)
            known |= 1u << n;
    return known;
}

void
lg_member_agent_view(const lg_member_view *v, lg_agent_view *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->epoch = v->epoch;
    for (uint32_t n = 1; n < LG_MEMBER_NODES; n++) {
        if (has(v->members, n)) {
            lg_agent_member *a = &ret->members[ret->member_count++];
            a->node = n;
            a->incarnation = v->incarnation[n];
            snprintf(a->address, sizeof a->address, "%.*s", LG_MEMBER_ADDRESS - 1, v->address[n]);
        } else if (has(v->victims, n)) {
            lg_agent_member *a = &ret->victims[ret->victim_count++];
            a->node = n;
            a->incarnation = v->incarnation[n];
        }
    }
    if (v->victims)
        snprintf(ret->fence, sizeof ret->fence, "%s",
                 v->by_lease ? "lease"
                 : v->by_key ? "reservation"
                             : "exit");
}
