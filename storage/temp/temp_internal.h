/* Shared by temp.c (space, files) and temp_read.c. */
#ifndef LG_STORAGE_TEMP_INTERNAL_H
#define LG_STORAGE_TEMP_INTERNAL_H

#include "list.h"
#include "temp.h"
#include "waitq.h"

struct lg_temp {
    lg_run *run;
    lg_io *io;
    char *dir;
    lg_disk *disk; /* NULL until the first file, and again when it was given back */
    bool opening;
    lg_waitq opened;
    uint64_t *map;    /* extents in use */
    uint64_t *backed; /* extents that the file system keeps space for */
    uint32_t spare;   /* backed, not in use */
    bool no_discard;  /* the file system cannot */
    uint32_t words, hint;
    uint32_t extents, files;
    uint64_t reach; /* bytes of the scratch file that were ever in use */
    uint64_t files_made, bytes_written;
};

/* One request at a time. */
typedef struct lg_temp_io {
    lg_io_req req;
    lg_temp *t;
    lg_fiber *waiter;
    lg_status st;
    bool busy;
} lg_temp_io;

struct lg_temp_file {
    lg_list link; /* owner->files */
    lg_temp *t;
    lg_temp_owner *o;
    uint32_t *extents;
    uint32_t nextents, cap;
    uint32_t buffer; /* bytes */
    char *buf[2];    /* buf[cur] is filled, the other one may be in flight */
    uint32_t cur, fill;
    uint64_t size;    /* appended */
    uint64_t durable; /* see invariant 2; a multiple of buffer unless sealed */
    lg_temp_io io;
    lg_status st; /* of the first failure */
    bool sealed, closed;
    unsigned readers;
};

lg_status lg_temp__wait(lg_temp_io *io, lg_temp_owner *o);
void lg_temp__submit(lg_temp_file *f, lg_temp_io *io, lg_io_op op, uint64_t offset, void *buf,
                     uint32_t len);
uint32_t lg_temp__buffer_size(uint32_t wanted);

#endif
