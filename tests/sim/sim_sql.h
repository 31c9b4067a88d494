/* What the files of kind "sql" share. */
#ifndef LG_SIM_SQL_H
#define LG_SIM_SQL_H

#include "sim_pg.h"
#include "sim_world.h"

#define SIM_ACCOUNTS 40u
#define SIM_BULK     60 /* rows that a transfer may insert beside, at once */
#define SIM_START    1000

lg_run *sim_sql_run(const sim_world *w); /* of the clients */
lg_heap *sim_sql_heap(const sim_world *w);
bool sim_sql_wide(const sim_world *w); /* kind "wide" */
lg_status sim_sql_connect(sim_world *w, sim_pg *c, unsigned node);
void sim_sql_nap(sim_world *w, uint64_t us);
/* `count` clients, each again and again at some instance, where it does up to `rounds` things with naps
 * between (us, and up to us_more). A failed status other than LG_SQL ends the session. */
typedef struct sim_sql_client {
    sim_world *w;
    unsigned number, rounds;
    uint64_t us, us_more, us_between; /* between sessions */
    lg_status (*act)(sim_world *w, sim_pg *c, unsigned number, unsigned node, unsigned round);
} sim_sql_client;
void sim_sql_clients(const char *name, unsigned count, const sim_sql_client *like);
/* May a statement fail so, through no fault of the database's? */
bool sim_sql_excused(const char *sqlstate);

/* ---- sim_read.c ---- */

/* All accounts and the whole ledger, as one snapshot sees them. */
typedef struct sim_reading {
    int64_t sum;
    int64_t balance[SIM_ACCOUNTS];
    int64_t owed[SIM_ACCOUNTS]; /* by the ledger */
    unsigned torn; /* of the rows inserted together some are missing, or their transfer */
    unsigned accounts;
    lg_map *ops;
} sim_reading;

sim_reading *sim_reading_create(void);
void sim_reading_destroy(sim_reading *r);
/* In the transaction that the connection is in. */
lg_status sim_reading_take(sim_pg *c, sim_reading *r);
/* acks: as many as had been given before the snapshot was taken. */
void sim_reading_judge(sim_world *w, const sim_reading *r, unsigned node, size_t acks);
void sim_readers_start(sim_world *w, unsigned count);

/* ---- sim_ddl.c ---- */
void sim_ddl_start(sim_world *w, unsigned count);
lg_status sim_ddl_verify(sim_world *w, sim_pg *c);
const char *sim_ddl_table(const sim_world *w); /* one that must be there; NULL: none now */

/* ---- sim_space.c ---- */
lg_status sim_space_look(sim_world *w, sim_pg *c, unsigned node); /* LG_RETRY: look again */

/* ---- sim_skew.c ---- */
lg_status sim_skew_tables(sim_pg *c);
void sim_skew_start(sim_world *w, unsigned count);
lg_status sim_skew_look(sim_world *w, sim_pg *c, unsigned node, size_t acks);

/* ---- sim_big.c ---- */
lg_status sim_big_table(sim_pg *c);
void sim_big_start(sim_world *w, unsigned count);

/* ---- sim_numbers.c ---- */
lg_status sim_numbers_tables(sim_pg *c);
void sim_numbers_start(sim_world *w, unsigned count);

/* ---- sim_told.c ---- */
lg_status sim_told_table(sim_pg *c);
void sim_told_start(sim_world *w, unsigned tellers, unsigned listeners);
lg_status sim_told_look(sim_world *w, sim_pg *c); /* LG_RETRY: look again */

/* ---- sim_seen.c ---- */
lg_status sim_seen_table(sim_pg *c);
void sim_seen_start(sim_world *w, unsigned count);

#endif
