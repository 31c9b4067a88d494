/* Redo thread: this instance's write-ahead log of physical change vectors.
 *
 * An LSN is a byte position in the thread's endless stream; the stream lives in a ring of
 * preallocated log files in the instance's area of the volume. A record is atomic: length,
 * checksum, contiguous in the stream; it names its LSN and the thread's incarnation, so that what
 * an older life or an older lap left in the ring is never taken for new. Each flush begins and
 * ends on a sector boundary (the rest is padding), so no sector is ever written twice in a lap and
 * several writes may be in flight; they complete in order. The flusher starts whenever there is
 * something to write and the device is free: there is no timer.
 *
 * SPACE  Nothing is overwritten before the checkpoint (and the archiver, when on) has passed it.
 * Space is reserved before a mini-transaction changes anything (lg_redo_reserve), so commit cannot
 * fail.
 * Invariant:
 *     align_up(end) - reuse_limit + reserved <= ring size       (and the same for the log buffer)
 * A full thread makes reservations wait ("log file switch (checkpoint incomplete)") and pokes the
 * checkpointer.
 *
 * HEADER  two alternating copies, checksummed: incarnation, checkpoint LSN and SCN, state.
 *     FREE -> OPEN (lg_redo_open) -> CLEAN (lg_redo_close, or lg_redo_thread_release after
 *     recovery) -> OPEN
 * A thread that is OPEN while its instance is dead needs recovery.
 *
 * FAILURE  A failed log write (I/O, fenced) breaks the thread for good: every flush and
 * reservation from then on returns that status, and on_broken is called once: the instance must
 * stop.
 */
#ifndef LG_REDO_REDO_H
#define LG_REDO_REDO_H

#include "block.h"
#include "run.h"
#include "volume.h"
#include <sys/uio.h>

typedef uint64_t lg_lsn;
#define LG_LSN_NONE UINT64_MAX
#define LG_LSN_MAX  (UINT64_MAX - 1)

typedef struct lg_redo lg_redo;

/* ---- records ---- */

typedef struct lg_redo_record_header {
    uint32_t len; /* whole record, a multiple of 8 */
    uint32_t crc; /* crc32c of the record with this field zero */
    lg_lsn lsn;
    lg_scn scn;
    uint32_t incarnation;
    uint16_t thread;
    uint16_t change_count;
} lg_redo_record_header;
_Static_assert(sizeof(lg_redo_record_header) == 32, "redo record header");

/* Followed by ops_len bytes of operations (block.h), padded to 8. */
typedef struct lg_redo_change_header {
    uint32_t file;
    uint32_t block;
    lg_version before;
    lg_version after;
    uint32_t ops_len;
    uint32_t flags;
} lg_redo_change_header;
_Static_assert(sizeof(lg_redo_change_header) == 32, "redo change header");

#define LG_REDO_RECORD_MAX (2u << 20)

typedef struct lg_redo_change {
    lg_addr addr;
    lg_version before, after;
    const void *ops;
    uint32_t ops_len;
} lg_redo_change;

/* Walks a record's changes: start with *pos = 0. LG_OK, LG_END, LG_CORRUPT. */
lg_status lg_redo_change_next(const lg_redo_record_header *rec, uint32_t *pos, lg_redo_change *ret);

/* ---- the instance's own thread ---- */

typedef struct lg_redo_config {
    lg_run *run;
    lg_volume *volume;
    uint32_t thread; /* instance slot */
    lg_scn_clock *clock;
    uint32_t buffer_bytes;                       /* 0 = 4 MiB, bounded by the ring */
    uint32_t max_in_flight;                      /* log writes; 0 = 4 */
    const char *archive_dir;                     /* NULL: no archiving */
    void (*on_broken)(void *arg, lg_status why); /* may be NULL */
    /* A file could not be archived (told once), and the first one that could again. May be NULL. */
    void (*on_archive)(void *arg, lg_status st);
    void *arg; /* for on_broken, on_archive */
} lg_redo_config;

/* Opens the thread for writing with a new incarnation; observes the header's SCN. LG_EXISTS: the
 * thread is OPEN and must be recovered first. Spawns the flusher (and archiver) fiber. Blocks. */
LG_MUST lg_status lg_redo_open(const lg_redo_config *cfg, lg_redo **ret_redo);
/* Flushes and marks CLEAN, so that nobody recovers the thread: only when the checkpoint has reached its
 * end. LG_WOULD_WAIT: it has not, blocks may lack what the redo says; the header stays OPEN. Stops the
 * fibers and frees in any case. clean == false: leaves the header OPEN. Blocks. */
LG_MUST lg_status lg_redo_close(lg_redo *r, bool clean);
/* Checkpointer and instance are made after the thread; they set these later. NULL takes one away.
 * */
void lg_redo_set_poke(lg_redo *r, void (*poke)(void *arg), void *arg);
void lg_redo_set_on_broken(lg_redo *r, void (*on_broken)(void *arg, lg_status why), void *arg);

/* Reserves room for `bytes` of records. Blocks while the thread is full; no latch may be held (the
 * checkpointer may need it). Give back what append did not take with lg_redo_unreserve. */
LG_MUST lg_status lg_redo_reserve(lg_redo *r, uint32_t bytes);
bool lg_redo_try_reserve(lg_redo *r, uint32_t bytes); /* false: would have to wait */
/* Grows a reservation; never waits. */
bool lg_redo_try_reserve_more(lg_redo *r, uint32_t bytes);
void lg_redo_unreserve(lg_redo *r, uint32_t bytes);

/* Appends one record made of the header's counterpart parts (change headers and ops, already
 * padded);
 * takes `reserved` (the whole reservation, >= the record's length) back. Never blocks, never
 * fails. */
void lg_redo_append(lg_redo *r, uint16_t change_count, const struct iovec *parts,
                    uint32_t part_count, lg_scn scn, uint32_t reserved, lg_lsn *ret_start,
                    lg_lsn *ret_end);

/* Blocks the fiber until everything before lsn is durable. LG_IO, LG_FENCED: the thread is broken.
 * */
LG_MUST lg_status lg_redo_flush(lg_redo *r, lg_lsn lsn);
void lg_redo_flush_start(lg_redo *r, lg_lsn lsn); /* asks for it, does not wait */
lg_lsn lg_redo_flushed(const lg_redo *r);
lg_lsn lg_redo_end(const lg_redo *r); /* where the next record will begin, or shortly before */
lg_status lg_redo_broken(const lg_redo *r); /* LG_OK while it works */
/* The instance cannot go on (a block cannot be written any more): as if the thread had broken. */
void lg_redo_give_up(lg_redo *r, lg_status why);
uint32_t lg_redo_thread(const lg_redo *r);
uint32_t lg_redo_incarnation(const lg_redo *r);
uint64_t lg_redo_capacity(const lg_redo *r);

/* The checkpoint: durable in the header when it returns; space up to it is free then. Never goes
 * back.
 * lsn: a record's start or a flushed LSN. Blocks. */
LG_MUST lg_status lg_redo_checkpoint(lg_redo *r, lg_lsn lsn);
lg_lsn lg_redo_checkpoint_lsn(const lg_redo *r);
/* Archiving: everything before it has been copied. LG_LSN_MAX when archiving is off. */
lg_lsn lg_redo_archived(const lg_redo *r);

#define LG_REDO_ARCHIVED_KEPT 64u

typedef struct lg_redo_archived_file {
    uint32_t incarnation;
    lg_lsn from, to;
    uint64_t done_us; /* wall clock */
} lg_redo_archived_file;

typedef struct lg_redo_archive_info { /* since the thread was opened */
    uint64_t files, failures;
    uint64_t failed_us; /* the last failure; 0: none */
    lg_status failure;
    lg_redo_archived_file last[LG_REDO_ARCHIVED_KEPT]; /* number n (from 0) at n % KEPT */
} lg_redo_archive_info;

/* NULL: archiving is off. */
const lg_redo_archive_info *lg_redo_archive_info_of(const lg_redo *r);
/* The name of an archive file in its directory. */
void lg_redo_archive_name(uint32_t thread, uint32_t incarnation, lg_lsn from, char *ret,
                          size_t size);

/* ---- any thread, from outside ---- */

typedef enum lg_redo_state { LG_REDO_FREE = 0, LG_REDO_OPEN = 1, LG_REDO_CLEAN = 2 } lg_redo_state;

typedef struct lg_redo_header {
    uint32_t thread;
    uint32_t incarnation;
    lg_redo_state state;
    uint64_t seq;
    lg_lsn start; /* where this incarnation began */
    lg_lsn checkpoint;
    lg_scn scn; /* of the checkpoint */
    lg_lsn archived;
} lg_redo_header;

/* The newer valid copy; a slot never opened reads as FREE. LG_CORRUPT: both copies are bad.
 * Blocks. */
LG_MUST lg_status lg_redo_header_read(lg_volume *v, uint32_t thread, lg_redo_header *ret);
/* After recovery: OPEN -> CLEAN, next incarnation begins past `end`. Idempotent. Only the
 * recoverer calls it, once
 * every block the thread covers is on disk (invariant 7). Blocks. */
LG_MUST lg_status lg_redo_thread_release(lg_volume *v, uint32_t thread, uint32_t incarnation,
                                         lg_lsn end, lg_scn scn);

/* Reads a thread from its checkpoint to its (torn) end. */
typedef struct lg_redo_reader lg_redo_reader;
LG_MUST lg_status lg_redo_reader_open(lg_run *run, lg_volume *v, uint32_t thread,
                                      lg_redo_reader **ret_reader);
const lg_redo_header *lg_redo_reader_header(const lg_redo_reader *rd);
/* LG_OK: *ret_record is valid until the next call. LG_END: the thread ends here. Blocks. */
LG_MUST lg_status lg_redo_reader_next(lg_redo_reader *rd, const lg_redo_record_header **ret_record);
lg_lsn lg_redo_reader_position(const lg_redo_reader *rd); /* end of the last record returned */
void lg_redo_reader_close(lg_redo_reader *rd);

/* Archives what a dead thread has not archived itself, up to `end`, before it is released. Blocks.
 * */
LG_MUST lg_status lg_redo_archive_tail(lg_run *run, lg_volume *v, uint32_t thread,
                                       const char *archive_dir, lg_lsn end);

/* Archived log file: this header (in a page of 4 KiB), then the bytes of [start, end) of the
 * stream. */
typedef struct lg_redo_archive_header {
    char magic[8]; /* "LGARCH1" */
    uint32_t crc;
    uint32_t thread;
    uint32_t incarnation;
    uint32_t block_bytes;
    lg_lsn start, end;
    uint8_t volume_uuid[16];
} lg_redo_archive_header;

#endif
