/* Unit tests: one CUnit program per module. A test registers itself:
 *
 *     LG_TEST(test_arena__reset_keeps_first_chunk) { CU_ASSERT_EQUAL(...); }
 *
 * Every .c file of a module's folder is one suite. `test_x NAME` runs the tests whose name contains
 * NAME. The last line printed is "N passed, N failed". */
#ifndef LG_TEST_H
#define LG_TEST_H

#include <CUnit/CUnit.h>

void lg_test_register(const char *file, const char *name, void (*fn)(void));

#define LG_TEST(test_name)                                                                         \
    static void test_name(void);                                                                   \
    __attribute__((constructor)) static void test_name##_register(void)                            \
    {                                                                                              \
        lg_test_register(__FILE__, #test_name, test_name);                                         \
    }                                                                                              \
    static void test_name(void)

#define LG_ASSERT_OK(expr) CU_ASSERT_EQUAL_FATAL((expr), LG_OK)

#endif
