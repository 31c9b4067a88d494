/* Arena: memory freed all at once. Name arenas by lifetime (instance, session, transaction,
 * statement, operator) and pass them explicitly. Not thread-safe; owned by one fiber at a time. */
#ifndef LG_BASE_ARENA_H
#define LG_BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

typedef struct lg_arena lg_arena;

/* `name` must outlive the arena (a literal). chunk_bytes 0 means 8 KiB. */
lg_arena *lg_arena_create(const char *name, size_t chunk_bytes);
void lg_arena_destroy(lg_arena *a); /* NULL is fine */
void lg_arena_reset(lg_arena *a);   /* frees all but the first chunk */

/* 16-byte aligned, never NULL. */
__attribute__((returns_nonnull)) void *lg_arena_alloc(lg_arena *a, size_t size_bytes);
__attribute__((returns_nonnull)) void *lg_arena_zalloc(lg_arena *a, size_t size_bytes);
__attribute__((returns_nonnull)) char *lg_arena_strdup(lg_arena *a, const char *s);
__attribute__((returns_nonnull)) char *lg_arena_strndup(lg_arena *a, const char *s, size_t n);
__attribute__((returns_nonnull)) void *lg_arena_dup(lg_arena *a, const void *p, size_t n);
__attribute__((format(printf, 2, 3), returns_nonnull)) char *lg_arena_printf(lg_arena *a,
                                                                             const char *fmt, ...);
__attribute__((returns_nonnull)) char *lg_arena_vprintf(lg_arena *a, const char *fmt, va_list ap);
size_t lg_arena_used_bytes(const lg_arena *a);

#define LG_NEW(arena, type)     ((type *)lg_arena_zalloc((arena), sizeof(type)))
#define LG_NEWN(arena, type, n) ((type *)lg_arena_zalloc((arena), sizeof(type) * (size_t)(n)))

#endif
