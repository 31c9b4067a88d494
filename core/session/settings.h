/* Session settings (GUCs): values of one session, with PostgreSQL's rules for SET, SET LOCAL,
 * RESET, transactions and savepoints. The list is settings.def; a name with a dot that is not in
 * the list is a custom setting, as in PostgreSQL.
 *
 * A change made in a transaction is remembered on a stack, newest last. COMMIT undoes the LOCAL
 * ones unless a later SET of the same name stands; ROLLBACK undoes all; ROLLBACK TO undoes those
 * above the mark. Values are owned strings in canonical form; typed getters parse what is already
 * checked. Owned by one session's fiber.
 */
#ifndef LG_SESSION_SETTINGS_H
#define LG_SESSION_SETTINGS_H

#include "error.h"
#include "status.h"
#include <stddef.h>
#include <stdint.h>

typedef enum lg_setting_id {
#define LG_SETTING(name, type, boot, unit, context, reported, min, max, enums, category, text)     \
    LG_SETTING_##name,
#include "settings.def"
#undef LG_SETTING
    LG_SETTING_COUNT
} lg_setting_id;

typedef enum lg_setting_type {
    LG_SETTING_BOOL,
    LG_SETTING_INTEGER,
    LG_SETTING_REAL,
    LG_SETTING_STRING,
    LG_SETTING_ENUM
} lg_setting_type;

typedef struct lg_setting_info {
    const char *name;
    lg_setting_type type;
    const char *boot;
    const char *unit;
    const char *context; /* as PostgreSQL names it: user, superuser, sighup ... */
    bool reported;       /* sent to the client as ParameterStatus */
    double min, max;
    const char *enums; /* comma separated */
    const char *category;
    const char *text;
} lg_setting_info;

typedef struct lg_settings lg_settings;

/* Further checking of a string setting: writes the canonical value or sets the error. */
typedef lg_status (*lg_settings_check_fn)(void *arg, lg_setting_id id, const char *value,
                                          char *ret_canonical, size_t size, lg_error *err);

typedef enum lg_set_how {
    LG_SET_SESSION, /* SET */
    LG_SET_LOCAL,   /* SET LOCAL */
    LG_SET_DEFAULT, /* start-up packet, role, database: also what RESET goes back to */
    LG_SET_FORCE    /* the server itself: no context check, not transactional */
} lg_set_how;

lg_settings *lg_settings_create(lg_settings_check_fn check, void *check_arg);
void lg_settings_destroy(lg_settings *s);

/* value NULL: to the default (SET x TO DEFAULT, RESET x). Errors are PostgreSQL's, in err. */
LG_MUST lg_status lg_settings_set(lg_settings *s, const char *name, const char *value,
                                  lg_set_how how, bool superuser, lg_error *err);
/* Could it be set so for later sessions (ALTER ROLE ... SET)? value NULL: taken back. */
LG_MUST lg_status lg_settings_check(lg_settings *s, const char *name, const char *value,
                                    bool superuser, lg_error *err);
LG_MUST lg_status lg_settings_reset_all(lg_settings *s, lg_error *err);
/* NULL when there is no such setting. The pointer is good until the next change. */
const char *lg_settings_get(const lg_settings *s, const char *name);
/* As SHOW prints it: integers with units in their largest whole unit. buf is used when needed. */
const char *lg_settings_show(const lg_settings *s, const char *name, char *buf, size_t size);
const char *lg_settings_string(const lg_settings *s, lg_setting_id id);
bool lg_settings_bool(const lg_settings *s, lg_setting_id id);
int64_t lg_settings_int(const lg_settings *s, lg_setting_id id); /* in the setting's own unit */
const char *lg_settings_reset_value(const lg_settings *s, lg_setting_id id);

/* Moves with every change of a setting of the list, also when one is taken back. */
uint32_t lg_settings_version(const lg_settings *s);
/* Those whose value is not the built-in default, in the list's order: *pos starts at 0. */
bool lg_settings_next_changed(const lg_settings *s, size_t *pos, lg_setting_id *ret_id,
                              const char **ret_value);

void lg_settings_txn_begin(lg_settings *s);
void lg_settings_txn_end(lg_settings *s, bool committed);
size_t lg_settings_mark(const lg_settings *s); /* for a savepoint */
void lg_settings_rollback_to(lg_settings *s, size_t mark);

/* The next reported setting whose value changed since it was last returned here; NULL: none. */
const lg_setting_info *lg_settings_next_report(lg_settings *s, const char **ret_value);

const lg_setting_info *lg_setting_info_of(lg_setting_id id);
const lg_setting_info *lg_settings_info(const char *name); /* NULL: there is none of that name */

#endif
