/* Ordinary files of the server's file system, read or written from start to end (COPY ... 'file').
 *
 * LIFE      open -> read or write until done -> close.
 * BLOCKING  Each call does its system calls on a helper thread and blocks the fiber meanwhile. Waiting for the other
 *           end of a FIFO, a terminal or the like is cancelable; a system call that hangs (a dead network file
 *           system) is not.
 * ERRORS    LG_IO; *ret_errno then says why (errno's values; EISDIR for a directory). Any other: the cancel.
 * One user at a time; nothing is synced: what is written is as durable as any program's output.
 */
#ifndef LG_SERVER_FILE_H
#define LG_SERVER_FILE_H

#include "run.h"
#include "status.h"

typedef struct lg_server_file lg_server_file;

/* For writing the file is made (mode 0644) or emptied. */
LG_MUST lg_status lg_server_file_open(lg_run *run, const char *path, bool write,
                                      lg_server_file **ret_file, int *ret_errno);
/* *ret_n 0: the end. */
LG_MUST lg_status lg_server_file_read(lg_server_file *f, void *buf, size_t cap, size_t *ret_n,
                                      int *ret_errno);
LG_MUST lg_status lg_server_file_write(lg_server_file *f, const void *data, size_t len,
                                       int *ret_errno);
/* The file is closed and freed also when that fails (a full network file system). NULL is fine. */
lg_status lg_server_file_close(lg_server_file *f, int *ret_errno);

#endif
