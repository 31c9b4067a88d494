/* Values from clients: text and binary input of every built-in type. What is accepted must be
 * written as text that reads back to the same text. The first byte draws the type, the second the
 * format. */
#include "fuzz.h"

#include "arena.h"
#include "env.h"
#include "type.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const lg_oid types[] = {16,   17,   18,   19,   20,   21,   23,   25,   26,   114,  700,
                               701,  869,  650,  1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266,
                               1700, 2950, 3802, 1007, 1009, 1231, 1115, 3807, 27};

static void
check_round_trip(const lg_env *env, lg_oid type, lg_datum d, lg_arena *a, lg_error *err)
{
    const char *once, *twice;
    size_t len;
    lg_datum again;
    if (lg_type_output(env, type, d, a, err, &once, &len) != LG_OK)
        return;
    once = lg_arena_strndup(a, once, len); /* output need not be terminated */
    if (lg_type_input(env, type, once, -1, a, err, &again) != LG_OK ||
        lg_type_output(env, type, again, a, err, &twice, &len) != LG_OK ||
        strcmp(once, lg_arena_strndup(a, twice, len)) != 0) {
        fprintf(stderr, "type %u: \"%s\" does not read back\n", type, once);
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 4096)
        return 0;
    lg_oid type = types[data[0] % (sizeof types / sizeof types[0])];
    lg_error err;
    lg_env env;
    lg_env_init(&env);
    lg_arena *a = lg_arena_create("fuzz", 0);
    lg_error_init(&err, a);
    lg_datum d;
    if (data[1] & 1) {
        if (lg_type_recv(&env, type, data + 2, size - 2, -1, a, &err, &d) == LG_OK) {
            const char *text;
            size_t len;
            (void)!lg_type_output(&env, type, d, a, &err, &text, &len);
        }
    } else {
        char *text = malloc(size - 1);
        memcpy(text, data + 2, size - 2);
        text[size - 2] = 0;
        if (lg_type_input(&env, type, text, -1, a, &err, &d) == LG_OK)
            check_round_trip(&env, type, d, a, &err);
        free(text);
    }
    lg_arena_destroy(a);
    return 0;
}
