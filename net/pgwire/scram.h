/* SCRAM-SHA-256, server side, and PostgreSQL's stored verifier. RFC 5802, RFC 7677; the verifier's
 * text is PostgreSQL's: SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>.
 *
 * One exchange: client-first -> lg_scram_server_first -> client-final -> lg_scram_server_final. An
 * unknown user goes through the same exchange with a mock verifier, so that its timing and
 * messages tell nothing. Passwords are used as given (SASLprep's mapping applies to non-ASCII
 * only; such passwords are taken as their UTF-8 bytes, as PostgreSQL does when SASLprep fails).
 */
#ifndef LG_PGWIRE_SCRAM_H
#define LG_PGWIRE_SCRAM_H

#include "status.h"
#include <stddef.h>
#include <stdint.h>

#define LG_SCRAM_MECHANISM    "SCRAM-SHA-256"
#define LG_SCRAM_ITERATIONS   4096
#define LG_SCRAM_KEY_BYTES    32
#define LG_SCRAM_VERIFIER_MAX 256
#define LG_SCRAM_MESSAGE_MAX  1024

typedef struct lg_scram_verifier {
    uint32_t iterations;
    uint8_t salt[64];
    uint32_t salt_len;
    uint8_t stored_key[LG_SCRAM_KEY_BYTES];
    uint8_t server_key[LG_SCRAM_KEY_BYTES];
} lg_scram_verifier;

/* The text to store in pg_authid.rolpassword. salt: 16 random bytes from the caller. */
LG_MUST lg_status lg_scram_verifier_make(const char *password, const uint8_t salt[16],
                                         char ret_text[LG_SCRAM_VERIFIER_MAX]);
/* LG_INVALID when the text is no SCRAM verifier. */
LG_MUST lg_status lg_scram_verifier_parse(const char *text, lg_scram_verifier *ret_v);
/* For users that do not exist: deterministic from a secret of the cluster and the name. */
void lg_scram_verifier_mock(const void *secret, size_t secret_len, const char *user,
                            lg_scram_verifier *ret_v);

typedef struct lg_scram_server {
    lg_scram_verifier verifier;
    char client_first_bare[LG_SCRAM_MESSAGE_MAX];
    char server_first[LG_SCRAM_MESSAGE_MAX];
    char nonce[256]; /* client's and ours */
    char gs2_header[64];
} lg_scram_server;

/* client_first: the SASLInitialResponse's data. server_nonce: 18 random bytes. On LG_OK
 * s->server_first is the challenge. LG_PROTOCOL: malformed; LG_UNSUPPORTED: channel binding asked.
 */
LG_MUST lg_status lg_scram_server_first(lg_scram_server *s, const char *client_first, size_t len,
                                        const uint8_t server_nonce[18]);
/* LG_AUTH: wrong password. On LG_OK ret_final is the server-final message. */
LG_MUST lg_status lg_scram_server_final(lg_scram_server *s, const char *client_final, size_t len,
                                        char ret_final[LG_SCRAM_MESSAGE_MAX]);

#endif
