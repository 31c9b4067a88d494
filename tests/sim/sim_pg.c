/* See sim_pg.h. Authentication: trust only (lg_instance_config.trust_unix). */
#include "sim_pg.h"

#include "mem.h"
#include <stdio.h>
#include <string.h>

#define ANSWER_LIMIT (20 * LG_SEC)
#define MESSAGE_MAX  (64 * 1024)
#define COLUMNS_MAX  16

static lg_time
limit(const sim_pg *c)
{
    return lg_run_now_exact_ns(c->run) + ANSWER_LIMIT;
}

static lg_status
read_exactly(sim_pg *c, void *buf, size_t n, lg_time deadline)
{
    char *p = buf;
    while (n > 0) {
        size_t got;
        LG_TRY(lg_sock_read(c->sock, p, n, deadline, &got));
        p += got;
        n -= got;
    }
    return LG_OK;
}

static uint32_t
be32(const char *p)
{
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static size_t
put_be32(char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (char)(v >> (24 - 8 * i));
    return 4;
}

static void
note_error(sim_pg *c, const char *p, uint32_t len)
{
    for (const char *end = p + len; p < end && *p; p += strlen(p) + 1) {
        if (*p == 'C')
            snprintf(c->sqlstate, sizeof c->sqlstate, "%s", p + 1);
        else if (*p == 'M')
            snprintf(c->message, sizeof c->message, "%s", p + 1);
    }
}

static void
give_row(char *p, uint32_t len, sim_pg_row row, void *arg)
{
    char *values[COLUMNS_MAX];
    unsigned n = (unsigned)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
    char *at = p + 2, *end = p + len;
    for (unsigned i = 0; i < n && i < COLUMNS_MAX && at + 4 <= end; i++) {
        int32_t l = (int32_t)be32(at);
        *at = 0; /* ends the value before */
        at += 4;
        values[i] = l < 0 ? NULL : at;
        at += l < 0 ? 0 : l;
    }
    *end = 0; /* the buffer is one byte longer */
    row(arg, n < COLUMNS_MAX ? n : COLUMNS_MAX, values);
}

/* Until ReadyForQuery. */
static lg_status
read_answer(sim_pg *c, sim_pg_row row, void *arg)
{
    char head[5];
    lg_time deadline = limit(c);
    c->sqlstate[0] = 0;
    for (;;) {
        LG_TRY(read_exactly(c, head, sizeof head, deadline));
        uint32_t len = be32(head + 1) - 4;
        if (len > MESSAGE_MAX)
            return LG_PROTOCOL;
        char *body = lg_alloc(len + 1);
        lg_status st = read_exactly(c, body, len, deadline);
        body[len] = 0;
        if (st == LG_OK && head[0] == 'E')
            note_error(c, body, len);
        if (st == LG_OK && head[0] == 'C')
            snprintf(c->tag, sizeof c->tag, "%s", body);
        if (st == LG_OK && head[0] == 'A' && c->hear) /* pid, channel, payload */
            c->hear(c->hear_arg, body + 4 + strlen(body + 4) + 1);
        if (st == LG_OK && head[0] == 'R' && be32(body) != 0)
            st = LG_AUTH;
        if (st == LG_OK && head[0] == 'D' && row)
            give_row(body, len, row, arg);
        lg_free(body);
        if (st != LG_OK)
            return st;
        if (head[0] == 'Z')
            return c->sqlstate[0] ? LG_SQL : LG_OK;
    }
}

lg_status
sim_pg_connect(sim_pg *c, lg_run *run, const char *address, const char *user, const char *database)
{
    *c = (sim_pg){.run = run};
    LG_TRY(lg_sock_connect(run, address, lg_run_now_exact_ns(run) + 2 * LG_SEC, &c->sock));
    char p[300];
    size_t n = 4 + put_be32(p + 4, 196608);
    n += 1 + (size_t)snprintf(p + n, sizeof p - n, "user");
    n += 1 + (size_t)snprintf(p + n, sizeof p - n, "%s", user);
    n += 1 + (size_t)snprintf(p + n, sizeof p - n, "database");
    n += 1 + (size_t)snprintf(p + n, sizeof p - n, "%s", database);
    p[n++] = 0;
    put_be32(p, (uint32_t)n);
    lg_status st = lg_sock_write_all(c->sock, p, n, limit(c));
    if (st == LG_OK)
        st = read_answer(c, NULL, NULL);
    if (st != LG_OK)
        sim_pg_close(c);
    return st;
}

lg_status
sim_pg_query(sim_pg *c, const char *sql, sim_pg_row row, void *arg)
{
    char head[5] = {'Q'};
    put_be32(head + 1, (uint32_t)strlen(sql) + 5);
    LG_TRY(lg_sock_write_all(c->sock, head, sizeof head, limit(c)));
    LG_TRY(lg_sock_write_all(c->sock, sql, strlen(sql) + 1, limit(c)));
    return read_answer(c, row, arg);
}

void
sim_pg_close(sim_pg *c)
{
    if (c->sock)
        lg_sock_close(c->sock);
    c->sock = NULL;
}
