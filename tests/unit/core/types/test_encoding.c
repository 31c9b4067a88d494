/* Encodings of clients: names, conversions there and back, what is refused. */
#include "encoding.h"
#include "lg_test.h"
#include <string.h>

struct fixture {
    lg_arena *a;
    lg_error err;
};

static struct fixture
begin(void)
{
    struct fixture f = {.a = lg_arena_create("encoding", 0)};
    lg_error_init(&f.err, f.a);
    return f;
}

/* "ok BYTES" or "SQLSTATE message". */
static const char *
converted(struct fixture *f, const char *name, bool in, const char *s, size_t len)
{
    const char *out = "";
    size_t n = 0;
    lg_error_clear(&f->err);
    const lg_encoding *e = lg_encoding_by_name(name);
    if (!e)
        return "unknown";
    lg_status st = in ? lg_encoding_to_utf8(e, s, len, f->a, &f->err, &out, &n)
                      : lg_encoding_from_utf8(e, s, len, f->a, &f->err, &out, &n);
    if (st == LG_OK)
        return lg_arena_printf(f->a, "ok %.*s", (int)n, out);
    return lg_arena_printf(f->a, "%s %s", f->err.sqlstate, f->err.message);
}

LG_TEST(test_encoding__names_are_postgresqls)
{
    static const char *const names[][2] = {
        {"utf-8", "UTF8"},          {"Unicode", "UTF8"},       {"latin1", "LATIN1"},
        {"ISO-8859-1", "LATIN1"},   {"iso_8859_15", "LATIN9"}, {"windows-1252", "WIN1252"},
        {"win", "WIN1251"},         {"Shift_JIS", "SJIS"},     {"koi8", "KOI8R"},
        {"sql ascii", "SQL_ASCII"}, {"euc-jp", "EUC_JP"},      {"tcvn", "WIN1258"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const lg_encoding *e = lg_encoding_by_name(names[i][0]);
        CU_ASSERT_FATAL(e != NULL);
        CU_ASSERT_STRING_EQUAL(e->name, names[i][1]);
    }
    CU_ASSERT(lg_encoding_by_name("") == NULL);
    CU_ASSERT(lg_encoding_by_name("latin") == NULL);
    CU_ASSERT(lg_encoding_by_name("cvn") == NULL); /* not a part of another name */
    for (int i = 0; lg_encoding_by_id(i); i++)
        CU_ASSERT_EQUAL(lg_encoding_by_id(i)->id, i);
    CU_ASSERT(lg_encoding_by_id(-1) == NULL);
}

/* Each character of each encoding that ICU knows comes back as it went. */
LG_TEST(test_encoding__there_and_back)
{
    for (int id = 0; lg_encoding_by_id(id); id++) {
        const lg_encoding *e = lg_encoding_by_id(id);
        struct fixture f = begin();
        unsigned seen = 0;
        for (unsigned ch = 1; e->icu && ch < 0x10000; ch++) {
            char s[2] = {(char)(ch >> 8), (char)ch};
            const char *in = ch < 256 ? s + 1 : s, *utf8, *back;
            size_t len = ch < 256 ? 1 : 2, n8, n;
            lg_error_clear(&f.err);
            if ((ch >= 256 && e->max_bytes < 2) || !s[1] ||
                lg_encoding_to_utf8(e, in, len, f.a, &f.err, &utf8, &n8) != LG_OK)
                continue;
            LG_ASSERT_OK(lg_encoding_verify(utf8, n8, &f.err));
            /* a few characters of the East can be written in two ways */
            if (lg_encoding_from_utf8(e, utf8, n8, f.a, &f.err, &back, &n) == LG_OK &&
                e->max_bytes == 1) {
                CU_ASSERT_EQUAL(n, len);
                CU_ASSERT(memcmp(back, in, len) == 0);
            }
            seen++;
            lg_arena_reset(f.a);
            lg_error_init(&f.err, f.a);
        }
        CU_ASSERT(!e->icu || seen > 180);
        CU_ASSERT(!e->icu || lg_encoding_convertible(e));
        lg_arena_destroy(f.a);
    }
}

LG_TEST(test_encoding__what_has_no_equivalent_is_refused)
{
    struct fixture f = begin();
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin1", true, "k\xe4se", 4), "ok k\xc3\xa4se");
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin1", false, "k\xc3\xa4se", 5), "ok k\xe4se");
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin1", false, "a\xe2\x82\xac", 4),
                           "22P05 character with byte sequence 0xe2 0x82 0xac in encoding \"UTF8\" "
                           "has no equivalent in encoding \"LATIN1\"");
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin1", false, "\xf0\x9f\x98\x80", 4),
                           "22P05 character with byte sequence 0xf0 0x9f 0x98 0x80 in encoding "
                           "\"UTF8\" has no equivalent in encoding \"LATIN1\"");
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin9", false, "\xe2\x82\xac", 3), "ok \xa4");
    CU_ASSERT_STRING_EQUAL(converted(&f, "latin1", true, "a\0b\xe4", 4),
                           "22021 invalid byte sequence for encoding \"LATIN1\": 0x00");
    CU_ASSERT(strncmp(converted(&f, "sjis", true, "\x95", 1), "22021 ", 6) == 0);
    CU_ASSERT_STRING_EQUAL(converted(&f, "sql_ascii", true, "\xe4", 1),
                           "22021 invalid byte sequence for encoding \"UTF8\": 0xe4");
    CU_ASSERT_STRING_EQUAL(converted(&f, "sql_ascii", false, "\xc3\xa4", 2), "ok \xc3\xa4");
    size_t n;
    const char *shown =
        lg_encoding_show(lg_encoding_by_name("latin1"), "\xe2\x82\xac\xc3\xa4", 5, f.a, &n);
    CU_ASSERT_EQUAL(n, 2);
    CU_ASSERT(memcmp(shown, "?\xe4", 2) == 0);
    lg_arena_destroy(f.a);
}

/* At each place of a text, so that the way by eights is tried too. */
LG_TEST(test_encoding__verify_finds_each_wrong_byte)
{
    static const char *const wrong[] = {"\xff",         "\xc0\x80",         "\xe0\x80\x80",
                                        "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80"};
    struct fixture f = begin();
    char text[64];
    for (size_t at = 0; at < 40; at++) {
        memset(text, 'a', sizeof text);
        LG_ASSERT_OK(lg_encoding_verify(text, 40, &f.err));
        text[at] = '\0';
        CU_ASSERT_EQUAL(lg_encoding_verify(text, 40, &f.err), LG_SQL);
        lg_error_clear(&f.err);
        for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
            memset(text, 'a', sizeof text);
            memcpy(text + at, wrong[i], strlen(wrong[i]));
            CU_ASSERT_EQUAL(lg_encoding_verify(text, 40 + strlen(wrong[i]), &f.err), LG_SQL);
            lg_error_clear(&f.err);
        }
        memset(text, 'a', sizeof text);
        memcpy(text + at, "\xf0\x9f\x98\x80", 4);
        LG_ASSERT_OK(lg_encoding_verify(text, 44, &f.err));
        CU_ASSERT_EQUAL(lg_encoding_verify(text, at + 3, &f.err), LG_SQL); /* cut */
        lg_error_clear(&f.err);
    }
    lg_arena_destroy(f.a);
}
