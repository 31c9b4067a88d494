/* Redo thread: this instance's write-ahead log of physical change vectors.
 *
 * An LSN is a byte position in the thread's endless stream; the stream lives in a ring of
 * preallocated log files in the volume. Records are atomic: length, checksum, contiguous; written in
 * 512-byte-sector (or device block) aligned flushes of up to 64 KiB, several in flight, completed in
 * order. Flushing starts whenever the device is free: there is no timer. Nothing is overwritten
 * before the checkpoint has passed it: reservation waits (wait event "log file switch (checkpoint
 * incomplete)") and pokes the checkpointer. Filled log files are archived before reuse when
 * archiving is on.
 *
 * The thread header (two alternating copies, checksummed) records: incarnation, checkpoint LSN, state
 * (open / closed cleanly). A thread that is open and whose instance is dead needs recovery.
 */
#ifndef LG_REDO_REDO_H
#define LG_REDO_REDO_H

#include "block.h"
#include "run.h"
#include "volume.h"

typedef uint64_t lg_lsn;
#define LG_LSN_NONE UINT64_MAX
#define LG_LSN_MAX  (UINT64_MAX - 1)

typedef struct lg_redo lg_redo;

#endif
