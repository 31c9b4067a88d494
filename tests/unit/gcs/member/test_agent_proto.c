/* The agent's lines: what goes in comes out, and nonsense is refused. */
#include "agent_auth.h"
#include "agent_proto.h"
#include "lg_test.h"
#include <string.h>

LG_TEST(test_agent_proto__values_round_trip)
{
    char buf[LG_AGENT_LINE_MAX];
    size_t len;
    lg_agent_writer w;
    lg_agent_line l;
    lg_agent_begin(&w, buf, "ROW");
    lg_agent_add(&w, "text", "a b=c%d\n\xc3\xa9");
    lg_agent_add(&w, "empty", "");
    lg_agent_add_u64(&w, "n", UINT64_MAX);
    LG_ASSERT_OK(lg_agent_end(&w, &len));
    CU_ASSERT_EQUAL(buf[len - 1], '\n');
    CU_ASSERT_PTR_NULL(memchr(buf, '\n', len - 1));
    buf[len - 1] = 0;
    LG_ASSERT_OK(lg_agent_line_decode(buf, &l));
    CU_ASSERT_STRING_EQUAL(l.type, "ROW");
    CU_ASSERT_STRING_EQUAL(lg_agent_line_get(&l, "text"), "a b=c%d\n\xc3\xa9");
    CU_ASSERT_STRING_EQUAL(lg_agent_line_get(&l, "empty"), "");
    CU_ASSERT_EQUAL(lg_agent_line_u64(&l, "n", 0), UINT64_MAX);
    CU_ASSERT_EQUAL(lg_agent_line_u64(&l, "absent", 7), 7);
}

LG_TEST(test_agent_proto__view_round_trips)
{
    char buf[LG_AGENT_LINE_MAX];
    size_t len;
    lg_agent_writer w;
    lg_agent_line l;
    lg_agent_view out = {.epoch = 9, .member_count = 2, .victim_count = 1, .fence = "exit"}, in;
    out.members[0] = (lg_agent_member){1, 1234567890123ull, "127.0.0.1:7001"};
    out.members[1] = (lg_agent_member){3, 5, "[::1]:7003"};
    out.victims[0] = (lg_agent_member){2, 4, ""};
    lg_agent_begin(&w, buf, "VIEW");
    lg_agent_add_view(&w, &out);
    LG_ASSERT_OK(lg_agent_end(&w, &len));
    buf[len - 1] = 0;
    LG_ASSERT_OK(lg_agent_line_decode(buf, &l));
    LG_ASSERT_OK(lg_agent_line_view(&l, &in));
    CU_ASSERT_EQUAL(in.epoch, 9);
    CU_ASSERT_EQUAL(in.member_count, 2);
    CU_ASSERT_EQUAL(in.members[0].incarnation, 1234567890123ull);
    CU_ASSERT_STRING_EQUAL(in.members[1].address, "[::1]:7003");
    CU_ASSERT_EQUAL(in.victim_count, 1);
    CU_ASSERT_EQUAL(in.victims[0].node, 2);
    CU_ASSERT_STRING_EQUAL(in.fence, "exit");
}

LG_TEST(test_agent_proto__nonsense_is_refused)
{
    static const char *const bad[] = {"", "X key", "X =v", "X k=%", "X k=%4", "X k=%zz", "X k=%00"};
    char buf[64];
    lg_agent_line l;
    lg_agent_view v;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        strcpy(buf, bad[i]);
        CU_ASSERT_EQUAL(lg_agent_line_decode(buf, &l), LG_PROTOCOL);
    }
    strcpy(buf, "VIEW epoch=1 members=1:2");
    LG_ASSERT_OK(lg_agent_line_decode(buf, &l));
    CU_ASSERT_EQUAL(lg_agent_line_view(&l, &v), LG_PROTOCOL);
    strcpy(buf, "VIEW epoch=0 members=1:2:a");
    LG_ASSERT_OK(lg_agent_line_decode(buf, &l));
    CU_ASSERT_EQUAL(lg_agent_line_view(&l, &v), LG_PROTOCOL);
}

LG_TEST(test_agent_proto__a_line_too_long_is_an_error)
{
    char buf[LG_AGENT_LINE_MAX];
    char value[LG_AGENT_LINE_MAX];
    size_t len;
    lg_agent_writer w;
    memset(value, 'x', sizeof value);
    value[sizeof value - 1] = 0;
    lg_agent_begin(&w, buf, "ROW");
    lg_agent_add(&w, "k", value);
    CU_ASSERT_EQUAL(lg_agent_end(&w, &len), LG_LIMIT);
}

/* ---- the proof of the key ---- */

LG_TEST(test_agent_auth__proves_the_key_role_and_nonces)
{
    char a[LG_AGENT_HEX], b[LG_AGENT_HEX], mac[LG_AGENT_HEX];
    unsigned char bytes[LG_AGENT_NONCE_BYTES] = {0xab, 1};
    lg_agent_hex(bytes, a);
    CU_ASSERT_NSTRING_EQUAL(a, "ab01", 4);
    bytes[31] = 9;
    lg_agent_hex(bytes, b);
    lg_agent_mac("key", 3, "client", a, b, mac);
    CU_ASSERT(lg_agent_mac_good("key", 3, "client", a, b, mac));
    CU_ASSERT(!lg_agent_mac_good("kex", 3, "client", a, b, mac));
    CU_ASSERT(!lg_agent_mac_good("key", 3, "agent", a, b, mac));
    CU_ASSERT(!lg_agent_mac_good("key", 3, "client", b, a, mac));
    CU_ASSERT(!lg_agent_mac_good("key", 3, "client", a, b, NULL));
    mac[0] ^= 1;
    CU_ASSERT(!lg_agent_mac_good("key", 3, "client", a, b, mac));
    CU_ASSERT(!lg_agent_mac_good("key", 3, "client", a, b, "short"));
}
