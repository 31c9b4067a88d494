/* What needs no agent: explain (a status or SQLSTATE, what to do about it) and completion scripts. */
#include "ctl.h"
#include "status.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LG_STATUS(name, value, sqlstate, text) {"LG_" #name, value, sqlstate, text},
static const struct {
    const char *name;
    int value;
    const char *sqlstate, *text;
} statuses[] = {
#include "status.def"
};
#undef LG_STATUS

/* What an operator does; by SQLSTATE where several statuses share one answer. */
static const struct {
    const char *key, *advice;
} advices[] = {
    {"LG_NOT_OPEN",
     "wait: lagoonctl wait instance NAME --for=state=OPEN; look at gv$recovery_progress"},
    {"LG_RECONFIGURING", "wait a moment; gv$reconfiguration_step shows which step takes long"},
    {"LG_DRAINING", "connect to another instance, or lagoonctl undrain instance NAME"},
    {"LG_NO_QUORUM", "this node sees too few voting files or members: lagoonctl status vote, then "
                     "the disks and the network"},
    {"LG_FENCED", "the others went on without this instance: lagoonctl status, gv$fence, then its "
                  "log for the reason"},
    {"LG_NO_DISK", "lagoonctl status vote, v$disk: is the path there on this node and readable?"},
    {"LG_DISK_FULL", "the volume or the directory of temporary files is full: v$datafile, "
                     "gv$pgastat; add a disk or free space"},
    {"LG_UNDO_FULL",
     "end long transactions (gv$transaction), lower undo_retention, or let undo segments grow"},
    {"LG_SNAPSHOT_TOO_OLD", "run the query again; raise undo_retention if it needs longer"},
    {"LG_CORRUPT",
     "keep the disk as it is; the log names file and block; restore that part from a backup"},
    {"LG_IO", "the log names disk, offset and the system's error: look at the device"},
    {"LG_NO_MEMORY",
     "raise memory_limit, lower work_mem or column_cache, or give the node more memory"},
    {"LG_LIMIT", "the message names the limit and the setting it comes from"},
    {"LG_CONFIG", "the message names file and line of the configuration"},
    {"LG_AUTH", "is --key the cluster's key, the same on all nodes?"},
    {"LG_PEER_DOWN",
     "lagoonctl status node: the member that did not answer is being looked at by the others"},
    {"LG_STALE_EPOCH", "nothing: the sender learns of the new epoch and asks again"},
    {"LG_DEADLOCK",
     "run the transaction again; the log and pg_blocking_pids show who waited for whom"},
    {"LG_INTERNAL", "a defect: keep the log and the statement"},
    {"40001", "run the transaction again"},
    {"55P03", "try again, or see who holds it: pg_blocking_pids, gv$ges_blocking_enqueue"},
    {"57014", "statement_timeout, lock_timeout or a cancel request ended it"},
    {"0A000", "docs/SQL.md lists what is not built"},
};

static const char *
advice_for(const char *name, const char *sqlstate)
{
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (!strcmp(advices[i].key, name))
            return advices[i].advice;
    for (size_t i = 0; i < sizeof advices / sizeof advices[0]; i++)
        if (!strcmp(advices[i].key, sqlstate))
            return advices[i].advice;
    return "";
}

/* "LG-103", "LG_UNDO_FULL", "undo_full" or an SQLSTATE. */
static bool
matches(size_t i, const char *what)
{
    const char *p = what + (!strncasecmp(what, "LG-", 3) || !strncasecmp(what, "LG_", 3) ? 3 : 0);
    char *end;
    long n = strtol(p, &end, 10);
    if (p == what && strlen(what) == 5 && !strcasecmp(what, statuses[i].sqlstate))
        return true;
    if (p != what && *p && !*end)
        return statuses[i].value == -n;
    return !strcasecmp(p, statuses[i].name + 3);
}

static void
add(lg_agent_line *l, const char *key, const char *value)
{
    l->kv[l->n].key = key;
    l->kv[l->n++].value = value;
}

int
ctl_explain(const struct ctl *c)
{
    static struct ctl_rows rows;
    static char codes[sizeof statuses / sizeof statuses[0]][16];
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        if (!matches(i, c->noun))
            continue;
        lg_agent_line *l = &rows.rows[rows.count++];
        snprintf(codes[i], sizeof codes[i], "LG-%d", abs(statuses[i].value));
        add(l, "code", codes[i]);
        add(l, "name", statuses[i].name);
        add(l, "sqlstate", statuses[i].sqlstate);
        add(l, "meaning", statuses[i].text);
        add(l, "action", advice_for(statuses[i].name, statuses[i].sqlstate));
    }
    if (!rows.count)
        return ctl_fail(3, "%s is no code, name or SQLSTATE of Lagoon", c->noun);
    ctl_print(c, &rows);
    return 0;
}

/* ---- completion: nouns by verb, names as the agent has them ---- */

#define VERBS                                                                                      \
    "add apply completion config create diff disable drain enable explain fence modify "           \
    "relocate remove restart start status stop undrain validate version wait"
#define OPTIONS                                                                                    \
    "--agent --available --base-port --cache --database --dir --disks --dry-run --file --for "     \
    "--force --from --key --mode --nodes --password-file --preferred --timeout --to --transport "  \
    "--user --yes"

static const struct {
    const char *verbs, *nouns;
} nouns[] = {
    {"status|wait", "cluster node instance vote service"},
    {"start|stop|restart|drain|undrain", "node instance"},
    {"fence", "instance"},
    {"add|remove", "node instance service"},
    {"enable|disable|modify|relocate", "service"},
    {"validate", "cluster node instance"},
    {"create", "cluster database"},
    {"config", "node"},
    {"completion", "bash zsh fish"},
};

static void
print_bash(void)
{
    puts("_lagoonctl() {\n"
         "    local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
         "    COMPREPLY=()\n"
         "    if [[ $cur == -* ]]; then\n"
         "        words=\"" OPTIONS "\"\n"
         "    elif ((COMP_CWORD == 1)); then\n"
         "        words=\"" VERBS "\"\n"
         "    elif ((COMP_CWORD == 2)); then\n"
         "        case ${COMP_WORDS[1]} in");
    for (size_t i = 0; i < sizeof nouns / sizeof nouns[0]; i++)
        printf("        %s) words=\"%s\" ;;\n", nouns[i].verbs, nouns[i].nouns);
    puts("        esac\n"
         "    elif ((COMP_CWORD == 3)) && [[ ${COMP_WORDS[1]} != @(create|completion) ]]; then\n"
         "        words=$(lagoonctl status \"${COMP_WORDS[2]}\" -o name 2>/dev/null)\n"
         "    fi\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "}");
}

static void
print_fish(void)
{
    char list[256];
    puts("complete -c lagoonctl -f\n"
         "complete -c lagoonctl -n __fish_use_subcommand -a '" VERBS "'");
    for (size_t i = 0; i < sizeof nouns / sizeof nouns[0]; i++) {
        snprintf(list, sizeof list, "%s", nouns[i].verbs);
        for (char *p = list; *p; p++)
            *p = *p == '|' ? ' ' : *p;
        printf("complete -c lagoonctl -n '__fish_seen_subcommand_from %s; and test (count "
               "(commandline -opc)) -eq 2' -a '%s'\n",
               list, nouns[i].nouns);
    }
    puts("complete -c lagoonctl -n 'test (count (commandline -opc)) -eq 3' -a "
         "'(lagoonctl status (commandline -opc)[3] -o name 2>/dev/null)'");
}

int
ctl_completion(const struct ctl *c)
{
    bool zsh = !strcmp(c->noun, "zsh");
    if (!strcmp(c->noun, "fish")) {
        print_fish();
        return 0;
    }
    if (!zsh && strcmp(c->noun, "bash"))
        return ctl_fail(2, "completion for bash, zsh or fish");
    if (zsh)
        puts("autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit");
    print_bash();
    puts("complete -F _lagoonctl lagoonctl");
    return 0;
}
