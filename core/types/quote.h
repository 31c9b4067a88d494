/* Which words need quotes as identifiers: all key words but the unreserved ones. */
#ifndef LG_TYPES_QUOTE_H
#define LG_TYPES_QUOTE_H

#include <stdbool.h>
#include <stddef.h>

bool lg_word_is_reserved(const char *word, size_t len);

#endif
