/* The proof of the cluster key on an agent's TCP port: who asks and who answers both know it.
 *
 *   client -> agent   AUTH      nonce               64 hex digits, fresh
 *   agent -> client   CHALLENGE nonce mac           mac of "agent", both nonces
 *   client -> agent   PROOF     mac                 mac of "client", both nonces; from here on
 * lines as on the unix socket. Wrong: END code 7, closed
 *
 * mac = HMAC-SHA256(cluster key, role, client's nonce, agent's nonce). Pure: no I/O, no randomness.
 * The connection is not encrypted and not protected afterwards: it is for a cluster's own network.
 */
#ifndef LG_MEMBER_AGENT_AUTH_H
#define LG_MEMBER_AGENT_AUTH_H

#include <stdbool.h>
#include <stddef.h>

#define LG_AGENT_NONCE_BYTES 32
#define LG_AGENT_HEX         65 /* of a nonce or a mac, with the 0 */

void lg_agent_hex(const void *bytes, char *ret_hex); /* of LG_AGENT_NONCE_BYTES */
void lg_agent_mac(const void *key, size_t key_len, const char *role, const char *client_nonce,
                  const char *agent_nonce, char *ret_hex);
bool lg_agent_mac_good(const void *key, size_t key_len, const char *role, const char *client_nonce,
                       const char *agent_nonce, const char *mac); /* mac NULL: false */

#endif
