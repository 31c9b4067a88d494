/* What the files of storage/redo share. */
#ifndef LG_REDO_REDO_INTERNAL_H
#define LG_REDO_REDO_INTERNAL_H

#include "redo.h"
#include "waitq.h"

#define LG_REDO_PAGE_BYTES    4096u
#define LG_REDO_HEADER_MAGIC  0x3130524854474cULL
#define LG_REDO_WRITE_BYTES   (64u << 10) /* most in one log write */
#define LG_REDO_MAX_IN_FLIGHT 16u

/* A log write in flight; in order of LSN in lg_redo.writes. */
struct lg_redo__write {
    lg_io_req req;
    lg_list link;
    lg_redo *redo;
    lg_lsn start, end;
    bool done;
};

struct lg_redo {
    lg_run *run;
    lg_volume *volume;
    lg_volume_area area;
    uint32_t thread;
    uint32_t align;
    lg_scn_clock *clock;
    uint32_t crc_seed;
    uint64_t ring_bytes;
    uint8_t *buf; /* the stream's byte at lsn is at lsn % buf_bytes */
    uint32_t buf_bytes;
    uint32_t max_in_flight;

    lg_lsn end;       /* appended */
    lg_lsn submitted; /* given to the device; aligned */
    lg_lsn flushed;   /* durable; aligned */
    lg_lsn want;      /* somebody waits for this */
    uint64_t reserved;
    lg_status broken;

    struct lg_redo__write writes_pool[LG_REDO_MAX_IN_FLIGHT];
    lg_list idle_writes;
    lg_list writes;
    uint32_t in_flight;
    lg_list waiters; /* struct waiter, ascending lsn */
    lg_waitq flusher_q, space_q, header_q, fibers_q, archiver_q;
    bool stop, header_busy;
    uint32_t fibers;

    lg_redo_header header; /* as last written */
    char *archive_dir;
    lg_redo_archive_info archive;
    void (*on_archive)(void *arg, lg_status st);
    void *on_archive_arg;
    void (*poke)(void *arg);
    void *poke_arg;
    void (*on_broken)(void *arg, lg_status why);
    void *on_broken_arg;
};

static inline lg_lsn
lg_redo__align_up(lg_lsn lsn, uint32_t align)
{
    return (lsn + align - 1) / align * align;
}

/* What padding begins with: names its place, so that old ring content is never taken for it. */
static inline uint64_t
lg_redo__pad_mark(lg_lsn lsn, uint32_t incarnation)
{
    return (lsn ^ (uint64_t)incarnation << 40) | 1ULL << 63;
}

uint32_t lg_redo__crc_seed(const lg_volume *v, uint32_t thread);
/* LG_OK: the record at p (len bytes there) is whole and ours. */
bool lg_redo__record_good(const lg_redo_record_header *h, uint32_t crc_seed);

/* redo_header.c */
LG_MUST lg_status lg_redo__header_write(lg_volume *v, const lg_volume_area *area,
                                        lg_redo_header *h);
/* Serialized change of the own thread's header; fields as given, LG_LSN_NONE keeps. */
LG_MUST lg_status lg_redo__header_update(lg_redo *r, lg_redo_state state, lg_lsn checkpoint,
                                         lg_lsn archived);

/* redo_archive.c */
void lg_redo__archiver(void *arg);
/* Copies [from, to) of a thread's ring into an archive file. */
LG_MUST lg_status lg_redo__archive_range(lg_volume *v, const lg_volume_area *area, uint32_t thread,
                                         uint32_t incarnation, const char *dir, lg_lsn from,
                                         lg_lsn to);
/* Reads the ring at a stream position; offset and len aligned, no crossing of the ring's end. */
LG_MUST lg_status lg_redo__ring_read(const lg_volume_area *area, lg_lsn lsn, void *buf, size_t len);

#endif
