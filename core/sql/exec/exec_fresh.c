/* Statements that need not ask the other instances how far they have committed. */
#include "exec_internal.h"

/* One row by a unique key, claimed before it is read (claim_row in exec_scan.c, whose condition for
 * a row that is alone this repeats): when the row's newest change is not in the snapshot, reading goes
 * on under a newer one. */
static bool
claims_one_row(const lg_plan *plan)
{
    const lg_node *p = plan->root, *scan = p->left;
    return (p->modify.cmd == LG_CMD_UPDATE || p->modify.cmd == LG_CMD_DELETE) &&
           !p->modify.restart && scan && scan->kind == LG_NODE_INDEX_SCAN && scan->scan.unique &&
           scan->scan.index->nexprs == 0 && scan->scan.rel == p->modify.target.rel && !scan->quals;
}

/* One row by a unique key: if its block is here and the snapshot sees the row's newest version, then
 * no newer one was committed anywhere; if not, the scan asks (newest_row in exec_scan.c). */
static bool
reads_one_row(const lg_plan *plan)
{
    const lg_node *p = plan->root;
    return plan->cmd == LG_CMD_SELECT && p->kind == LG_NODE_INDEX_SCAN && p->scan.unique &&
           !p->scan.index_only;
}

static bool
inserts_values(const lg_plan *plan)
{
    const lg_node *p = plan->root, *from = p->left;
    return p->modify.cmd == LG_CMD_INSERT && !p->modify.on_conflict && from && !from->left &&
           (from->kind == LG_NODE_RESULT || from->kind == LG_NODE_VALUES);
}

bool
lg_exec_reads_newest(const lg_plan *plan)
{
    bool stored = false;
    for (uint32_t i = 0; i < plan->nrelations; i++)
        stored |= plan->relations[i].rel->virtual_rel == NULL;
    if (!stored)
        return true;
    if (plan->nsubplans || plan->nctes)
        return false;
    if (plan->root->kind != LG_NODE_MODIFY)
        return reads_one_row(plan);
    return claims_one_row(plan) || inserts_values(plan);
}
