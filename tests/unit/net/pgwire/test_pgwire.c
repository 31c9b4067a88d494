/* The message codec: framing in pieces, bounds, error fields. */
#include "lg_test.h"
#include "pgwire.h"
#include <string.h>

static void
feed(lg_pgwire_reader *r, const void *bytes, size_t n)
{
    char *at;
    size_t room;
    LG_ASSERT_OK(lg_pgwire_reader_space(r, n, &at, &room));
    memcpy(at, bytes, n);
    lg_pgwire_reader_filled(r, n);
}

LG_TEST(test_pgwire__message_in_pieces_is_whole_only_at_the_end)
{
    static const char wire[] = "Q\0\0\0\x0dselect 1\0";
    lg_pgwire_reader r;
    lg_pgwire_msg m;
    size_t missing;
    lg_pgwire_reader_init(&r);
    for (size_t i = 0; i + 1 < 14; i++) {
        feed(&r, wire + i, 1);
        CU_ASSERT_EQUAL(lg_pgwire_next(&r, false, &m, &missing), LG_WOULD_WAIT);
        CU_ASSERT(missing >= 1);
    }
    feed(&r, wire + 13, 1);
    CU_ASSERT_EQUAL(lg_pgwire_next(&r, false, &m, &missing), LG_OK);
    CU_ASSERT_EQUAL(m.type, 'Q');
    CU_ASSERT_EQUAL(m.len, 9);
    CU_ASSERT_STRING_EQUAL(m.data, "select 1");
    CU_ASSERT(lg_pgwire_reader_empty(&r));
    lg_pgwire_reader_fini(&r);
}

LG_TEST(test_pgwire__nonsense_lengths_are_refused)
{
    lg_pgwire_reader r;
    lg_pgwire_msg m;
    size_t missing;
    lg_pgwire_reader_init(&r);
    feed(&r, "Q\0\0\0\x03", 5);
    CU_ASSERT_EQUAL(lg_pgwire_next(&r, false, &m, &missing), LG_PROTOCOL);
    lg_pgwire_reader_fini(&r);
    lg_pgwire_reader_init(&r);
    feed(&r, "Q\x7f\xff\xff\xff", 5);
    CU_ASSERT_EQUAL(lg_pgwire_next(&r, false, &m, &missing), LG_PROTOCOL);
    lg_pgwire_reader_fini(&r);
    lg_pgwire_reader_init(&r);
    feed(&r, "\0\1\0\0\0\3\0\0", 8);
    CU_ASSERT_EQUAL(lg_pgwire_next(&r, true, &m, &missing), LG_PROTOCOL);
    lg_pgwire_reader_fini(&r);
}

LG_TEST(test_pgwire__cursor_refuses_to_read_past_the_end)
{
    lg_pgwire_msg m = {'B', "ab\0\0\1", 5};
    lg_pgwire_cursor c = lg_pgwire_cursor_of(&m);
    CU_ASSERT_STRING_EQUAL(lg_pgwire_cstr(&c), "ab");
    CU_ASSERT_EQUAL(lg_pgwire_u16(&c), 1);
    CU_ASSERT(lg_pgwire_at_end(&c));
    CU_ASSERT_EQUAL(lg_pgwire_u32(&c), 0);
    CU_ASSERT(c.bad);
    CU_ASSERT_STRING_EQUAL(lg_pgwire_cstr(&c), "");
    CU_ASSERT(!lg_pgwire_at_end(&c));
}

LG_TEST(test_pgwire__error_carries_its_fields)
{
    lg_strbuf b;
    lg_error e = {.message = "no", .hint = "try", .position = 7, .set = true};
    memcpy(e.sqlstate, "42601", 6);
    lg_strbuf_init(&b, 1000);
    lg_pgwire_send_error(&b, "ERROR", &e);
    static const char wire[] = "E\0\0\0\x2bSERROR\0VERROR\0C42601\0Mno\0Htry\0P7\0";
    CU_ASSERT_EQUAL(b.len, 1 + 4 + 7 + 7 + 7 + 4 + 5 + 3 + 1);
    CU_ASSERT_EQUAL(memcmp(b.data + 5, wire + 5, b.len - 5), 0);
    CU_ASSERT_EQUAL((size_t)(unsigned char)b.data[4], b.len - 1);
    lg_strbuf_reset(&b);
    lg_pgwire_send_error(&b, "NOTICE", &e);
    CU_ASSERT_EQUAL(b.data[0], 'N');
    lg_strbuf_fini(&b);
}
