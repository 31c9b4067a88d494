/* Volume: one or more shared disks seen as files of blocks. See README.md. */
#ifndef LG_VOLUME_VOLUME_H
#define LG_VOLUME_VOLUME_H

#include "block.h"
#include "run.h"

typedef struct lg_volume lg_volume;

#endif
