/* Creation of a database: volume, control block, undo segments, catalog. One process, nobody else
 * uses the disks; a creation that was cut short is done again from the start (--force). */
#include "instance_internal.h"
#include "scram.h"
#include <string.h>

static lg_status
create_volume(lg_instance *in, const lg_instance_create_config *cfg)
{
    const char *paths[LG_INSTANCE_MAX_DISKS];
    for (uint32_t i = 0; i < in->cfg.disk_count; i++)
        paths[i] = in->cfg.disks[i];
    lg_volume_create_config vc = {.paths = paths,
                                  .disk_count = in->cfg.disk_count,
                                  .block_bytes = cfg->block_bytes,
                                  .instances = cfg->instances,
                                  .log_file_bytes = cfg->log_file_bytes,
                                  .name = cfg->database};
    LG_TRY(lg_io_create(in->env.run, LG_IO_AUTO, &in->io));
    vc.io = in->io;
    LG_TRY(lg_volume_create(&vc, cfg->force));
    return lg_volume_open(in->io, paths, in->cfg.disk_count, NULL, 0, &in->volume);
}

static lg_status
open_storage(lg_instance *in)
{
    LG_TRY(lg_dwb_create(in->env.run, in->volume, in->cfg.node - 1, &in->dwb));
    lg_redo_config rc = {
        .run = in->env.run, .volume = in->volume, .thread = in->cfg.node - 1, .clock = &in->clock};
    LG_TRY(lg_redo_open(&rc, &in->redo));
    lg_buf_config bc = {.run = in->env.run,
                        .volume = in->volume,
                        .redo = in->redo,
                        .clock = &in->clock,
                        .coherence = {&lg_coherence_local, NULL},
                        .cache_bytes = 64u << 20,
                        .dwb = in->dwb};
    LG_TRY(lg_buf_cache_create(&bc, &in->buf));
    lg_ckpt_config kc = {.run = in->env.run, .cache = in->buf, .redo = in->redo};
    LG_TRY(lg_ckpt_create(&kc, &in->ckpt));
    lg_ges_config gc = {.run = in->env.run, .node = in->cfg.node};
    LG_TRY(lg_ges_create(&gc, &in->ges));
    return lg_space_create(in->buf, &in->space);
}

static lg_status
create_control(lg_instance *in, const lg_instance_create_config *cfg)
{
    uint32_t file;
    LG_TRY(lg_space_file_create(in->buf, 1, &file));
    LG_ASSERT(file == LG_CONTROL_FILE);
    lg_run_random_bytes(in->env.run, in->control.secret, sizeof in->control.secret);
    strncpy(in->control.database, cfg->database, sizeof in->control.database - 1);
    LG_TRY(lg_instance__undo_create(in));
    for (uint32_t node = 1; node <= cfg->instances; node++)
        LG_TRY(lg_undo_segment_create(in->undo, (uint16_t)node, &in->control.undo_file[node]));
    return LG_OK;
}

static lg_status
create_catalog(lg_instance *in, const lg_instance_create_config *cfg)
{
    char verifier[LG_SCRAM_VERIFIER_MAX];
    uint8_t salt[16];
    lg_catalog_root root;
    lg_txn_config tc = {.undo = in->undo, .space = in->space, .useg = (uint16_t)in->cfg.node};
    LG_TRY(lg_txn_sys_create(&tc, &in->txns));
    lg_heap_register(in->txns);
    lg_btree_register(in->txns);
    LG_TRY(lg_instance__catalog_create(in));
    LG_TRY(lg_instance__views_create(in));
    lg_run_random_bytes(in->env.run, salt, sizeof salt);
    LG_TRY(lg_scram_verifier_make(cfg->password, salt, verifier));
    lg_txn *t = lg_txn_begin(in->txns);
    lg_status st = lg_catalog_bootstrap(in->catalog, t, cfg->database, cfg->user, verifier, &root);
    if (st != LG_OK) {
        lg_status undone = lg_txn_rollback(t);
        (void)undone; /* the volume is made anew after a failed creation */
        return st;
    }
    LG_TRY(lg_txn_commit(t));
    in->control.catalog_file = root.pg_class.file;
    in->control.catalog_head = root.pg_class.head;
    return LG_OK;
}

lg_status
lg_instance_create_database(const lg_instance_env *env, const lg_instance_create_config *cfg)
{
    lg_status st;
    lg_instance *in = lg_zalloc(sizeof *in);
    in->env = *env;
    in->cfg = cfg->instance;
    in->alone = true;
    lg_waitq_init(&in->changed);
    LG_CHECK(create_volume(in, cfg));
    LG_CHECK(open_storage(in));
    LG_CHECK(create_control(in, cfg));
    LG_CHECK(create_catalog(in, cfg));
    LG_CHECK(lg_instance__control_write(in->buf, &in->control, true));
    LG_CHECK(lg_space_release(in->space));
    LG_CHECK(lg_ckpt_full(in->ckpt, LG_FOREVER));
out:
    if (st != LG_OK)
        lg_log_error(env->log, "create", "the database was not created: %s", lg_status_text(st));
    lg_instance__teardown(in, st == LG_OK);
    lg_free(in);
    return st;
}
