/* The agent's protocol: what an agent says to its instance and back, and what lagoonctl asks of an
 * agent. Pure encoding of messages; no sockets here.
 *
 * TRANSPORT  a stream (unix socket; TCP for lagoonctl from elsewhere) of lines "TYPE key=value
 * ...\n"; values are percent-encoded; a line is at most LG_AGENT_LINE_MAX bytes. Unknown keys are
 * ignored, unknown types are answered with an error: so versions can meet.
 *
 * AGENT AND INSTANCE
 *   instance -> agent   HELLO   node pid           first message
 *   agent -> instance   LIFE    incarnation        this life's number, larger than any before
 *   agent -> instance   WELCOME incarnation cold   it may come in, once it is READY. One instance
 *       at a time is welcomed; until it is in a view, or ended, the others wait.
 *       cold=1: nobody is in the view: recover all threads before READY
 *   instance -> agent   READY   address            its interconnect listens: may be put in a view
 *   agent -> instance   VIEW    epoch, members, victims
 *       a decided view; victims are fenced already
 *   agent -> instance   LEASE   until_ns           it may write until then (CLOCK_MONOTONIC of the
 *       machine, which both share: a lease read late is no longer than it was)
 *   instance -> agent   DONE    epoch              its reconfiguration for that view is complete
 *   instance -> agent   STATE   state sessions listen drain reservations epoch broken lost
 *       on change and every few seconds. broken: bits of members with whom messages of that epoch
 *       were lost; lost: of members without a connection
 *   agent -> instance   INFO    topic row ...      for the views: topic vote or node, row its
 * number agent -> instance   DRAIN   mode               refuse: no new sessions; end: those that
 * are there end with their transaction; off agent -> instance   STOP    mode               drain
 * and leave: "normal", "immediate" agent -> instance   FENCED                     it is out of the
 * view: it must exit at once instance -> agent   LEAVE   epoch              everything is on disk:
 * no recovery A broken connection means to the instance: no lease renewals any more; to the agent:
 * look at the process.
 *
 * AGENT AND AGENT, over TCP after the proof of the key (agent_auth.h)
 *   agent -> agent      BEAT    node boot look              a heartbeat; look=1: there is news on
 * the voting files
 *
 * LAGOONCTL AND AGENT, over the unix socket, or over TCP after the proof of the key
 *   ctl -> agent        CTL     verb noun name option=value...
 *   agent -> ctl        ROW     key=value ...               any number
 *   agent -> ctl        END     code message                code: OPERATORS' exit codes
 */
#ifndef LG_MEMBER_AGENT_PROTO_H
#define LG_MEMBER_AGENT_PROTO_H

#include "status.h"
#include <stddef.h>
#include <stdint.h>

#define LG_AGENT_LINE_MAX    8192
#define LG_AGENT_KEYS_MAX    64
#define LG_AGENT_MEMBERS_MAX 16
#define LG_AGENT_ADDRESS_MAX 96

/* A decoded line. Strings point into the decoder's buffer. */
typedef struct lg_agent_line {
    const char *type;
    uint32_t n;
    struct {
        const char *key;
        const char *value;
    } kv[LG_AGENT_KEYS_MAX];
} lg_agent_line;

/* Decodes one line without its newline, in place (the text is changed). LG_PROTOCOL. */
LG_MUST lg_status lg_agent_line_decode(char *text, lg_agent_line *ret_line);
const char *lg_agent_line_get(const lg_agent_line *l, const char *key); /* NULL: absent */
uint64_t lg_agent_line_u64(const lg_agent_line *l, const char *key, uint64_t otherwise);

/* Builds a line: begin, add..., end; buf has LG_AGENT_LINE_MAX bytes. */
typedef struct lg_agent_writer {
    char *buf;
    size_t len;
    bool overflow;
} lg_agent_writer;

void lg_agent_begin(lg_agent_writer *w, char *buf, const char *type);
void lg_agent_add(lg_agent_writer *w, const char *key, const char *value);
void lg_agent_add_u64(lg_agent_writer *w, const char *key, uint64_t value);
/* Adds the newline; the length, or LG_LIMIT when it did not fit. */
LG_MUST lg_status lg_agent_end(lg_agent_writer *w, size_t *ret_len);

/* ---- views ---- */

typedef struct lg_agent_member {
    uint32_t node;
    uint64_t incarnation;
    char address[LG_AGENT_ADDRESS_MAX]; /* interconnect; empty for victims */
} lg_agent_member;

typedef struct lg_agent_view {
    uint64_t epoch;
    uint32_t member_count;
    lg_agent_member members[LG_AGENT_MEMBERS_MAX]; /* by node */
    uint32_t victim_count; /* left since the view before, without LEAVE: to be recovered */
    lg_agent_member victims[LG_AGENT_MEMBERS_MAX];
    char fence[32]; /* how the victims were fenced: exit, lease, reservation; empty: none */
} lg_agent_view;

void lg_agent_add_view(lg_agent_writer *w, const lg_agent_view *v);
LG_MUST lg_status lg_agent_line_view(const lg_agent_line *l, lg_agent_view *ret_view);

/* ---- states of an instance, as STATE carries and lagoonctl shows them ---- */

typedef enum lg_instance_state {
    LG_INSTANCE_OFFLINE,
    LG_INSTANCE_STARTING,
    LG_INSTANCE_MOUNTED, /* volume open, not yet in a view */
    LG_INSTANCE_RECOVERING,
    LG_INSTANCE_OPEN,
    LG_INSTANCE_STOPPING
} lg_instance_state;

const char *lg_instance_state_name(lg_instance_state s); /* "OPEN" */
lg_instance_state lg_instance_state_parse(const char *name);

#endif
