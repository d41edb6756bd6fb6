/* SPDX-License-Identifier: Apache-2.0 */
#include "base/password.h"

#include <errno.h>

#include "base/test.h"
#include "base/text.h"

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

TEST(own_lines_know_their_password_and_no_other)
{
	char one[OG_PASSWORD_LINE_MAX], two[OG_PASSWORD_LINE_MAX];
	struct og_err err = {};

	CHECK_OK(og_password_hash("correct horse", one, &err));
	CHECK_OK(og_password_hash("correct horse", two, &err));
	CHECK(og_starts_with(one, "$argon2id$v=19$m=19456,t=2,p=1$"));
	CHECK(!og_streq(one, two));
	CHECK_OK(og_password_check_line(one, &err));
	CHECK_OK(og_password_verify("correct horse", one, &err));
	CHECK_EQ(og_password_verify("correct horsf", one, &err), -EACCES);
	CHECK_EQ(og_password_verify("", one, &err), -EACCES);
}

TEST(bcrypt_lines_of_htpasswd_are_checked)
{
	/* The published vectors of crypt_blowfish. */
	static const struct {
		const char *password, *line;
	} good[] = {
		{ "U*U", "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW" },
		{ "U*U*", "$2y$05$CCCCCCCCCCCCCCCCCCCCC.VGOzA784oUp/Z0DY336zx7pLYAy0lwK" },
		{ "U*U*U", "$2b$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a" },
	};
	struct og_err err = {};

	for (size_t i = 0; i < COUNT_OF(good); i++) {
		CHECK_OK(og_password_verify(good[i].password, good[i].line, &err));
		CHECK_EQ(og_password_verify("U*V", good[i].line, &err), -EACCES);
	}
}

TEST(lines_that_ask_for_too_much_are_refused_before_it_is_spent)
{
	static const char *const lines[] = {
		"$2y$31$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2y$15$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo",
		"$argon2id$v=19$m=65536,t=4000000,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
		"$argon2id$v=19$m=65536,t=2,p=200$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct og_err err = {};

		CHECK_EQ(og_password_verify("U*U", lines[i], &err), -E2BIG);
		CHECK(strstr(err.text, "at most") != NULL);
	}
}

TEST(other_forms_are_no_lines)
{
	static const char *const lines[] = {
		"",
		"secret",
		"$",
		"$2",
		"$2y",
		"$2y$",
		"$2y$05$",
		"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
		"$apr1$abcdefgh$1234567890123456789012",
		"$6$salt$hash",
		"$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2y$0x$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2y$03$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
		"$2y$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyO:W",
		"$argon2id$",
		"$argon2id$v=19$m=65536,t=2,p=1$",
		"$argon2id$v=19$m=65536,t=2,p=1$salt$",
		"$argon2id$v=19$m=-1,t=2,p=1$c2FsdA$aGFzaA",
		"$argon2id$v=19$m=99999999999999999999,t=2,p=1$c2FsdA$aGFzaA",
		"$argon2i$v=19$m=65536,t=2,p=1$c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaA",
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++) {
		struct og_err err = {};

		CHECK_EQ(og_password_check_line(lines[i], &err), -EINVAL);
		CHECK_EQ(og_password_verify("secret", lines[i], &err), -EINVAL);
	}
}

TEST(passwords_have_a_length)
{
	char line[OG_PASSWORD_LINE_MAX], longest[OG_PASSWORD_MAX + 2];
	struct og_err err = {};

	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	CHECK_EQ(og_password_hash("", line, &err), -EINVAL);
	CHECK_EQ(og_password_hash(longest, line, &err), -E2BIG);
	longest[OG_PASSWORD_MAX] = '\0';
	CHECK_OK(og_password_hash(longest, line, &err));
	CHECK_OK(og_password_verify(longest, line, &err));
}

/* RFC 4231, test case 2. */
TEST(hmac_is_the_rfcs)
{
	static const unsigned char want[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e };
	unsigned char mac[OG_HMAC_SHA256_BYTES];

	og_hmac_sha256("Jefe", 4, "what do ya want for nothing?", 28, mac);
	CHECK(memcmp(mac, want, sizeof(want)) == 0);
}

TEST_MAIN(TEST_ENTRY(own_lines_know_their_password_and_no_other),
	  TEST_ENTRY(bcrypt_lines_of_htpasswd_are_checked),
	  TEST_ENTRY(lines_that_ask_for_too_much_are_refused_before_it_is_spent),
	  TEST_ENTRY(other_forms_are_no_lines), TEST_ENTRY(passwords_have_a_length),
	  TEST_ENTRY(hmac_is_the_rfcs))
