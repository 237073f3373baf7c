/* Signs with libxeddsa: for each line "private message random" in hexadecimal, a
 * line with the signature, and whether libxeddsa takes it for the public key. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

extern int xeddsa_init(void);
extern void priv_force_sign(uint8_t *, const uint8_t *, const bool);
extern void priv_to_curve25519_pub(uint8_t *, const uint8_t *);
extern void curve25519_pub_to_ed25519_pub(uint8_t *, const uint8_t *, const bool);
extern void ed25519_priv_sign(uint8_t *, const uint8_t *, const uint8_t *, const uint32_t, const uint8_t *);
extern int ed25519_verify(const uint8_t *, const uint8_t *, const uint8_t *, const uint32_t);

static int unhex(uint8_t *out, const char *in) {
	int n = 0;
	unsigned v;
	if (strcmp(in, "-") == 0) return 0;
	for (; sscanf(in + 2 * n, "%2x", &v) == 1; n++) out[n] = v;
	return n;
}

int main(void) {
	static char a[8192], b[8192], c[8192];
	static uint8_t private[4096], message[4096], random[4096];
	uint8_t forced[32], u[32], ed[32], sig[64];
	if (xeddsa_init() < 0) return 1;
	while (scanf("%8191s %8191s %8191s", a, b, c) == 3) {
		unhex(private, a);
		int n = unhex(message, b);
		unhex(random, c);
		priv_force_sign(forced, private, false);
		ed25519_priv_sign(sig, forced, message, n, random);
		for (int i = 0; i < 64; i++) printf("%02x", sig[i]);
		priv_to_curve25519_pub(u, private);
		curve25519_pub_to_ed25519_pub(ed, u, false);
		printf(" %d\n", ed25519_verify(sig, ed, message, n) == 0);
	}
	return 0;
}
