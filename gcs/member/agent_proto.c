/* Lines of the agent's protocol. */
#include "agent_proto.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int
hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

/* Percent-decodes in place. */
static bool
unescape(char *s)
{
    char *to = s;
    for (; *s; s++) {
        if (*s != '%') {
            *to++ = *s;
            continue;
        }
        int hi = hex(s[1]);
        int lo = hi < 0 ? -1 : hex(s[2]);
        if (lo < 0 || (hi == 0 && lo == 0))
            return false;
        *to++ = (char)(hi << 4 | lo);
        s += 2;
    }
    *to = 0;
    return true;
}

lg_status
lg_agent_line_decode(char *text, lg_agent_line *ret_line)
{
    ret_line->n = 0;
    char *save = NULL;
    ret_line->type = strtok_r(text, " ", &save);
    if (!ret_line->type)
        return LG_PROTOCOL;
    for (char *word; (word = strtok_r(NULL, " ", &save));) {
        char *eq = strchr(word, '=');
        if (!eq || eq == word || ret_line->n == LG_AGENT_KEYS_MAX)
            return LG_PROTOCOL;
        *eq = 0;
        if (!unescape(eq + 1))
            return LG_PROTOCOL;
        ret_line->kv[ret_line->n].key = word;
        ret_line->kv[ret_line->n++].value = eq + 1;
    }
    return LG_OK;
}

const char *
lg_agent_line_get(const lg_agent_line *l, const char *key)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (!strcmp(l->kv[i].key, key))
            return l->kv[i].value;
    return NULL;
}

uint64_t
lg_agent_line_u64(const lg_agent_line *l, const char *key, uint64_t otherwise)
{
    const char *v = lg_agent_line_get(l, key);
    char *end;
    if (!v || !*v)
        return otherwise;
    uint64_t n = strtoull(v, &end, 10);
    return *end ? otherwise : n;
}

static void
put(lg_agent_writer *w, const char *s, size_t n)
{
    /* One byte is kept for the newline. */
    if (w->overflow || w->len + n + 1 > LG_AGENT_LINE_MAX) {
        w->overflow = true;
        return;
    }
    memcpy(w->buf + w->len, s, n);
    w->len += n;
}

void
lg_agent_begin(lg_agent_writer *w, char *buf, const char *type)
{
    *w = (lg_agent_writer){.buf = buf};
    put(w, type, strlen(type));
}

void
lg_agent_add(lg_agent_writer *w, const char *key, const char *value)
{
    static const char digits[] = "0123456789abcdef";
    put(w, " ", 1);
    put(w, key, strlen(key));
    put(w, "=", 1);
    for (const char *p = value; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c > ' ' && c != '%' && c != 0x7f) {
            put(w, p, 1);
        } else {
            char esc[3] = {'%', digits[c >> 4], digits[c & 15]};
            put(w, esc, 3);
        }
    }
}

void
lg_agent_add_u64(lg_agent_writer *w, const char *key, uint64_t value)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, value);
    lg_agent_add(w, key, text);
}

lg_status
lg_agent_end(lg_agent_writer *w, size_t *ret_len)
{
    if (w->overflow)
        return LG_LIMIT;
    w->buf[w->len++] = '\n';
    *ret_len = w->len;
    return LG_OK;
}

/* Members as "node:incarnation:address" joined by commas; an address has no comma. */
static void
add_members(lg_agent_writer *w, const char *key, const lg_agent_member *m, uint32_t n)
{
    char text[LG_AGENT_MEMBERS_MAX * (LG_AGENT_ADDRESS_MAX + 40)];
    size_t len = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < n; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%u:%" PRIu64 ":%s", i ? "," : "",
                                m[i].node, m[i].incarnation, m[i].address);
    lg_agent_add(w, key, text);
}

void
lg_agent_add_view(lg_agent_writer *w, const lg_agent_view *v)
{
    lg_agent_add_u64(w, "epoch", v->epoch);
    add_members(w, "members", v->members, v->member_count);
    add_members(w, "victims", v->victims, v->victim_count);
    lg_agent_add(w, "fence", v->fence);
}

static lg_status
parse_members(const char *text, lg_agent_member *m, uint32_t *ret_n)
{
    *ret_n = 0;
    while (text && *text) {
        char *end;
        if (*ret_n == LG_AGENT_MEMBERS_MAX)
            return LG_PROTOCOL;
        lg_agent_member *x = &m[(*ret_n)++];
        x->node = (uint32_t)strtoul(text, &end, 10);
        if (end == text || *end != ':')
            return LG_PROTOCOL;
        text = end + 1;
        x->incarnation = strtoull(text, &end, 10);
        if (end == text || *end != ':')
            return LG_PROTOCOL;
        text = end + 1;
        size_t len = strcspn(text, ",");
        if (len >= sizeof x->address)
            return LG_PROTOCOL;
        memcpy(x->address, text, len);
        x->address[len] = 0;
        text += len;
        if (*text == ',')
            text++;
    }
    return LG_OK;
}

lg_status
lg_agent_line_view(const lg_agent_line *l, lg_agent_view *ret_view)
{
    const char *members = lg_agent_line_get(l, "members");
    const char *fence = lg_agent_line_get(l, "fence");
    if (!members || !lg_agent_line_get(l, "epoch"))
        return LG_PROTOCOL;
    memset(ret_view, 0, sizeof *ret_view);
    ret_view->epoch = lg_agent_line_u64(l, "epoch", 0);
    if (ret_view->epoch == 0)
        return LG_PROTOCOL;
    snprintf(ret_view->fence, sizeof ret_view->fence, "%s", fence ? fence : "");
    LG_TRY(parse_members(members, ret_view->members, &ret_view->member_count));
    return parse_members(lg_agent_line_get(l, "victims"), ret_view->victims,
                         &ret_view->victim_count);
}

static const char *const state_names[] = {"OFFLINE",    "STARTING", "MOUNTED",
                                          "RECOVERING", "OPEN",     "STOPPING"};

const char *
lg_instance_state_name(lg_instance_state s)
{
    return state_names[s];
}

lg_instance_state
lg_instance_state_parse(const char *name)
{
    for (int i = 0; i <= LG_INSTANCE_STOPPING; i++)
        if (!strcmp(state_names[i], name))
            return (lg_instance_state)i;
    return LG_INSTANCE_OFFLINE;
}
