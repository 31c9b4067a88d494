/* The real access methods behind access.h: storage/heap, storage/btree and sequence blocks, over
 * storage/space's segments. One per instance; made by core/instance and given to
 * lg_catalog_create. `struct lg_txn` and `struct lg_snapshot` are storage/txn's. */
#ifndef LG_CATALOG_ACCESS_STORAGE_H
#define LG_CATALOG_ACCESS_STORAGE_H

#include "access.h"
#include "txn.h"

/* The system must outlive it. lg_heap_register and lg_btree_register are the caller's. */
lg_access lg_access_storage(lg_txn_sys *sys);

#endif
