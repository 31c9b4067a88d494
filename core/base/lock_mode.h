/* PostgreSQL's lock modes of tables, by its numbers: shared by the catalog and the enqueue service.
 */
#ifndef LG_BASE_LOCK_MODE_H
#define LG_BASE_LOCK_MODE_H

typedef enum lg_lock_mode {
    LG_LOCK_NONE = 0,
    LG_LOCK_ACCESS_SHARE = 1,           /* SELECT */
    LG_LOCK_ROW_SHARE = 2,              /* SELECT FOR UPDATE */
    LG_LOCK_ROW_EXCLUSIVE = 3,          /* INSERT, UPDATE, DELETE */
    LG_LOCK_SHARE_UPDATE_EXCLUSIVE = 4, /* ANALYZE, VACUUM */
    LG_LOCK_SHARE = 5,                  /* CREATE INDEX; advisory shared */
    LG_LOCK_SHARE_ROW_EXCLUSIVE = 6,
    LG_LOCK_EXCLUSIVE = 7,        /* advisory exclusive */
    LG_LOCK_ACCESS_EXCLUSIVE = 8, /* DROP, ALTER, TRUNCATE */
} lg_lock_mode;
#define LG_LOCK_MODES 9

#endif
