/* Assertions. LG_ASSERT stays on in release: to stop and be recovered beats corrupting a shared
 * disk. LG_DEBUG_ASSERT is for checks too dear for release. */
#ifndef LG_BASE_ASSERT_H
#define LG_BASE_ASSERT_H

__attribute__((noreturn, cold)) void lg_assert_failed(const char *expr, const char *file, int line);

#define LG_ASSERT(cond)                                                                            \
    do {                                                                                           \
        if (__builtin_expect(!(cond), 0))                                                          \
            lg_assert_failed(#cond, __FILE__, __LINE__);                                           \
    } while (0)

#ifdef LG_DEBUG
#define LG_DEBUG_ASSERT(cond) LG_ASSERT(cond)
#else
#define LG_DEBUG_ASSERT(cond) ((void)sizeof(cond))
#endif

#define LG_UNREACHABLE() lg_assert_failed("unreachable", __FILE__, __LINE__)

#endif
