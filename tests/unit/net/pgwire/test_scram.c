/* SCRAM-SHA-256 against the example of RFC 7677, and refusals. */
#include "lg_test.h"
#include "scram.h"
#include <stdio.h>
#include <string.h>

/* RFC 7677 section 3: user "user", password "pencil". */
static const uint8_t rfc_salt[16] = {0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e,
                                     0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81};
static const char rfc_client_first[] = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
static const char rfc_nonce[] = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
static const char rfc_server_first[] = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                                       "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
static const char rfc_client_final[] =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";

static void
begin(lg_scram_server *s, const char *password)
{
    char verifier[LG_SCRAM_VERIFIER_MAX];
    static const uint8_t nonce[18] = "eighteen bytes ok";
    LG_ASSERT_OK(lg_scram_verifier_make(password, rfc_salt, verifier));
    LG_ASSERT_OK(lg_scram_verifier_parse(verifier, &s->verifier));
    LG_ASSERT_OK(lg_scram_server_first(s, rfc_client_first, strlen(rfc_client_first), nonce));
    CU_ASSERT(!strncmp(s->server_first, "r=rOprNGfwEbeRWgbNEkqO", 22));
    CU_ASSERT(strstr(s->server_first, ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096") != NULL);
    /* The RFC's server nonce is not ours: put its conversation in place. */
    snprintf(s->nonce, sizeof s->nonce, "%s", rfc_nonce);
    snprintf(s->server_first, sizeof s->server_first, "%s", rfc_server_first);
}

LG_TEST(test_scram__rfc7677_example)
{
    lg_scram_server s;
    char final[LG_SCRAM_MESSAGE_MAX];
    begin(&s, "pencil");
    LG_ASSERT_OK(lg_scram_server_final(&s, rfc_client_final, strlen(rfc_client_final), final));
    CU_ASSERT_STRING_EQUAL(final, "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
}

LG_TEST(test_scram__wrong_password_is_refused)
{
    lg_scram_server s;
    char final[LG_SCRAM_MESSAGE_MAX];
    begin(&s, "pencils");
    CU_ASSERT_EQUAL(lg_scram_server_final(&s, rfc_client_final, strlen(rfc_client_final), final),
                    LG_AUTH);
    lg_scram_verifier_mock("secret", 6, "user", &s.verifier);
    CU_ASSERT_EQUAL(lg_scram_server_final(&s, rfc_client_final, strlen(rfc_client_final), final),
                    LG_AUTH);
}

LG_TEST(test_scram__another_nonce_or_binding_is_refused)
{
    lg_scram_server s;
    char final[LG_SCRAM_MESSAGE_MAX];
    char bad[sizeof rfc_client_final];
    begin(&s, "pencil");
    memcpy(bad, rfc_client_final, sizeof bad);
    bad[12] ^= 1;
    CU_ASSERT_EQUAL(lg_scram_server_final(&s, bad, strlen(bad), final), LG_PROTOCOL);
    memcpy(bad, rfc_client_final, sizeof bad);
    bad[2] = 'e';
    CU_ASSERT_EQUAL(lg_scram_server_final(&s, bad, strlen(bad), final), LG_PROTOCOL);
}

LG_TEST(test_scram__malformed_messages_are_refused)
{
    static const char *const bad_first[] = {"",      "n",           "n,",        "n,,",
                                            "n,,r=", "x,,n=,r=abc", "n,,m=x,r=a"};
    static const uint8_t nonce[18] = {1};
    lg_scram_server s;
    memset(&s, 0, sizeof s);
    for (size_t i = 0; i < sizeof bad_first / sizeof bad_first[0]; i++)
        CU_ASSERT_EQUAL(lg_scram_server_first(&s, bad_first[i], strlen(bad_first[i]), nonce),
                        LG_PROTOCOL);
    CU_ASSERT_EQUAL(lg_scram_server_first(&s, "p=tls-unique,,n=,r=a", 20, nonce), LG_UNSUPPORTED);
}

LG_TEST(test_scram__verifier_text_round_trips_and_rejects_nonsense)
{
    char text[LG_SCRAM_VERIFIER_MAX];
    lg_scram_verifier v;
    LG_ASSERT_OK(lg_scram_verifier_make("x", rfc_salt, text));
    LG_ASSERT_OK(lg_scram_verifier_parse(text, &v));
    CU_ASSERT_EQUAL(v.salt_len, 16);
    CU_ASSERT_EQUAL(memcmp(v.salt, rfc_salt, 16), 0);
    CU_ASSERT_EQUAL(lg_scram_verifier_parse("md5abc", &v), LG_INVALID);
    CU_ASSERT_EQUAL(lg_scram_verifier_parse("SCRAM-SHA-256$4096:AAAA$BBBB", &v), LG_INVALID);
    text[strlen(text) - 2] = '!';
    CU_ASSERT_EQUAL(lg_scram_verifier_parse(text, &v), LG_INVALID);
}
