/* pg_settings: the settings as the session that asks has them. */
#include "array.h"
#include "session_internal.h"
#include "virtual.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const lg_virtual_column columns[] = {
    {"name", LG_T_TEXT},       {"setting", LG_T_TEXT},         {"unit", LG_T_TEXT},
    {"category", LG_T_TEXT},   {"short_desc", LG_T_TEXT},      {"extra_desc", LG_T_TEXT},
    {"context", LG_T_TEXT},    {"vartype", LG_T_TEXT},         {"source", LG_T_TEXT},
    {"min_val", LG_T_TEXT},    {"max_val", LG_T_TEXT},         {"enumvals", LG_T_TEXT_ARRAY},
    {"boot_val", LG_T_TEXT},   {"reset_val", LG_T_TEXT},       {"sourcefile", LG_T_TEXT},
    {"sourceline", LG_T_INT4}, {"pending_restart", LG_T_BOOL},
};
#define COLUMNS (sizeof columns / sizeof *columns)

/* "a, b" as an array. */
static lg_datum
words(lg_arena *a, const char *list)
{
    lg_datum v[64];
    uint32_t n = 0;
    while (*list && n < 64) {
        size_t len = strcspn(list, ",");
        v[n++] = lg_datum_text(a, list, len);
        list += len;
        while (*list == ',' || *list == ' ')
            list++;
    }
    return lg_array_make(a, LG_T_TEXT, n, v, NULL);
}

static lg_status
rows_settings(void *arg, lg_virtual_ctx *ctx)
{
    static const char *const types[] = {"bool", "integer", "real", "string", "enum"};
    lg_exec_session *es = ctx->session;
    lg_session *s = es->arg;
    (void)arg;
    for (int id = 0; id < LG_SETTING_COUNT; id++) {
        const lg_setting_info *i = lg_setting_info_of((lg_setting_id)id);
        const char *value = lg_settings_get(s->settings, i->name);
        const char *reset = lg_settings_reset_value(s->settings, (lg_setting_id)id);
        bool ranged = i->type == LG_SETTING_INTEGER || i->type == LG_SETTING_REAL;
        bool unit = i->unit && *i->unit, enums = i->enums && *i->enums;
        const char *text[COLUMNS] = {i->name,
                                     value,
                                     unit ? i->unit : NULL,
                                     i->category,
                                     i->text,
                                     NULL,
                                     i->context,
                                     types[i->type],
                                     value && i->boot && strcmp(value, i->boot) == 0 ? "default"
                                                                                     : "session",
                                     ranged ? lg_arena_printf(ctx->arena, "%.15g", i->min) : NULL,
                                     ranged ? lg_arena_printf(ctx->arena, "%.15g", i->max) : NULL,
                                     NULL,
                                     i->boot,
                                     reset,
                                     NULL,
                                     NULL,
                                     NULL};
        lg_datum v[COLUMNS] = {0};
        uint8_t null[COLUMNS];
        for (size_t k = 0; k < COLUMNS; k++) {
            null[k] = text[k] == NULL;
            if (text[k])
                v[k] = lg_datum_cstring_text(ctx->arena, text[k]);
        }
        if (enums) {
            v[11] = words(ctx->arena, i->enums);
            null[11] = 0;
        }
        null[COLUMNS - 1] = 0; /* pending_restart: false */
        ctx->emit(ctx, v, null);
    }
    return LG_OK;
}

lg_status
lg_session_views_register(lg_catalog *cat)
{
    static const lg_virtual_rel settings = {
        .name = "pg_settings", .columns = columns, .ncolumns = COLUMNS, .rows = rows_settings};
    return lg_catalog_virtual_register(cat, &settings);
}
