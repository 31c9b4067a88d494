/* Files of the volume: making, growing, dropping; full disks; every I/O failing in turn. */
#include "storage_rig.h"
#include "dwb.h"
#include "mtr.h"
#include "segment.h"
#include "space_file.h"

#define MIB (1u << 20)

struct world {
    struct rig rig;
    lg_io *io;
    lg_volume *v;
    lg_redo *redo;
    lg_dwb *dwb;
    lg_buf_cache *c;
    lg_scn_clock clock;
    uint32_t block_bytes;
    lg_status st;
    bool done;
};

static struct world w;

static lg_status
mount(bool create)
{
    lg_run *run = w.rig.nodes[0].run;
    LG_TRY(lg_io_create(run, LG_IO_AUTO, &w.io));
    lg_volume_create_config vc = {.io = w.io,
                                  .paths = rig_disk_names,
                                  .disk_count = w.rig.disks > 2 ? 2 : w.rig.disks,
                                  .block_bytes = w.block_bytes,
                                  .log_files = 2,
                                  .log_file_bytes = MIB};
    if (create)
        LG_TRY(lg_volume_create(&vc, true));
    LG_TRY(lg_volume_open(w.io, rig_disk_names, vc.disk_count, NULL, 0, &w.v));
    lg_redo_config rc = {.run = run, .volume = w.v, .clock = &w.clock};
    LG_TRY(lg_redo_open(&rc, &w.redo));
    LG_TRY(lg_dwb_create(run, w.v, 0, &w.dwb));
    lg_buf_config bc = {.run = run,
                        .volume = w.v,
                        .redo = w.redo,
                        .clock = &w.clock,
                        .cache_bytes = 64ull * lg_volume_block_bytes(w.v),
                        .dwb = w.dwb};
    return lg_buf_cache_create(&bc, &w.c);
}

static void
in_fiber(void (*fn)(void *), uint32_t disks, uint64_t disk_bytes, uint32_t block_bytes)
{
    memset(&w, 0, sizeof w);
    w.block_bytes = block_bytes;
    rig_open(&w.rig, 3, disks, disk_bytes);
    rig_node_start(&w.rig, 0);
    CU_ASSERT_FATAL(rig_run(&w.rig, 0, fn, NULL, 1000 * LG_SEC));
    rig_close(&w.rig);
}

static uint64_t
free_aus(void)
{
    uint64_t n = 0;
    for (uint32_t d = 0; d < lg_volume_disk_count(w.v); d++) {
        lg_space_usage u;
        RIG_OK(lg_space_disk_usage(w.c, d, &u));
        n += u.free_aus;
    }
    return n;
}

static void
write_block(uint32_t file, uint32_t block)
{
    lg_mtr t;
    lg_buf *b;
    lg_mtr_begin(&t, w.c);
    RIG_OK(lg_mtr_get(&t, (lg_addr){file, block}, LG_LATCH_X, LG_MTR_NEW, &b));
    lg_mtr_format(&t, b, LG_BLOCK_HEAP);
    lg_mtr_set_u64(&t, b, 64, (uint64_t)file << 32 | block);
    lg_mtr_commit(&t, NULL);
}

static void
expect_block(uint32_t file, uint32_t block)
{
    lg_buf *b;
    uint64_t v;
    RIG_OK(lg_buf_get(w.c, (lg_addr){file, block}, LG_LATCH_S, &b));
    memcpy(&v, b->data + 64, 8);
    CU_ASSERT_EQUAL(v, (uint64_t)file << 32 | block);
    lg_buf_put(w.c, b, LG_LATCH_S);
}

static void
create_and_drop(void *arg)
{
    (void)arg;
    RIG_OK(mount(true));
    uint64_t before = free_aus();
    uint32_t f[5], blocks;
    for (uint32_t i = 0; i < 5; i++) {
        RIG_OK(lg_space_file_create(w.c, i, &f[i]));
        CU_ASSERT_EQUAL(f[i], i + 1);
        RIG_OK(lg_space_file_blocks(w.c, f[i], &blocks));
        CU_ASSERT_EQUAL(blocks, i * 128);
    }
    CU_ASSERT_EQUAL(free_aus(), before - 10);
    RIG_OK(lg_space_file_extend(w.c, f[0], 2, &blocks));
    CU_ASSERT_EQUAL(blocks, 256);
    for (uint32_t b = 0; b < 256; b += 5)
        write_block(f[0], b);
    for (uint32_t b = 0; b < 256; b += 5)
        expect_block(f[0], b);
    lg_buf *b;
    CU_ASSERT_EQUAL(lg_buf_get(w.c, (lg_addr){f[0], 256}, LG_LATCH_S, &b), LG_INVALID);
    RIG_OK(lg_buf_get(w.c, (lg_addr){f[0], 1}, LG_LATCH_S, &b)); /* never written: free */
    CU_ASSERT_EQUAL(lg_block_version(b->data), 0);
    lg_buf_put(w.c, b, LG_LATCH_S);
    for (uint32_t i = 0; i < 5; i++)
        RIG_OK(lg_space_file_drop(w.c, f[i]));
    CU_ASSERT_EQUAL(lg_space_file_drop(w.c, f[0]), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(lg_space_file_blocks(w.c, f[0], &blocks), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, (lg_addr){f[0], 0}, LG_LATCH_S, &b), LG_INVALID);
    CU_ASSERT_EQUAL(free_aus(), before);
    uint32_t again; /* gets dropped AUs, reads as never written, and a number of its own */
    RIG_OK(lg_space_file_create(w.c, (uint32_t)before, &again));
    CU_ASSERT_EQUAL(again, 6);
    for (uint32_t i = 0; i < before * 128; i += 11) {
        RIG_OK(lg_buf_get(w.c, (lg_addr){again, i}, LG_LATCH_S, &b));
        CU_ASSERT_EQUAL(lg_block_version(b->data), 0);
        lg_buf_put(w.c, b, LG_LATCH_S);
    }
}

LG_TEST(test_space_file__create_extend_drop_reuse)
{
    in_fiber(create_and_drop, 2, 64 * MIB, 8192);
}

/* Others forget what their redo alone has once a drop has begun: that must outlive the dropper. */
static lg_status
forget_checks(void *arg, uint32_t file)
{
    uint32_t *asked = arg;
    (*asked)++;
    CU_ASSERT(file > 0);
    CU_ASSERT_EQUAL(lg_redo_flushed(w.redo), lg_redo_end(w.redo));
    return LG_OK;
}

static void
begin_is_durable(void *arg)
{
    (void)arg;
    lg_space *s;
    uint32_t file, begun, asked = 0;
    RIG_OK(mount(true));
    RIG_OK(lg_space_create(w.c, &s));
    lg_space_set_forget(s, forget_checks, &asked);
    RIG_OK(lg_space_file_create(w.c, 1, &file));
    write_block(file, 0);
    CU_ASSERT(lg_redo_flushed(w.redo) < lg_redo_end(w.redo)); /* else this test shows nothing */
    RIG_OK(lg_segment_drop(s, file));
    CU_ASSERT_EQUAL(asked, 1);
    RIG_OK(lg_space_file_create(w.c, 1, &begun));
    RIG_OK(lg_space_file_drop_begin(w.c, begun));
    CU_ASSERT_EQUAL(lg_redo_flushed(w.redo), lg_redo_end(w.redo));
    RIG_OK(lg_space_file_create(w.c, 1, &file));
    write_block(file, 0);
    RIG_OK(lg_space_sweep(s)); /* finishes what was begun */
    CU_ASSERT_EQUAL(asked, 2);
    lg_space_destroy(s);
}

LG_TEST(test_space_file__a_drop_is_durable_before_anybody_forgets)
{
    in_fiber(begin_is_durable, 2, 64 * MIB, 8192);
}

/* What a life that ended between taking an AU and mapping it had taken, the next gives back. */
static void
taken_comes_back(void *arg)
{
    (void)arg;
    uint32_t file, blocks;
    RIG_OK(mount(true));
    RIG_OK(lg_space_file_create(w.c, 1, &file));
    uint64_t before = free_aus();
    RIG_OK(lg_space_taken_return(w.c));
    CU_ASSERT_EQUAL(free_aus(), before); /* what is mapped is nobody's to take back */
    lg_fault_spec death = {.action = LG_FAULT_RETURN, .status = LG_IO, .count = 1};
    lg_faults_arm(w.rig.nodes[0].faults, "space_file_taken", &death);
    CU_ASSERT_EQUAL(lg_space_file_extend(w.c, file, 3, NULL), LG_IO);
    CU_ASSERT_EQUAL(free_aus(), before - 3);
    RIG_OK(lg_space_file_extend(w.c, file, 2, &blocks)); /* others go on meanwhile */
    CU_ASSERT_EQUAL(free_aus(), before - 5);
    RIG_OK(lg_space_taken_return(w.c));
    CU_ASSERT_EQUAL(free_aus(), before - 2);
    RIG_OK(lg_space_taken_return(w.c));
    CU_ASSERT_EQUAL(free_aus(), before - 2);
    RIG_OK(lg_space_file_extend(w.c, file, 3, &blocks));
    CU_ASSERT_EQUAL(free_aus(), before - 5);
    RIG_OK(lg_space_file_drop(w.c, file));
    CU_ASSERT_EQUAL(free_aus(), before + 1);
}

LG_TEST(test_space_file__what_was_taken_comes_back)
{
    in_fiber(taken_comes_back, 2, 64 * MIB, 8192);
}

/* Frees the first AU of the file behind its back. */
static void
first_au_free(uint32_t file)
{
    lg_volume_place place;
    lg_mtr m;
    lg_buf *b;
    uint8_t mask;
    RIG_OK(lg_buf_locate(w.c, (lg_addr){file, 0}, &place));
    uint32_t au = (uint32_t)(place.offset / LG_VOLUME_AU_BYTES);
    uint32_t at = lg_vol_bits_byte(au % lg_vol_aubits_per_block(lg_buf_block_bytes(w.c)), &mask);
    lg_mtr_begin(&m, w.c);
    RIG_OK(lg_mtr_get(&m, lg_vol_aubits_addr(w.v, place.disk_index, au), LG_LATCH_X, 0, &b));
    uint8_t byte = b->data[at] & (uint8_t)~mask;
    lg_mtr_set(&m, b, at, &byte, 1);
    lg_mtr_commit(&m, NULL);
}

/* The sweeper of the dead goes round what it cannot free. */
static void
bad_one_stays(void *arg)
{
    (void)arg;
    uint32_t bad, good, blocks;
    RIG_OK(mount(true));
    uint64_t before = free_aus();
    RIG_OK(lg_space_file_create(w.c, 2, &bad));
    RIG_OK(lg_space_file_create(w.c, 3, &good));
    first_au_free(bad);
    RIG_OK(lg_space_file_drop_begin(w.c, bad));
    RIG_OK(lg_space_file_drop_begin(w.c, good));
    CU_ASSERT_EQUAL(lg_space_files_sweep(w.c, NULL, NULL), LG_CORRUPT);
    CU_ASSERT_EQUAL(lg_space_file_blocks(w.c, good, &blocks), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(free_aus(), before - 1);
    CU_ASSERT_EQUAL(lg_space_files_sweep(w.c, NULL, NULL), LG_CORRUPT);
    CU_ASSERT_EQUAL(free_aus(), before - 1);
}

LG_TEST(test_space_file__a_drop_that_cannot_end_holds_up_no_other)
{
    in_fiber(bad_one_stays, 2, 64 * MIB, 8192);
}

static void
first_block(lg_mtr *m, lg_buf *b)
{
    lg_mtr_format(m, b, LG_BLOCK_BTREE);
}

/* Reserved segments own nothing; two spaces over one cache stand for two instances. */
static void
reserved(void *arg)
{
    (void)arg;
    lg_space *a, *b;
    lg_segment *ga, *gb;
    uint32_t f[3], blocks, block;
    unsigned flags;
    bool begun;
    lg_buf *x;
    RIG_OK(mount(true));
    RIG_OK(lg_space_create(w.c, &a));
    RIG_OK(lg_space_create(w.c, &b));
    uint64_t before = free_aus();
    for (int i = 0; i < 3; i++)
        RIG_OK(lg_segment_reserve(a, &f[i]));
    CU_ASSERT_EQUAL(free_aus(), before);
    CU_ASSERT_EQUAL(lg_buf_get(w.c, (lg_addr){f[0], 0}, LG_LATCH_S, &x), LG_INVALID);
    RIG_OK(lg_segment_open_reserved(a, f[0], LG_SEGMENT_BTREE, &ga));
    RIG_OK(lg_segment_open_reserved(b, f[0], LG_SEGMENT_BTREE, &gb));
    RIG_OK(lg_segment_blocks(ga, &blocks));
    CU_ASSERT_EQUAL(blocks, 0);
    RIG_OK(lg_segment_begin(ga, first_block));
    CU_ASSERT_EQUAL(free_aus(), before - 1);
    RIG_OK(lg_segment_begun(gb, &begun)); /* the other sees it, and begins nothing again */
    CU_ASSERT(begun);
    RIG_OK(lg_segment_begin(gb, first_block));
    CU_ASSERT_EQUAL(free_aus(), before - 1);
    RIG_OK(lg_buf_get(w.c, (lg_addr){f[0], LG_SEGMENT_FIRST_BLOCK}, LG_LATCH_S, &x));
    CU_ASSERT_EQUAL(((const lg_block_header *)(const void *)x->data)->type, LG_BLOCK_BTREE);
    lg_buf_put(w.c, x, LG_LATCH_S);
    RIG_OK(lg_segment_alloc(gb, &block, &flags));
    CU_ASSERT_EQUAL(block, LG_SEGMENT_FIRST_BLOCK + 1);

    RIG_OK(lg_space_file_begin(w.c, f[1])); /* died before the header: the next one goes on */
    RIG_OK(lg_segment_open_reserved(b, f[1], LG_SEGMENT_HEAP, &gb));
    RIG_OK(lg_segment_begun(gb, &begun));
    CU_ASSERT(!begun);
    RIG_OK(lg_segment_alloc(gb, &block, &flags));
    CU_ASSERT_EQUAL(block, LG_SEGMENT_FIRST_BLOCK);
    CU_ASSERT_EQUAL(free_aus(), before - 2);
    RIG_OK(lg_segment_open_reserved(a, f[1], LG_SEGMENT_HEAP, &ga));
    RIG_OK(lg_segment_blocks(ga, &blocks));
    CU_ASSERT(blocks > LG_SEGMENT_FIRST_BLOCK);

    for (int i = 0; i < 3; i++)
        RIG_OK(lg_segment_drop(a, f[i]));
    CU_ASSERT_EQUAL(lg_segment_drop(a, f[2]), LG_NOT_FOUND);
    CU_ASSERT_EQUAL(free_aus(), before);
    CU_ASSERT_EQUAL(lg_segment_open_reserved(a, f[2], LG_SEGMENT_HEAP, &ga), LG_NOT_FOUND);
    RIG_OK(lg_space_files_sweep(w.c, NULL, NULL));
    lg_space_destroy(a);
    lg_space_destroy(b);
}

LG_TEST(test_space_file__a_reserved_segment_owns_nothing)
{
    in_fiber(reserved, 2, 64 * MIB, 8192);
}

static void
disk_full(void *arg)
{
    (void)arg;
    RIG_OK(mount(true));
    uint32_t f, blocks, none = 0;
    uint64_t n = free_aus();
    RIG_OK(lg_space_file_create(w.c, 2, &f));
    CU_ASSERT_EQUAL(lg_space_file_extend(w.c, f, (uint32_t)n, &blocks), LG_DISK_FULL);
    CU_ASSERT_EQUAL(free_aus(), n - 2); /* nothing of it stays taken */
    RIG_OK(lg_space_file_blocks(w.c, f, &blocks));
    CU_ASSERT_EQUAL(blocks, 256);
    CU_ASSERT_EQUAL(lg_space_file_create(w.c, (uint32_t)n, &none), LG_DISK_FULL);
    CU_ASSERT_EQUAL(free_aus(), n - 2);
    uint32_t reserve = 4; /* two on each disk, for new files only */
    CU_ASSERT_EQUAL(lg_space_file_extend(w.c, f, (uint32_t)n - 2 - reserve + 1, &blocks),
                    LG_DISK_FULL);
    RIG_OK(lg_space_file_extend(w.c, f, (uint32_t)n - 2 - reserve, &blocks)); /* to the last AU */
    CU_ASSERT_EQUAL(free_aus(), reserve);
    CU_ASSERT_EQUAL(lg_space_file_extend(w.c, f, 1, &blocks), LG_DISK_FULL);
    for (uint32_t i = 0; i < reserve; i++)
        RIG_OK(lg_space_file_create(w.c, 1, &none));
    CU_ASSERT_EQUAL(free_aus(), 0);
    CU_ASSERT_EQUAL(lg_space_file_create(w.c, 1, &none), LG_DISK_FULL);
    RIG_OK(lg_space_file_blocks(w.c, f, &blocks));
    write_block(f, blocks - 1);
    expect_block(f, blocks - 1);
}

LG_TEST(test_space_file__disk_full_comes_before_any_change)
{
    in_fiber(disk_full, 2, 64 * MIB, 8192);
}

/* Small blocks: a root holds 442 AUs, so a file of 1200 needs two map blocks. */
static void
large_file(void *arg)
{
    (void)arg;
    RIG_OK(mount(true));
    uint64_t before = free_aus();
    uint32_t f, blocks, step = 150;
    RIG_OK(lg_space_file_create(w.c, 0, &f));
    for (uint32_t i = 1; i <= 8; i++) {
        RIG_OK(lg_space_file_extend(w.c, f, step, &blocks));
        CU_ASSERT_EQUAL(blocks, i * step * 256);
    }
    for (uint32_t b = 0; b < blocks; b += 997)
        write_block(f, b);
    lg_volume_map_forget(w.v, f);
    for (uint32_t b = 0; b < blocks; b += 997)
        expect_block(f, b);
    write_block(f, blocks - 1);
    expect_block(f, blocks - 1);
    RIG_OK(lg_space_file_drop(w.c, f));
    CU_ASSERT_EQUAL(free_aus(), before);
}

LG_TEST(test_space_file__large_files_use_map_blocks)
{
    in_fiber(large_file, 2, 700ull * MIB, 4096);
}

static void
grow(void *arg)
{
    (void)arg;
    RIG_OK(mount(true));
    uint64_t before = free_aus();
    RIG_OK(lg_volume_disk_add(w.v, "disk2", false));
    CU_ASSERT_EQUAL(free_aus(), before); /* not before its bitmap is there */
    RIG_OK(lg_space_disk_format(w.c, 2));
    RIG_OK(lg_space_disk_format(w.c, 2));
    CU_ASSERT_EQUAL(free_aus(), before + 64 - lg_volume_disk_fixed_aus(w.v, 2));
    uint32_t f, blocks;
    RIG_OK(lg_space_file_create(w.c, (uint32_t)free_aus(), &f));
    RIG_OK(lg_space_file_blocks(w.c, f, &blocks));
    for (uint32_t b = 0; b < blocks; b += 128)
        write_block(f, b);
    for (uint32_t b = 0; b < blocks; b += 128)
        expect_block(f, b);
}

LG_TEST(test_space_file__a_new_disk_is_used)
{
    in_fiber(grow, 3, 64 * MIB, 8192);
}

static void
add_instance(void *arg)
{
    (void)arg;
    RIG_OK(mount(true));
    uint64_t before = free_aus();
    CU_ASSERT_EQUAL(lg_space_instance_add(w.c, 0), LG_EXISTS);
    RIG_OK(lg_space_instance_add(w.c, 5));
    CU_ASSERT_EQUAL(lg_space_instance_add(w.c, 5), LG_EXISTS);
    CU_ASSERT_EQUAL(free_aus(), before - lg_volume_instance_aus(w.v));
    lg_redo_config rc = {.run = w.rig.nodes[0].run, .volume = w.v, .thread = 5};
    lg_redo *r;
    RIG_OK(lg_redo_open(&rc, &r));
    RIG_OK(lg_redo_close(r, true));
}

LG_TEST(test_space_file__an_instance_area_is_added)
{
    in_fiber(add_instance, 2, 64 * MIB, 8192);
}

/* ---- every I/O fails in turn ---- */

static lg_status
everything(void)
{
    uint32_t f, g, blocks;
    LG_TRY(mount(true));
    LG_TRY(lg_space_file_create(w.c, 2, &f));
    LG_TRY(lg_space_file_create(w.c, 0, &g));
    LG_TRY(lg_space_file_extend(w.c, g, 3, &blocks));
    for (uint32_t b = 0; b < 100; b++) {
        lg_mtr t;
        lg_buf *x;
        lg_lsn lsn;
        lg_mtr_begin(&t, w.c);
        LG_TRY(lg_mtr_get(&t, (lg_addr){f, b}, LG_LATCH_X, LG_MTR_NEW, &x));
        lg_mtr_format(&t, x, LG_BLOCK_HEAP);
        lg_mtr_commit(&t, &lsn);
        if (b % 20 == 0)
            LG_TRY(lg_redo_flush(w.redo, lsn));
    }
    LG_TRY(lg_space_file_drop(w.c, f));
    LG_TRY(lg_buf_write_dirty(w.c, LG_LSN_MAX, UINT32_MAX, NULL));
    LG_TRY(lg_redo_checkpoint(w.redo, lg_redo_flushed(w.redo)));
    return lg_redo_close(w.redo, true);
}

static void
everything_fiber(void *arg)
{
    (void)arg;
    w.st = everything();
}

static void
fail_nth(const char *point)
{
    uint64_t n = 0;
    for (;; n += n < 15 ? 1 : 11) {
        memset(&w, 0, sizeof w);
        w.block_bytes = 8192;
        rig_open(&w.rig, 9, 2, 64 * MIB);
        rig_node_start(&w.rig, 0);
        lg_fault_spec spec = {.action = LG_FAULT_RETURN, .status = LG_IO, .skip = n, .count = 1};
        lg_faults_arm(w.rig.nodes[0].faults, point, &spec);
        CU_ASSERT_FATAL(rig_run(&w.rig, 0, everything_fiber, NULL, 1000 * LG_SEC)); /* no hang */
        uint64_t hits = lg_faults_hits(w.rig.nodes[0].faults, point);
        CU_ASSERT(w.st == LG_OK || w.st == LG_IO || w.st == LG_NO_DISK || w.st == LG_CORRUPT);
        rig_close(&w.rig);
        if (hits <= n)
            break;
    }
    CU_ASSERT_EQUAL(w.st, LG_OK);
    CU_ASSERT(n > 5);
}

LG_TEST(test_space_file__every_write_fails_in_turn)
{
    fail_nth("io_write");
}

LG_TEST(test_space_file__every_read_fails_in_turn)
{
    fail_nth("io_read");
}

LG_TEST(test_space_file__every_sync_fails_in_turn)
{
    fail_nth("io_sync");
}
