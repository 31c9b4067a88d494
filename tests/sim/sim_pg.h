/* A small PostgreSQL client over simulated sockets: simple queries, text results. */
#ifndef LG_SIM_PG_H
#define LG_SIM_PG_H

#include "sock.h"
#include "status.h"

typedef struct sim_pg {
    lg_run *run;
    lg_sock *sock;
    char sqlstate[6]; /* of the last error; "" none */
    char message[200];
    char tag[32];                                 /* of the last statement that was done */
    void (*hear)(void *arg, const char *payload); /* notifications, as they come; may be NULL */
    void *hear_arg;
} sim_pg;

/* Called for each row; values are NUL-terminated texts, NULL for null. */
typedef void (*sim_pg_row)(void *arg, unsigned count, char **values);

LG_MUST lg_status sim_pg_connect(sim_pg *c, lg_run *run, const char *address, const char *user,
                                 const char *database);
/* LG_OK; LG_SQL: the server said no (sqlstate), the connection lives; else it is broken. */
LG_MUST lg_status sim_pg_query(sim_pg *c, const char *sql, sim_pg_row row, void *arg);
void sim_pg_close(sim_pg *c);

#endif
