/* Inside the regular expressions: the tree that the parser makes, and the automata.
 *
 * regex_parse.c   pattern -> rx_node
 * regex_nfa.c     rx_node -> automaton; whether and where it matches
 * regex_match.c   rx_node -> dissection tree (rx_part); captures */
#ifndef LG_TYPES_REGEX_INTERNAL_H
#define LG_TYPES_REGEX_INTERNAL_H

#include "regex.h"

#define RX_INF       (-1) /* of max */
#define RX_DUP_MAX   255
#define RX_DEPTH_MAX 200
#define RX_STATE_MAX 60000

/* What an expression prefers and has in it. */
#define RX_LONGER  1u
#define RX_SHORTER 2u
#define RX_MIXED   4u
#define RX_CAP     8u
#define RX_BACKREF 16u

typedef enum rx_class {
    RX_C_ALNUM,
    RX_C_ALPHA,
    RX_C_ASCII,
    RX_C_BLANK,
    RX_C_CNTRL,
    RX_C_DIGIT,
    RX_C_GRAPH,
    RX_C_LOWER,
    RX_C_PRINT,
    RX_C_PUNCT,
    RX_C_SPACE,
    RX_C_UPPER,
    RX_C_XDIGIT,
    RX_C_WORD,
} rx_class;

typedef struct rx_range {
    uint32_t lo, hi;
} rx_range;

typedef struct rx_set {
    uint32_t n, cap;
    rx_range *ranges;
    uint32_t classes;     /* bits of rx_class */
    uint32_t not_classes; /* \D and so on: complements of classes */
    bool negated;
    bool no_newline; /* never matches \n */
} rx_set;

typedef enum rx_kind {
    RX_EMPTY,
    RX_SET,
    RX_CAT,
    RX_ALT,
    RX_REP,   /* kids[0], min..max */
    RX_GROUP, /* capturing: kids[0], no */
    RX_BACK,  /* \no */
    RX_ASSERT,
    RX_LOOK,
} rx_kind;

typedef enum rx_assert {
    RX_BOL,
    RX_EOL,
    RX_BOS,
    RX_EOS,
    RX_WORD_START,
    RX_WORD_END,
    RX_WORD_EDGE,
    RX_NOT_WORD_EDGE,
} rx_assert;

typedef struct rx_node rx_node;
struct rx_node {
    rx_kind kind;
    uint32_t set;         /* RX_SET: index */
    int32_t min, max;     /* RX_REP */
    uint32_t prefer;      /* RX_REP: RX_LONGER, RX_SHORTER or 0 */
    uint32_t no;          /* RX_GROUP, RX_BACK */
    rx_assert assertion;  /* RX_ASSERT */
    bool behind, negated; /* RX_LOOK */
    uint32_t look;        /* RX_LOOK: index */
    uint32_t n, cap;
    rx_node **kids;
};

typedef struct rx_auto rx_auto; /* an automaton */

typedef struct rx_part rx_part; /* of the dissection */

struct lg_regex {
    lg_arena *a;
    uint32_t flags;
    uint32_t nsets, sets_cap;
    rx_set *sets;
    uint32_t ngroups, groups_cap;
    rx_node **groups; /* from 1: the group's inside, for back references */
    uint32_t nlooks, looks_cap;
    rx_node **look_nodes;
    rx_auto **looks;
    rx_node *tree;
    rx_part *root;
    bool has_backrefs;
    /* colours: characters that the same sets hold */
    uint32_t nsigs, sigs_cap, sig_words;
    uint64_t *sigs; /* nsigs x sig_words */
    uint16_t ascii[128];
    uint32_t map_cap, map_n; /* other characters met so far: an open hash table */
    uint32_t *map_chars;
    uint16_t *map_colours;
};

/* One search: the text and how long it went on. */
typedef struct rx_run {
    lg_regex *r;
    const uint32_t *s;
    int32_t n;
    uint64_t steps;
    bool (*check)(void *arg);
    void *arg;
    int failed; /* -1 stopped, -2 too complex */
    lg_rx_span *groups;
    uint32_t depth;
} rx_run;

const char *lg_regex__parse(lg_regex *r, const uint32_t *p, int32_t n);
bool lg_regex__set_has(const lg_regex *r, const rx_set *set, uint32_t ch);
bool lg_regex__word(const lg_regex *r, uint32_t ch);

/* NULL: too big. The automaton of a sequence of nodes. */
rx_auto *lg_regex__auto(lg_regex *r, rx_node *const *seq, uint32_t n);
/* The longest or shortest end in [min, max] of a match that begins at `from`; -1: none. */
int32_t lg_regex__longest(rx_run *x, rx_auto *m, int32_t from, int32_t max);
int32_t lg_regex__shortest(rx_run *x, rx_auto *m, int32_t from, int32_t min, int32_t max);
/* The earliest end of a match that begins anywhere from `from` on; -1: none. */
int32_t lg_regex__first_end(rx_run *x, rx_auto *m, int32_t from);
bool lg_regex__tick(rx_run *x); /* false: stop */

#endif
