/* What the registries of functions promise is there. */
#include "lg_test.h"
#include "syscat.h"
#include <stdio.h>
#include <string.h>

static const char *const below[] = {"regclassin",          "regclassout",       "regprocin",
                                    "regtypein",           "nextval",           "currval",
                                    "pg_get_indexdef",     "pg_get_viewdef",    "current_database",
                                    "has_table_privilege", "pg_describe_object"};

LG_TEST(test_syscat__functions_are_registered)
{
    lg_fntable *t = lg_fntable_create();
    lg_syscat_functions_register(t);
    for (size_t i = 0; i < sizeof below / sizeof *below; i++) {
        uint32_t n;
        const lg_func *f = lg_func_by_name(below[i], &n);
        CU_ASSERT_FATAL(f && n);
        for (uint32_t k = 0; k < n; k++) /* all overloads */
            CU_ASSERT(lg_fntable_get(t, &f[k]) != NULL);
    }
    lg_fntable_destroy(t);
}
