/* The runner: collects registered tests into one CUnit suite per file and runs them. */
#include "lg_test.h"
#include <CUnit/Basic.h>
#include <stdio.h>
#include <string.h>

struct entry {
    const char *file;
    const char *name;
    void (*fn)(void);
};

static struct entry entries[2000];
static unsigned entry_count;

void
lg_test_register(const char *file, const char *name, void (*fn)(void))
{
    if (entry_count == sizeof entries / sizeof entries[0]) {
        fprintf(stderr, "too many tests\n");
        return;
    }
    entries[entry_count++] = (struct entry){file, name, fn};
}

static CU_pSuite
suite_of(const char *file)
{
    const char *slash = strrchr(file, '/');
    const char *base = slash ? slash + 1 : file;
    CU_pSuite s = CU_get_suite(base);
    return s ? s : CU_add_suite(base, NULL, NULL);
}

int
main(int argc, char **argv)
{
    if (CU_initialize_registry() != CUE_SUCCESS)
        return 2;
    for (unsigned i = 0; i < entry_count; i++) {
        if (argc > 1 && !strstr(entries[i].name, argv[1]))
            continue;
        if (!CU_add_test(suite_of(entries[i].file), entries[i].name, entries[i].fn))
            return 2;
    }
    CU_basic_set_mode(CU_BRM_NORMAL);
    CU_basic_run_tests();
    unsigned failed = CU_get_number_of_tests_failed();
    unsigned run = CU_get_number_of_tests_run();
    CU_cleanup_registry();
    printf("%u passed, %u failed\n", run - failed, failed);
    return failed || run == 0 ? 1 : 0;
}
