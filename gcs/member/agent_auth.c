/* See agent_auth.h. */
#include "agent_auth.h"
#include "assert.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

void
lg_agent_hex(const void *bytes, char *ret_hex)
{
    const unsigned char *b = bytes;
    for (int i = 0; i < LG_AGENT_NONCE_BYTES; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", b[i]);
}

void
lg_agent_mac(const void *key, size_t key_len, const char *role, const char *client_nonce,
             const char *agent_nonce, char *ret_hex)
{
    struct {
        char role[8], nonce[2][LG_AGENT_HEX - 1];
    } text = {0};
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned len = sizeof mac;
    memcpy(text.role, role, strnlen(role, sizeof text.role));
    memcpy(text.nonce[0], client_nonce, strnlen(client_nonce, sizeof text.nonce[0]));
    memcpy(text.nonce[1], agent_nonce, strnlen(agent_nonce, sizeof text.nonce[1]));
    LG_ASSERT(HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)&text, sizeof text, mac,
                   &len));
    lg_agent_hex(mac, ret_hex);
}

bool
lg_agent_mac_good(const void *key, size_t key_len, const char *role, const char *client_nonce,
                  const char *agent_nonce, const char *mac)
{
    char want[LG_AGENT_HEX];
    if (!mac || strlen(mac) != sizeof want - 1 || strlen(client_nonce) != sizeof want - 1)
        return false;
    lg_agent_mac(key, key_len, role, client_nonce, agent_nonce, want);
    return CRYPTO_memcmp(want, mac, sizeof want) == 0;
}
