/* SPDX-License-Identifier: Apache-2.0 */
#include "base/password.h"

#include <crypt.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "base/cleanup.h"
#include "base/text.h"

#define BCRYPT_CHARS	60U /* "$2y$NN$", 22 of salt, 31 of hash */
#define BCRYPT_COST_MIN 4U
#define ALPHABET	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define ARGON_LANES_MAX 4U

static int start(struct og_err *err)
{
	return sodium_init() < 0 ? og_fail(err, -EIO, "start libsodium") : 0;
}

int og_password_hash(const char *password, char ret_line[OG_PASSWORD_LINE_MAX], struct og_err *err)
{
	size_t len = strlen(password);
	int r = start(err);

	_Static_assert(OG_PASSWORD_LINE_MAX == crypto_pwhash_argon2id_STRBYTES, "libsodium's own");
	if (r < 0)
		return r;
	if (len == 0)
		return og_fail_plain(err, -EINVAL, "the password is empty");
	if (len > OG_PASSWORD_MAX)
		return og_fail_plain(err, -E2BIG, "the password is over %u bytes", OG_PASSWORD_MAX);
	if (crypto_pwhash_argon2id_str(ret_line, password, len, OG_PASSWORD_ARGON_TIMES,
				       (size_t)OG_PASSWORD_ARGON_KIB * 1024) != 0)
		return og_fail(err, -ENOMEM, "hash a password");
	return 0;
}

static bool is_bcrypt(const char *line)
{
	return line[0] == '$' && line[1] == '2' && line[2] != '\0' && line[3] == '$';
}

static int check_bcrypt(const char *line, struct og_err *err)
{
	unsigned cost;

	if (strchr("aby", line[2]) == NULL || strlen(line) != BCRYPT_CHARS || line[6] != '$' ||
	    line[4] < '0' || line[4] > '9' || line[5] < '0' || line[5] > '9' ||
	    strspn(line + 7, ALPHABET "./") != BCRYPT_CHARS - 7)
		return og_fail_plain(err, -EINVAL, "malformed bcrypt line");
	cost = (unsigned)(line[4] - '0') * 10 + (unsigned)(line[5] - '0');
	if (cost > OG_PASSWORD_BCRYPT_COST_MAX)
		return og_fail_plain(err, -E2BIG, "bcrypt cost %u, at most %u is checked", cost,
				     OG_PASSWORD_BCRYPT_COST_MAX);
	return cost < BCRYPT_COST_MIN ? og_fail_plain(err, -EINVAL, "bcrypt cost %u", cost) : 0;
}

/* Reads "NAME=NUMBER" and the character @behind it, at *@at. */
static bool take_number(const char **at, const char *name, char behind, unsigned long *ret_value)
{
	size_t digits;

	if (!og_starts_with(*at, name))
		return false;
	*at += strlen(name);
	digits = strspn(*at, "0123456789");
	if (digits == 0 || digits > 10 || (*at)[digits] != behind)
		return false;
	*ret_value = strtoul(*at, NULL, 10);
	*at += digits + 1;
	return true;
}

static int check_argon(const char *line, struct og_err *err)
{
	const char *at = line + strlen("$argon2id$");
	unsigned long version, kib, times, lanes;

	if (strlen(line) >= OG_PASSWORD_LINE_MAX || !take_number(&at, "v=", '$', &version) ||
	    version != 19 || !take_number(&at, "m=", ',', &kib) ||
	    !take_number(&at, "t=", ',', &times) || !take_number(&at, "p=", '$', &lanes))
		return og_fail_plain(err, -EINVAL, "malformed Argon2id line");
	if (kib > OG_PASSWORD_ARGON_KIB_MAX || times > OG_PASSWORD_ARGON_TIMES_MAX ||
	    lanes > ARGON_LANES_MAX)
		return og_fail_plain(
			err, -E2BIG,
			"Argon2id with m=%lu,t=%lu,p=%lu, at most m=%u,t=%u,p=%u is checked", kib,
			times, lanes, OG_PASSWORD_ARGON_KIB_MAX, OG_PASSWORD_ARGON_TIMES_MAX,
			ARGON_LANES_MAX);
	at += strspn(at, ALPHABET "+/");
	if (*at++ != '$' || *at == '\0' || at[strspn(at, ALPHABET "+/")] != '\0')
		return og_fail_plain(err, -EINVAL, "malformed Argon2id line");
	return 0;
}

int og_password_check_line(const char *line, struct og_err *err)
{
	if (is_bcrypt(line))
		return check_bcrypt(line, err);
	if (og_starts_with(line, "$argon2id$"))
		return check_argon(line, err);
	return og_fail_plain(err, -EINVAL,
			     "neither bcrypt ($2y$) nor Argon2id: other forms are too weak");
}

static int verify_bcrypt(const char *password, const char *line, struct og_err *err)
{
	/* 32 KiB, too much for a stack. */
	og_auto_free struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made;
	bool same;

	if (data == NULL)
		return og_fail(err, -ENOMEM, "check a password");
	/* The sanitizers stand in for crypt_r(), but not for this one. */
	made = crypt_rn(password, line, data, sizeof(*data));
	same = made != NULL && strlen(made) == BCRYPT_CHARS &&
	       sodium_memcmp(made, line, BCRYPT_CHARS) == 0;
	sodium_memzero(data, sizeof(*data));
	return same ? 0 : og_fail_plain(err, -EACCES, "wrong password");
}

int og_password_verify(const char *password, const char *line, struct og_err *err)
{
	size_t len = strlen(password);
	int r = start(err);

	if (r == 0)
		r = og_password_check_line(line, err);
	if (r < 0)
		return r;
	if (len == 0 || len > OG_PASSWORD_MAX)
		return og_fail_plain(err, -EACCES, "wrong password");
	if (is_bcrypt(line))
		return verify_bcrypt(password, line, err);
	errno = 0;
	if (crypto_pwhash_argon2id_str_verify(line, password, len) == 0)
		return 0;
	if (errno == ENOMEM)
		return og_fail(err, -ENOMEM, "check a password");
	return og_fail_plain(err, -EACCES, "wrong password");
}

bool og_secret_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void og_random(void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

void og_hmac_sha256(const void *key, size_t key_len, const void *buf, size_t len,
		    unsigned char ret_mac[OG_HMAC_SHA256_BYTES])
{
	crypto_auth_hmacsha256_state state;

	(void)crypto_auth_hmacsha256_init(&state, key, key_len);
	(void)crypto_auth_hmacsha256_update(&state, buf, len);
	(void)crypto_auth_hmacsha256_final(&state, ret_mac);
	sodium_memzero(&state, sizeof(state));
}
