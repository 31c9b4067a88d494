#include "storage_rig.h"
#include "volume.h"

#define MIB (1u << 20)

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *v;
    lg_status st;
    const char *paths[4];
    uint32_t count;
    char missing[128];
};

static lg_status
make(struct world *w, uint32_t disks, uint32_t instances, bool force)
{
    lg_volume_create_config c = {.io = w->io,
                                 .paths = rig_disk_names,
                                 .disk_count = disks,
                                 .instances = instances,
                                 .log_files = 2,
                                 .log_file_bytes = MIB};
    return lg_volume_create(&c, force);
}

static void
create_and_open(void *arg)
{
    struct world *w = arg;
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    RIG_OK(make(w, 2, 3, false));
    CU_ASSERT_EQUAL(make(w, 2, 3, false), LG_EXISTS);
    const char *swapped[] = {"disk1", "disk0"};
    RIG_OK(lg_volume_open(w->io, swapped, 2, w->missing, sizeof w->missing, &w->v));
    CU_ASSERT_EQUAL(lg_volume_block_bytes(w->v), 8192);
    CU_ASSERT_EQUAL(lg_volume_disk_count(w->v), 2);
    CU_ASSERT_STRING_EQUAL(lg_disk_path(lg_volume_disk(w->v, 0)), "disk0");
    lg_volume_area a[3];
    for (uint32_t i = 0; i < 3; i++)
        RIG_OK(lg_volume_instance_area(w->v, i, &a[i]));
    CU_ASSERT_EQUAL(a[0].disk_index, 0);
    CU_ASSERT_EQUAL(a[1].disk_index, 1);
    CU_ASSERT_EQUAL(a[2].disk_index, 0);
    CU_ASSERT(a[2].first_au >= a[0].first_au + a[0].au_count);
    CU_ASSERT_EQUAL(lg_volume_instance_area(w->v, 3, &a[0]), LG_NOT_FOUND);
    lg_volume_close(w->v);
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__create_and_open_in_any_order)
{
    static struct world w;
    rig_open(&w.rig, 1, 2, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, create_and_open, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
missing(void *arg)
{
    struct world *w = arg;
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    RIG_OK(make(w, 2, 1, false));
    const char *one[] = {"disk0"}, *none[] = {"disk0", "nodisk"}, *twice[] = {"disk0", "disk0"};
    const char *blank[] = {"disk0", "disk2"};
    CU_ASSERT_EQUAL(lg_volume_open(w->io, one, 1, w->missing, sizeof w->missing, &w->v),
                    LG_NO_DISK);
    CU_ASSERT_EQUAL(strlen(w->missing), 36); /* the UUID of the other */
    CU_ASSERT_EQUAL(lg_volume_open(w->io, none, 2, w->missing, sizeof w->missing, &w->v),
                    LG_NO_DISK);
    CU_ASSERT_STRING_EQUAL(w->missing, "nodisk");
    CU_ASSERT_EQUAL(lg_volume_open(w->io, twice, 2, NULL, 0, &w->v), LG_NO_DISK);
    CU_ASSERT_EQUAL(lg_volume_open(w->io, blank, 2, w->missing, sizeof w->missing, &w->v),
                    LG_NO_DISK);
    CU_ASSERT_STRING_EQUAL(w->missing, "disk2");
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__a_missing_disk_is_named)
{
    static struct world w;
    rig_open(&w.rig, 2, 3, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, missing, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
too_small(void *arg)
{
    struct world *w = arg;
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    CU_ASSERT_EQUAL(make(w, 1, 16, false), LG_DISK_FULL);
    RIG_OK(make(w, 1, 1, false)); /* the failure left no label */
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__too_small_a_disk_is_full)
{
    static struct world w;
    rig_open(&w.rig, 3, 1, 32 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, too_small, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
torn_label(void *arg)
{
    struct world *w = arg;
    uint8_t junk[512];
    memset(junk, 0x5A, sizeof junk);
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    RIG_OK(make(w, 1, 1, false));
    lg_sim_disk_poke(w->rig.sim, "disk0", 0, junk, sizeof junk);
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->v));
    lg_volume_close(w->v);
    lg_sim_disk_poke(w->rig.sim, "disk0", 4096, junk, sizeof junk);
    CU_ASSERT_EQUAL(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->v), LG_NO_DISK);
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__one_good_label_copy_is_enough)
{
    static struct world w;
    rig_open(&w.rig, 4, 1, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, torn_label, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
map_formats(void *arg)
{
    struct world *w = arg;
    uint8_t *image = lg_io_buf_alloc(8192);
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    RIG_OK(make(w, 2, 1, false));
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 2, NULL, 0, &w->v));
    lg_volume_place p;
    lg_addr map;
    RIG_OK(lg_volume_locate(w->v, lg_vol_header_addr(), &p, &map));
    CU_ASSERT_EQUAL(p.offset, MIB);
    RIG_OK(lg_volume_read_block(w->v, &p, lg_vol_header_addr(), image));
    CU_ASSERT_EQUAL(((lg_vol_meta *)(void *)(image + LG_VOL_META_OFFSET))->next, 1);
    /* an unknown file asks for its table block, which is blank: not mapped */
    lg_addr a = {1, 130};
    CU_ASSERT_EQUAL(lg_volume_locate(w->v, a, &p, &map), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(lg_addr_key(map), lg_addr_key(lg_vol_table_addr(w->v, 1, NULL)));
    RIG_OK(lg_volume_locate(w->v, map, &p, &map));
    RIG_OK(lg_volume_read_block(w->v, &p, lg_vol_table_addr(w->v, 1, NULL), image));
    CU_ASSERT_EQUAL(lg_volume_map_install(w->v, a, lg_vol_table_addr(w->v, 1, NULL), image),
                    LG_INVALID);
    /* bitmaps: what creation took is taken, the rest is free */
    lg_addr bits = lg_vol_aubits_addr(w->v, 1, 0);
    RIG_OK(lg_volume_locate(w->v, bits, &p, &map));
    CU_ASSERT_EQUAL(p.disk_index, 1);
    RIG_OK(lg_volume_read_block(w->v, &p, bits, image));
    uint32_t fixed = lg_volume_disk_fixed_aus(w->v, 1), bit;
    CU_ASSERT(lg_vol_bits_test(image, fixed - 1));
    RIG_OK(lg_vol_bits_find(image, 0, 1, &bit));
    CU_ASSERT_EQUAL(bit, fixed);
    CU_ASSERT_EQUAL(lg_vol_bits_free(image), 64 - fixed);
    RIG_OK(lg_vol_bits_find(image, 60, 64 - fixed, &bit));
    CU_ASSERT_EQUAL(bit, fixed);
    CU_ASSERT_EQUAL(lg_vol_bits_find(image, 0, 65 - fixed, &bit), LG_NOT_FOUND);
    lg_free(image);
    lg_volume_close(w->v);
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__metadata_blocks_and_their_places)
{
    static struct world w;
    rig_open(&w.rig, 5, 2, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, map_formats, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}

static void
growth(void *arg)
{
    struct world *w = arg;
    RIG_OK(lg_io_create(w->rig.nodes[0].run, LG_IO_AUTO, &w->io));
    RIG_OK(make(w, 1, 1, false));
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->v));
    lg_volume *other;
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &other));
    RIG_OK(lg_volume_disk_add(w->v, "disk1", false));
    CU_ASSERT_EQUAL(lg_volume_disk_count(w->v), 2);
    const char *new_paths[] = {"disk1"};
    RIG_OK(lg_volume_refresh(other, new_paths, 1));
    CU_ASSERT_EQUAL(lg_volume_disk_count(other), 2);
    lg_volume_close(other);
    lg_volume_close(w->v);
    CU_ASSERT_EQUAL(lg_volume_open(w->io, rig_disk_names, 1, NULL, 0, &w->v), LG_NO_DISK);
    RIG_OK(lg_volume_open(w->io, rig_disk_names, 2, NULL, 0, &w->v));
    lg_volume_close(w->v);
    lg_io_destroy(w->io);
}

LG_TEST(test_volume__a_disk_is_added)
{
    static struct world w;
    rig_open(&w.rig, 6, 2, 64 * MIB);
    rig_node_start(&w.rig, 0);
    CU_ASSERT(rig_run(&w.rig, 0, growth, &w, 100 * LG_SEC));
    rig_close(&w.rig);
}
