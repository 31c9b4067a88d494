/* Names, SQLSTATEs and texts of the statuses in status.def. */
#include "status.h"
#include <stddef.h>

struct status_row {
    int value;
    const char *name;
    const char *sqlstate;
    const char *text;
};

#define LG_STATUS(name, value, sqlstate, text) {value, #name, sqlstate, text},
static const struct status_row rows[] = {
#include "status.def"
};
#undef LG_STATUS

static const struct status_row *
find(lg_status st)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].value == (int)st)
            return &rows[i];
    return NULL;
}

const char *
lg_status_name(lg_status st)
{
    const struct status_row *r = find(st);
    return r ? r->name : "UNKNOWN";
}

const char *
lg_status_sqlstate(lg_status st)
{
    const struct status_row *r = find(st);
    return r ? r->sqlstate : "XX000";
}

const char *
lg_status_text(lg_status st)
{
    const struct status_row *r = find(st);
    return r ? r->text : "unknown status";
}
