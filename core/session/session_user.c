/* Who the session is: SET SESSION AUTHORIZATION, SET ROLE, and what rolls them back.
 *
 *   s->auth_*     who logged in
 *   s->role_oid   the session's user: the setting session_authorization
 *   cat's user    the current user: the setting role, or the session's user when that is none
 *
 * The settings follow the transaction; what they mean is looked up when they are set and remembered
 * by name, so that going back to an earlier value (the end of SET LOCAL, a rollback) reads nothing.
 */
#include "session_internal.h"
#include "acl.h"
#include <string.h>

struct lg_session_known {
    struct lg_session_known *next;
    const char *name;
    lg_oid oid;
    bool super;
};

static struct lg_session_known *
known(lg_session *s, const char *name)
{
    for (struct lg_session_known *k = s->known; k; k = k->next)
        if (!strcmp(k->name, name))
            return k;
    struct lg_session_known *k = LG_NEW(s->arena, struct lg_session_known);
    *k = (struct lg_session_known){.next = s->known, .name = lg_arena_strdup(s->arena, name)};
    s->known = k;
    return k;
}

static lg_status
look_up(lg_session *s, const char *name, struct lg_session_known **ret)
{
    lg_role role;
    lg_status st = lg_cat_role_by_name(s->cat, name, s->statement, &role);
    if (st == LG_NOT_FOUND)
        return lg_error_set(&s->err, "22023", "role \"%s\" does not exist", name);
    LG_TRY(st);
    *ret = known(s, name);
    (*ret)->oid = role.oid;
    (*ret)->super = role.super;
    return LG_OK;
}

void
lg_session__user_begin(lg_session *s, const lg_session_role *role)
{
    struct lg_session_known *k = known(s, s->user);
    k->oid = role->oid;
    k->super = role->super;
    s->auth_super = s->session_super = s->superuser = role->super;
    s->role_oid = s->auth_oid = role->oid;
    s->as_user = s->user;
    s->as_role = "none";
}

lg_status
lg_session__set_role(lg_session *s, const char *value)
{
    struct lg_session_known *k;
    bool may = s->session_super;
    if (!value || !strcmp(value, "none"))
        return LG_OK;
    LG_TRY(look_up(s, value, &k));
    if (!may)
        LG_TRY(lg_cat_is_member(s->cat, s->role_oid, k->oid, true, &may));
    return may ? LG_OK
               : lg_error_set(&s->err, "42501", "permission denied to set role \"%s\"", value);
}

lg_status
lg_session__set_authorization(lg_session *s, const char *value, bool local)
{
    struct lg_session_known *k;
    if (!value)
        value = s->user;
    LG_TRY(look_up(s, value, &k));
    if (k->oid != s->auth_oid && !s->auth_super)
        return lg_error_set(&s->err, "42501", "permission denied to set session authorization");
    lg_set_how how = local ? LG_SET_LOCAL : LG_SET_SESSION;
    LG_TRY(lg_settings_set(s->settings, "role", NULL, how, true, &s->err));
    return lg_settings_set(s->settings, "session_authorization", value, how, true, &s->err);
}

/* After the settings may have changed. Only then is the user set: a function with the rights of its
 * owner runs as another one meanwhile. */
lg_status
lg_session__user_apply(lg_session *s)
{
    const char *user = lg_settings_string(s->settings, LG_SETTING_session_authorization);
    const char *role = lg_settings_string(s->settings, LG_SETTING_role);
    if (!*user)
        user = s->user;
    if (!strcmp(user, s->as_user) && !strcmp(role, s->as_role))
        return LG_OK;
    const struct lg_session_known *k = known(s, user);
    s->as_user = k->name;
    s->role_oid = k->oid;
    s->superuser = s->session_super = k->super;
    s->as_role = "none";
    if (strcmp(role, "none") != 0 && known(s, role)->oid) {
        k = known(s, role);
        s->as_role = k->name;
        s->superuser = k->super;
    }
    lg_cat_set_user(s->cat, k->oid);
    return lg_settings_set(s->settings, "is_superuser", s->superuser ? "on" : "off", LG_SET_FORCE,
                           true, &s->err);
}
