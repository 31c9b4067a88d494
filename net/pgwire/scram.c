/* SCRAM-SHA-256 over OpenSSL's HMAC and PBKDF2. */
#include "scram.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
hmac(const uint8_t key[LG_SCRAM_KEY_BYTES], const void *data, size_t len,
     uint8_t ret[LG_SCRAM_KEY_BYTES])
{
    unsigned n = LG_SCRAM_KEY_BYTES;
    HMAC(EVP_sha256(), key, LG_SCRAM_KEY_BYTES, data, len, ret, &n);
}

static void
base64(const uint8_t *data, size_t len, char *ret)
{
    EVP_EncodeBlock((unsigned char *)ret, data, (int)len);
}

/* Strict: only the alphabet, right padding. Returns -1 when it is not base64 or does not fit. */
static int
unbase64(const char *text, size_t len, uint8_t *ret, size_t cap)
{
    uint8_t tmp[512];
    if (len == 0 || len % 4 || len / 4 * 3 > sizeof tmp)
        return -1;
    for (size_t i = 0; i < len; i++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=", text[i]))
            return -1;
    int n = EVP_DecodeBlock(tmp, (const unsigned char *)text, (int)len);
    if (n < 0)
        return -1;
    n -= (text[len - 1] == '=') + (len > 1 && text[len - 2] == '=');
    if ((size_t)n > cap)
        return -1;
    memcpy(ret, tmp, (size_t)n);
    return n;
}

static lg_status
derive(const char *password, lg_scram_verifier *v)
{
    uint8_t salted[LG_SCRAM_KEY_BYTES];
    uint8_t client_key[LG_SCRAM_KEY_BYTES];
    if (!PKCS5_PBKDF2_HMAC(password, (int)strlen(password), v->salt, (int)v->salt_len,
                           (int)v->iterations, EVP_sha256(), sizeof salted, salted))
        return LG_INTERNAL;
    hmac(salted, "Client Key", 10, client_key);
    SHA256(client_key, sizeof client_key, v->stored_key);
    hmac(salted, "Server Key", 10, v->server_key);
    OPENSSL_cleanse(salted, sizeof salted);
    OPENSSL_cleanse(client_key, sizeof client_key);
    return LG_OK;
}

lg_status
lg_scram_verifier_make(const char *password, const uint8_t salt[16],
                       char ret_text[LG_SCRAM_VERIFIER_MAX])
{
    lg_scram_verifier v = {.iterations = LG_SCRAM_ITERATIONS, .salt_len = 16};
    char salt64[32], stored64[64], server64[64];
    memcpy(v.salt, salt, 16);
    LG_TRY(derive(password, &v));
    base64(v.salt, v.salt_len, salt64);
    base64(v.stored_key, LG_SCRAM_KEY_BYTES, stored64);
    base64(v.server_key, LG_SCRAM_KEY_BYTES, server64);
    snprintf(ret_text, LG_SCRAM_VERIFIER_MAX, "SCRAM-SHA-256$%u:%s$%s:%s", v.iterations, salt64,
             stored64, server64);
    return LG_OK;
}

lg_status
lg_scram_verifier_parse(const char *text, lg_scram_verifier *ret_v)
{
    static const char prefix[] = "SCRAM-SHA-256$";
    lg_scram_verifier v = {0};
    if (strncmp(text, prefix, sizeof prefix - 1))
        return LG_INVALID;
    char *end;
    unsigned long iterations = strtoul(text + sizeof prefix - 1, &end, 10);
    if (*end != ':' || iterations == 0 || iterations > 10000000)
        return LG_INVALID;
    const char *salt = end + 1;
    const char *stored = strchr(salt, '$');
    const char *server = stored ? strchr(stored, ':') : NULL;
    if (!server)
        return LG_INVALID;
    v.iterations = (uint32_t)iterations;
    int n = unbase64(salt, (size_t)(stored - salt), v.salt, sizeof v.salt);
    if (n <= 0)
        return LG_INVALID;
    v.salt_len = (uint32_t)n;
    stored++;
    if (unbase64(stored, (size_t)(server - stored), v.stored_key, LG_SCRAM_KEY_BYTES) !=
        LG_SCRAM_KEY_BYTES)
        return LG_INVALID;
    server++;
    if (unbase64(server, strlen(server), v.server_key, LG_SCRAM_KEY_BYTES) != LG_SCRAM_KEY_BYTES)
        return LG_INVALID;
    *ret_v = v;
    return LG_OK;
}

void
lg_scram_verifier_mock(const void *secret, size_t secret_len, const char *user,
                       lg_scram_verifier *ret_v)
{
    uint8_t digest[LG_SCRAM_KEY_BYTES];
    unsigned n = sizeof digest;
    HMAC(EVP_sha256(), secret, (int)secret_len, (const unsigned char *)user, strlen(user), digest,
         &n);
    memset(ret_v, 0, sizeof *ret_v);
    ret_v->iterations = LG_SCRAM_ITERATIONS;
    ret_v->salt_len = 16;
    memcpy(ret_v->salt, digest, 16);
    /* Keys nobody knows a password for: the exchange always ends in LG_AUTH. */
    hmac(digest, "no such stored key", 18, ret_v->stored_key);
    hmac(digest, "no such server key", 18, ret_v->server_key);
}

/* Finds ",<name>=value" or a leading "<name>=value"; the value ends at the next comma. */
static const char *
attribute(const char *text, char name, size_t *ret_len)
{
    for (const char *p = text; p && *p; p = strchr(p, ',')) {
        if (*p == ',')
            p++;
        if (p[0] == name && p[1] == '=') {
            const char *end = strchr(p, ',');
            *ret_len = end ? (size_t)(end - p - 2) : strlen(p + 2);
            return p + 2;
        }
    }
    return NULL;
}

lg_status
lg_scram_server_first(lg_scram_server *s, const char *client_first, size_t len,
                      const uint8_t server_nonce[18])
{
    char text[LG_SCRAM_MESSAGE_MAX];
    if (len >= sizeof text || memchr(client_first, 0, len))
        return LG_PROTOCOL;
    memcpy(text, client_first, len);
    text[len] = 0;
    if (text[0] == 'p')
        return LG_UNSUPPORTED;
    if (text[0] != 'n' && text[0] != 'y')
        return LG_PROTOCOL;
    const char *comma = strchr(text, ',');
    const char *bare = comma ? strchr(comma + 1, ',') : NULL;
    if (!bare || (size_t)(bare + 1 - text) >= sizeof s->gs2_header)
        return LG_PROTOCOL;
    bare++;
    memcpy(s->gs2_header, text, (size_t)(bare - text));
    s->gs2_header[bare - text] = 0;
    snprintf(s->client_first_bare, sizeof s->client_first_bare, "%s", bare);

    size_t nonce_len;
    const char *nonce = attribute(bare, 'r', &nonce_len);
    if (!nonce || nonce_len == 0 || nonce_len > 200 || bare[0] == 'm')
        return LG_PROTOCOL;
    char ours[32], salt64[128];
    base64(server_nonce, 18, ours);
    snprintf(s->nonce, sizeof s->nonce, "%.*s%s", (int)nonce_len, nonce, ours);
    base64(s->verifier.salt, s->verifier.salt_len, salt64);
    snprintf(s->server_first, sizeof s->server_first, "r=%s,s=%s,i=%u", s->nonce, salt64,
             s->verifier.iterations);
    return LG_OK;
}

/* Does the proof belong to the stored key? ClientKey = proof XOR HMAC(StoredKey, auth message). */
static bool
proof_matches(const lg_scram_server *s, const char *auth, const uint8_t proof[LG_SCRAM_KEY_BYTES])
{
    uint8_t signature[LG_SCRAM_KEY_BYTES], key[LG_SCRAM_KEY_BYTES], stored[LG_SCRAM_KEY_BYTES];
    hmac(s->verifier.stored_key, auth, strlen(auth), signature);
    for (int i = 0; i < LG_SCRAM_KEY_BYTES; i++)
        key[i] = proof[i] ^ signature[i];
    SHA256(key, sizeof key, stored);
    return CRYPTO_memcmp(stored, s->verifier.stored_key, sizeof stored) == 0;
}

lg_status
lg_scram_server_final(lg_scram_server *s, const char *client_final, size_t len,
                      char ret_final[LG_SCRAM_MESSAGE_MAX])
{
    char text[LG_SCRAM_MESSAGE_MAX];
    char expected_binding[128];
    char auth[3 * LG_SCRAM_MESSAGE_MAX];
    uint8_t proof[LG_SCRAM_KEY_BYTES];
    uint8_t signature[LG_SCRAM_KEY_BYTES];
    if (len >= sizeof text || memchr(client_final, 0, len))
        return LG_PROTOCOL;
    memcpy(text, client_final, len);
    text[len] = 0;

    size_t binding_len, nonce_len, proof_len;
    const char *binding = attribute(text, 'c', &binding_len);
    const char *nonce = attribute(text, 'r', &nonce_len);
    const char *p = attribute(text, 'p', &proof_len);
    if (!binding || !nonce || !p || p < nonce)
        return LG_PROTOCOL;
    base64((const uint8_t *)s->gs2_header, strlen(s->gs2_header), expected_binding);
    if (binding_len != strlen(expected_binding) || memcmp(binding, expected_binding, binding_len))
        return LG_PROTOCOL;
    if (nonce_len != strlen(s->nonce) || memcmp(nonce, s->nonce, nonce_len))
        return LG_PROTOCOL;
    if (unbase64(p, proof_len, proof, sizeof proof) != LG_SCRAM_KEY_BYTES)
        return LG_PROTOCOL;

    int without_proof = (int)(p - 3 - text); /* up to ",p=" */
    snprintf(auth, sizeof auth, "%s,%s,%.*s", s->client_first_bare, s->server_first, without_proof,
             text);
    if (!proof_matches(s, auth, proof))
        return LG_AUTH;
    hmac(s->verifier.server_key, auth, strlen(auth), signature);
    memcpy(ret_final, "v=", 2);
    base64(signature, sizeof signature, ret_final + 2);
    return LG_OK;
}
