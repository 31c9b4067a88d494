/* What lagoonctl's files share. */
#ifndef LG_CTL_H
#define LG_CTL_H

#include "agent_proto.h"
#include <stdbool.h>

#define CTL_OPTIONS_MAX 32
#define CTL_ROWS_MAX    1000

struct ctl_option {
    const char *name, *value;
};

struct ctl {
    const char *verb, *noun, *name;
    bool watch; /* -w */
    bool quiet; /* messages of failed requests are not printed */
    const char *agent;
    const char *output;
    struct ctl_option options[CTL_OPTIONS_MAX];
    int option_count;
};

struct ctl_rows {
    int count;
    lg_agent_line rows[CTL_ROWS_MAX];
    char *texts[CTL_ROWS_MAX]; /* what the rows point into; until the next request */
    int text_count;
};

const char *ctl_option(const struct ctl *c, const char *name); /* NULL: not given */
/* Prints the message, returns the code. */
__attribute__((format(printf, 2, 3))) int ctl_fail(int code, const char *fmt, ...);

/* ctl_agent.c: asks the agent; rows are added. Returns the exit code, messages are printed. */
int ctl_request(const struct ctl *c, struct ctl_rows *r);
/* ctl_print.c: as -o says */
void ctl_print(const struct ctl *c, const struct ctl_rows *r);
/* ctl_apply.c: apply -f, diff -f */
int ctl_apply(const struct ctl *c, bool only_show);

/* ctl_options.c: 0, or the exit code with the message printed. */
int ctl_check_options(struct ctl *c);
int ctl_confirm(const struct ctl *c);
double ctl_seconds(const char *text); /* negative: no duration */
/* ctl_validate.c */
int ctl_validate(const struct ctl *c);

/* ctl_help.c */
int ctl_explain(const struct ctl *c);
int ctl_completion(const struct ctl *c);

/* ctl_create.c */
int ctl_create_cluster(const struct ctl *c);
int ctl_create_database(const struct ctl *c);
int ctl_add_node(const struct ctl *c);

#endif
