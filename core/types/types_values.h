/* Values: what the files of core/types share about single types. Not for other modules. */
#ifndef LG_TYPES_VALUES_H
#define LG_TYPES_VALUES_H

#include "types_internal.h"

int lg_bytes_compare(const char *a, size_t na, const char *b, size_t nb);
size_t lg_bpchar_len(lg_datum d); /* without trailing blanks */

int lg_numeric_compare(lg_datum a, lg_datum b);
uint64_t lg_numeric_hash(lg_datum d);
int lg_interval_compare(lg_datum a, lg_datum b);
uint64_t lg_interval_hash(lg_datum d);
__int128 lg_interval_total_us(lg_interval iv); /* months of 30 days, days of 24 hours */
lg_datum lg_interval_div(lg_call *c, lg_interval iv, double by);
/* From parts with fractions: of a month they go to days (30 to the month), of a day to time. */
lg_datum lg_interval_of_parts(lg_call *c, double months, double days, double us);
int lg_timetz_compare(lg_datum a, lg_datum b);
uint64_t lg_timetz_hash(lg_datum d);
int lg_jsonb_compare(lg_datum a, lg_datum b);
uint64_t lg_jsonb_hash(lg_datum d);
int lg_inet_compare(lg_datum a, lg_datum b);
/* Bytes whose order is that of lg_inet_compare; to: LG_INET_KEY_MAX bytes. */
#define LG_INET_KEY_MAX 50
size_t lg_inet_key(lg_datum d, uint8_t *to);
int lg_array_compare(lg_datum a, lg_datum b);
uint64_t lg_array_hash(lg_datum d);

/* Binary input and output. lg_recv_* set an error on short data. */
bool lg_recv_bytes(lg_call *c, lg_recvbuf *b, void *to, size_t n);
/* n single bytes: another error than bytes when there are fewer, as PostgreSQL has it. */
bool lg_recv_octets(lg_call *c, lg_recvbuf *b, uint8_t *to, size_t n);
uint64_t lg_recv_uint(lg_call *c, lg_recvbuf *b, size_t n);
/* The rest of the message, which is text: NULL and 22021 if it is none. */
const char *lg_recv_text(lg_call *c, lg_recvbuf *b, size_t *ret_len);
lg_datum lg_send_uint(lg_call *c, uint64_t v, size_t n);

/* A cstring[] (typmod lists) as C strings. */
typedef struct lg_array_view {
    uint32_t n;
    const char **strings;
} lg_array_view;
void lg_array_cstrings(lg_call *c, lg_datum array, lg_array_view *ret);

/* Integer text, as int4in and kin; type_name for messages, range checked. */
int64_t lg_parse_int(lg_call *c, const char *s, int64_t min, int64_t max, const char *type_name);
/* Shortest exact text of a double or float into buf (32 bytes); extra = extra_float_digits. */
int lg_format_float8(double x, int extra, char *buf);
int lg_format_float4(float x, int extra, char *buf);

#endif
