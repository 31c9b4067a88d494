/* Temporary files on a real directory. */
#include "lg_test.h"
#include "fault.h"
#include "mem.h"
#include "run.h"
#include "temp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct world {
    lg_run *run;
    lg_faults *faults;
    lg_temp *temp;
    lg_temp_owner owner;
    void (*body)(struct world *w);
};

static void
world_main(void *arg)
{
    struct world *w = arg;
    LG_ASSERT_OK(lg_temp_create(w->run, "/tmp", &w->temp));
    lg_temp_owner_init(&w->owner);
    w->body(w);
    lg_temp_owner_fini(&w->owner);
    lg_temp_info i;
    lg_temp_info_get(w->temp, &i);
    CU_ASSERT_EQUAL(i.files, 0);
    CU_ASSERT_EQUAL(i.bytes, 0);
    CU_ASSERT_EQUAL(w->owner.used_bytes, 0);
    lg_temp_destroy(w->temp);
    lg_run_stop(w->run);
}

static void
in_world(void (*body)(struct world *w))
{
    struct world w = {.body = body, .faults = lg_faults_create()};
    lg_run_config cfg = {.name = "t", .faults = w.faults};
    LG_ASSERT_OK(lg_run_create(&cfg, &w.run));
    LG_ASSERT_OK(lg_run_spawn(w.run, "main", 0, world_main, &w, NULL));
    LG_ASSERT_OK(lg_run_loop(w.run));
    lg_run_destroy(w.run);
    lg_faults_destroy(w.faults);
}

static uint32_t
word_at(uint64_t i)
{
    return (uint32_t)(i * 2654435761u + 7);
}

/* Words of a sequence in pieces of all sizes, read back at any time. */
static void
pieces(struct world *w)
{
    lg_temp_file *f;
    lg_temp_reader *r;
    uint32_t buf[5000];
    uint64_t at = 0, word;
    LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, 16384, &f));
    LG_ASSERT_OK(lg_temp_reader_open(f, 0, 8192, &r));
    CU_ASSERT_EQUAL(lg_temp_read(r, buf, 4), LG_END);
    for (uint32_t n = 1; n < 3000; n = n * 3 / 2 + 1) {
        for (uint32_t i = 0; i < n; i++)
            buf[i] = word_at(at + i);
        LG_ASSERT_OK(lg_temp_file_write(f, buf, n * 4));
        at += n;
        uint64_t from = at * 2 / 3;
        lg_temp_reader_seek(r, from * 4);
        for (word = from; word < at; word++) {
            uint32_t got = 0;
            LG_ASSERT_OK(lg_temp_read(r, &got, 4));
            CU_ASSERT_EQUAL_FATAL(got, word_at(word));
        }
        CU_ASSERT_EQUAL(lg_temp_read(r, buf, 4), LG_END);
    }
    LG_ASSERT_OK(lg_temp_file_seal(f));
    CU_ASSERT_EQUAL(lg_temp_file_size(f), at * 4);
    lg_temp_reader_seek(r, 0);
    for (word = 0; word + 100 <= at; word += 100) {
        LG_ASSERT_OK(lg_temp_read(r, buf, 400));
        for (uint32_t i = 0; i < 100; i++)
            CU_ASSERT_EQUAL_FATAL(buf[i], word_at(word + i));
    }
    lg_temp_file_close(f); /* with its reader */
    CU_ASSERT(!lg_list_empty(&w->owner.files));
    lg_temp_reader_close(r);
    CU_ASSERT(lg_list_empty(&w->owner.files));
}

LG_TEST(test_temp__reads_what_was_written)
{
    in_world(pieces);
}

/* Several files side by side share the scratch file's extents. */
static void
many(struct world *w)
{
    enum { FILES = 12 };
    lg_temp_file *f[FILES];
    lg_temp_reader *r;
    char *block = lg_zalloc(100000);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < FILES; i++)
            LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, 8192u << (i % 6), &f[i]));
        for (int k = 0; k < 10; k++)
            for (int i = 0; i < FILES; i++) {
                memset(block, 'a' + (i + k + round) % 26, 100000);
                LG_ASSERT_OK(lg_temp_file_write(f[i], block, 100000));
            }
        for (int i = 0; i < FILES; i++) {
            LG_ASSERT_OK(lg_temp_file_seal(f[i]));
            LG_ASSERT_OK(lg_temp_reader_open(f[i], 0, 8192u << ((i + 3) % 6), &r));
            for (int k = 0; k < 10; k++) {
                LG_ASSERT_OK(lg_temp_read(r, block, 100000));
                char c = (char)('a' + (i + k + round) % 26);
                CU_ASSERT(block[0] == c && block[50000] == c && block[99999] == c);
            }
            lg_temp_reader_close(r);
            if (i % 2)
                lg_temp_file_close(f[i]);
        }
        for (int i = 0; i < FILES; i += 2)
            lg_temp_file_close(f[i]);
    }
    lg_temp_info i;
    lg_temp_info_get(w->temp, &i);
    CU_ASSERT_EQUAL(i.files_made, 3 * FILES);
    lg_free(block);
}

LG_TEST(test_temp__files_share_the_space)
{
    in_world(many);
}

static lg_temp_file *
file_of(struct world *w, uint32_t megabytes)
{
    lg_temp_file *f;
    char *block = lg_zalloc(1 << 20);
    memset(block, 'x', 1 << 20);
    LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, LG_TEMP_BUFFER_MAX, &f));
    for (uint32_t i = 0; i < megabytes; i++)
        LG_ASSERT_OK(lg_temp_file_write(f, block, 1 << 20));
    LG_ASSERT_OK(lg_temp_file_seal(f));
    lg_free(block);
    return f;
}

static uint64_t
kept(struct world *w)
{
    lg_temp_info i;
    lg_temp_info_get(w->temp, &i);
    return i.bytes_kept >> 20;
}

/* A small file stays while large ones come and go. */
static void
shrink(struct world *w)
{
    lg_temp_file *small = file_of(w, 1), *large = file_of(w, 40), *other = file_of(w, 40);
    char byte;
    lg_temp_reader *r;
    lg_temp_file_close(large);
    CU_ASSERT_EQUAL(kept(w), 40);
    lg_temp_file_close(other); /* 80 would be too much */
    CU_ASSERT_EQUAL(kept(w), 40);
    large = file_of(w, 30); /* takes what is kept first */
    CU_ASSERT_EQUAL(kept(w), 10);
    lg_temp_file_close(file_of(w, 60));
    CU_ASSERT(kept(w) <= 64);
    lg_temp_file_close(large);
    CU_ASSERT(kept(w) <= 64);
    LG_ASSERT_OK(lg_temp_reader_open(small, 1000, 8192, &r));
    LG_ASSERT_OK(lg_temp_read(r, &byte, 1));
    CU_ASSERT_EQUAL(byte, 'x');
    lg_temp_reader_close(r);
    lg_temp_file_close(small);
    CU_ASSERT_EQUAL(kept(w), 0);
}

LG_TEST(test_temp__closed_files_give_their_space_back)
{
    in_world(shrink);
}

static void
limit(struct world *w)
{
    lg_temp_file *f;
    char block[8192] = {1};
    w->owner.limit_bytes = 32768;
    LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, 8192, &f));
    for (int i = 0; i < 4; i++)
        LG_ASSERT_OK(lg_temp_file_write(f, block, sizeof block));
    CU_ASSERT_EQUAL(lg_temp_file_write(f, block, sizeof block), LG_LIMIT);
    CU_ASSERT_EQUAL(lg_temp_file_seal(f), LG_LIMIT);
    /* left open: the owner closes it */
}

LG_TEST(test_temp__limit)
{
    in_world(limit);
}

static void
errors(struct world *w)
{
    lg_temp_file *f;
    lg_temp_reader *r;
    char block[8192] = {1};
    lg_fault_spec spec = {.action = LG_FAULT_RETURN, .status = LG_IO};
    lg_faults_arm(w->faults, "temp_open", &spec);
    CU_ASSERT_EQUAL(lg_temp_file_create(w->temp, &w->owner, 0, &f), LG_IO);
    lg_faults_disarm(w->faults, "temp_open");
    LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, 0, &f));
    LG_ASSERT_OK(lg_temp_file_write(f, block, sizeof block));
    lg_faults_arm(w->faults, "io_write", &spec); /* the device itself */
    lg_status st = lg_temp_file_write(f, block, sizeof block);
    CU_ASSERT_EQUAL(st == LG_OK ? lg_temp_file_seal(f) : st, LG_IO);
    lg_faults_disarm(w->faults, "io_write");
    CU_ASSERT_EQUAL(lg_temp_reader_open(f, 0, 0, &r), LG_IO);
    lg_temp_file_close(f);
    LG_ASSERT_OK(lg_temp_file_create(w->temp, &w->owner, 0, &f));
    for (int i = 0; i < 5; i++)
        LG_ASSERT_OK(lg_temp_file_write(f, block, sizeof block));
    LG_ASSERT_OK(lg_temp_file_seal(f));
    LG_ASSERT_OK(lg_temp_reader_open(f, 0, 0, &r));
    lg_faults_arm(w->faults, "io_read", &spec);
    CU_ASSERT_EQUAL(lg_temp_read(r, block, sizeof block), LG_IO);
    lg_faults_disarm(w->faults, "io_read");
    LG_ASSERT_OK(lg_temp_read(r, block, sizeof block));
    lg_temp_reader_close(r);
    lg_temp_file_close(f);
}

LG_TEST(test_temp__errors)
{
    in_world(errors);
}
