/* Intrusive doubly linked list. A list head is an lg_list linked to itself; an element embeds an
 * lg_list node. No allocation, no locking. */
#ifndef LG_BASE_LIST_H
#define LG_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct lg_list {
    struct lg_list *prev;
    struct lg_list *next;
} lg_list;

#define LG_CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define LG_LIST_FOREACH(it, head) for (lg_list *it = (head)->next; it != (head); it = it->next)
#define LG_LIST_FOREACH_SAFE(it, head)                                                             \
    for (lg_list *it = (head)->next, *it##_next = it->next; it != (head);                          \
         it = it##_next, it##_next = it->next)

static inline void
lg_list_init(lg_list *l)
{
    l->prev = l->next = l;
}

static inline bool
lg_list_empty(const lg_list *l)
{
    return l->next == l;
}

static inline void
lg_list_insert_after(lg_list *at, lg_list *n)
{
    n->prev = at;
    n->next = at->next;
    at->next->prev = n;
    at->next = n;
}

static inline void
lg_list_push_back(lg_list *head, lg_list *n)
{
    lg_list_insert_after(head->prev, n);
}

static inline void
lg_list_push_front(lg_list *head, lg_list *n)
{
    lg_list_insert_after(head, n);
}

/* Leaves the node linked to itself, so removing twice is harmless. */
static inline void
lg_list_remove(lg_list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = n;
}

/* NULL when empty. */
static inline lg_list *
lg_list_pop_front(lg_list *head)
{
    if (lg_list_empty(head))
        return NULL;
    lg_list *n = head->next;
    lg_list_remove(n);
    return n;
}

#endif
