/* SPDX-License-Identifier: Apache-2.0 */
#include "base/pk.h"

#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/sealed.h"
#include "base/spawn.h"
#include "base/test.h"

#include <fcntl.h>

static int shell(const char *command)
{
	char *argv[] = { (char *)"sh", (char *)"-c", (char *)(uintptr_t)command, NULL };
	const struct og_spawn spawn = { .path = "sh", .argv = argv };

	return og_spawn_wait(&spawn, 0, NULL, NULL);
}

static struct og_pk *read_key(const char *name)
{
	og_auto_free char *pem = NULL;
	struct og_pk *pk = NULL;
	size_t len = 0;

	CHECK_OK(og_read_file(AT_FDCWD, name, OG_PK_PEM_MAX, &pem, &len, NULL));
	CHECK_OK(og_pk_parse(pem, len, &pk, NULL));
	return pk;
}

TEST(what_is_signed_verifies_and_nothing_else_does)
{
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
	uint8_t signature[OG_PK_SIGNATURE_MAX];
	size_t len = 0;

	CHECK_OK(og_sk_generate(&sk, NULL));
	CHECK_OK(og_sk_public(sk, &pk, NULL));
	CHECK_EQ(og_pk_kind(pk), OG_PK_P256);
	for (int round = 0; round < 50; round++) {
		CHECK_OK(og_sk_sign(sk, "text", 4, signature, &len, NULL));
		CHECK_OK(og_pk_verify(pk, "text", 4, signature, len, NULL));
		CHECK_EQ(og_pk_verify(pk, "texT", 4, signature, len, NULL), -EKEYREJECTED);
	}
	for (size_t bit = 0; bit < len * 8; bit++) {
		signature[bit / 8] ^= (uint8_t)(1U << (bit % 8));
		CHECK_EQ(og_pk_verify(pk, "text", 4, signature, len, NULL), -EKEYREJECTED);
		signature[bit / 8] ^= (uint8_t)(1U << (bit % 8));
	}
	CHECK_EQ(og_pk_verify(pk, "text", 4, signature, len - 1, NULL), -EKEYREJECTED);
	CHECK_EQ(og_pk_verify(pk, "text", 4, signature, 0, NULL), -EKEYREJECTED);
	signature[len] = 0;
	CHECK_EQ(og_pk_verify(pk, "text", 4, signature, len + 1, NULL), -EKEYREJECTED);
}

TEST(der_of_signatures_has_one_form)
{
	static const struct {
		const char *der;
		size_t len;
		int result;
	} cases[] = {
		{ "\x30\x06\x02\x01\x01\x02\x01\x01", 8, 0 },
		{ "\x30\x06\x02\x01\x00\x02\x01\x01", 8, -EKEYREJECTED },     /* r = 0 */
		{ "\x30\x06\x02\x01\x01\x02\x01\x00", 8, -EKEYREJECTED },     /* s = 0 */
		{ "\x30\x06\x02\x01\x81\x02\x01\x01", 8, -EKEYREJECTED },     /* r < 0 */
		{ "\x30\x07\x02\x02\x00\x01\x02\x01\x01", 9, -EKEYREJECTED }, /* long form */
		{ "\x30\x07\x02\x02\x00\x81\x02\x01\x01", 9, 0 },
		{ "\x30\x81\x06\x02\x01\x01\x02\x01\x01", 9, -EKEYREJECTED }, /* BER */
		{ "\x30\x80\x02\x01\x01\x02\x01\x01\x00\x00", 10, -EKEYREJECTED },
		{ "\x30\x06\x02\x01\x01\x02\x01\x01\x00", 9, -EKEYREJECTED }, /* trailing */
		{ "\x30\x09\x02\x01\x01\x02\x01\x01\x02\x01\x01", 11, -EKEYREJECTED },
		{ "\x30\x06\x02\x7f\x01\x02\x01\x01", 8, -EKEYREJECTED },
		{ "\x30\x03\x02\x01\x01", 5, -EKEYREJECTED },
		{ "\x31\x06\x02\x01\x01\x02\x01\x01", 8, -EKEYREJECTED },
		{ "\x30", 1, -EKEYREJECTED },
		{ "", 0, -EKEYREJECTED },
	};

	uint8_t raw[OG_PK_RAW_BYTES], der[OG_PK_SIGNATURE_MAX];
	size_t len = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int r = og_pk_raw_from_der(cases[i].der, cases[i].len, raw);

		CHECK_EQ(r, cases[i].result);
		if (r < 0)
			continue;
		CHECK_OK(og_pk_der_from_raw(raw, der, &len));
		CHECK_EQ(len, cases[i].len);
		CHECK_OK(memcmp(der, cases[i].der, len));
	}
	memset(raw, 0xff, sizeof(raw)); /* over the order */
	CHECK_EQ(og_pk_der_from_raw(raw, der, &len), -EKEYREJECTED);
}

TEST(openssl_and_we_take_each_others_keys_and_signatures)
{
	og_auto_free char *signature = NULL, *pem = NULL;
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL, *ours = NULL;
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	uint8_t made[OG_PK_SIGNATURE_MAX];
	size_t len = 0;

	if (shell("openssl version") != 0)
		exit(TEST_SKIP_STATUS);
	CHECK_OK(shell("printf text >text"
		       " && openssl ecparam -name prime256v1 -genkey -noout -out k.pem"
		       " && openssl ec -in k.pem -pubout -out p.pem"
		       " && openssl dgst -sha256 -sign k.pem -out s text"));
	pk = read_key("p.pem");
	CHECK_OK(og_read_file(AT_FDCWD, "s", 1000, &signature, &len, NULL));
	CHECK_OK(og_pk_verify(pk, "text", 4, signature, len, NULL));
	CHECK_OK(og_read_file(AT_FDCWD, "k.pem", 10000, &pem, &len, NULL));
	CHECK_OK(og_sk_parse(pem, len, true, &sk, NULL));
	CHECK_OK(og_sk_public(sk, &ours, NULL));
	CHECK_OK(memcmp(og_pk_id(ours), og_pk_id(pk), OG_PK_ID_BYTES));
	CHECK_OK(og_sk_sign(sk, "text", 4, made, &len, NULL));
	CHECK_OK(og_replace_file(AT_FDCWD, "m", made, len, 0600, false, NULL));
	CHECK_OK(shell("openssl dgst -sha256 -verify p.pem -signature m text"));
}

TEST(ed25519_rsa_and_certificates_verify)
{
	if (shell("openssl version") != 0)
		exit(TEST_SKIP_STATUS);
	CHECK_OK(shell(
		"printf text >text"
		" && openssl genpkey -algorithm ed25519 -out e.key"
		" && openssl pkey -in e.key -pubout -out e.pub"
		" && openssl pkeyutl -sign -inkey e.key -rawin -in text -out e.sig"
		" && openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout r.key -out r.pub"
		" && openssl dgst -sha256 -sign r.key -out r.sig text"));
	for (int i = 0; i < 2; i++) {
		og_auto_free char *signature = NULL;
		og_cleanup(og_pk_freep) struct og_pk *pk = read_key(i == 0 ? "e.pub" : "r.pub");
		size_t len = 0;

		CHECK_EQ(og_pk_kind(pk), i == 0 ? OG_PK_ED25519 : OG_PK_RSA);
		CHECK_OK(og_read_file(AT_FDCWD, i == 0 ? "e.sig" : "r.sig", 1000, &signature, &len,
				      NULL));
		CHECK_OK(og_pk_verify(pk, "text", 4, signature, len, NULL));
		signature[len / 2] ^= 1;
		CHECK_EQ(og_pk_verify(pk, "text", 4, signature, len, NULL), -EKEYREJECTED);
	}
}

TEST(other_curves_and_short_keys_are_refused)
{
	static const char *const commands[] = {
		"openssl ecparam -name secp384r1 -genkey -noout | openssl ec -pubout -out p.pem",
		"openssl ecparam -name secp256k1 -genkey -noout | openssl ec -pubout -out p.pem",
		"openssl genrsa 1024 | openssl rsa -pubout -out p.pem",
		"openssl genpkey -algorithm ed448 | openssl pkey -pubout -out p.pem",
		"printf 'no key' >p.pem",
		"openssl ecparam -name prime256v1 -genkey -noout -out p.pem", /* a private one */
	};

	if (shell("openssl version") != 0)
		exit(TEST_SKIP_STATUS);
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		og_auto_free char *pem = NULL;
		og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
		size_t len = 0;

		CHECK_OK(shell(commands[i]));
		CHECK_OK(og_read_file(AT_FDCWD, "p.pem", 10000, &pem, &len, NULL));
		CHECK(og_pk_parse(pem, len, &pk, NULL) < 0);
		CHECK(pk == NULL);
	}
}

TEST(a_sealed_secret_opens_with_its_password_alone)
{
	struct og_sealed sealed;
	uint8_t box[6 + OG_SEALED_SEAL_BYTES], open[6];

	CHECK_OK(og_sealed_new(&sealed, NULL));
	sealed.n = OG_SEALED_N_MIN; /* quick */
	CHECK_OK(og_sealed_close(&sealed, "word", "secret", 6, box, NULL));
	CHECK_OK(og_sealed_open(&sealed, "word", box, sizeof(box), open, NULL));
	CHECK_OK(memcmp(open, "secret", 6));
	CHECK_EQ(og_sealed_open(&sealed, "wrong", box, sizeof(box), open, NULL), -EKEYREJECTED);
	box[3] ^= 1;
	CHECK_EQ(og_sealed_open(&sealed, "word", box, sizeof(box), open, NULL), -EKEYREJECTED);
	CHECK_EQ(og_sealed_open(&sealed, "word", box, 3, open, NULL), -EKEYREJECTED);
}

TEST(a_file_that_asks_for_too_much_work_is_refused_at_once)
{
	static const struct og_sealed costly[] = {
		{ .n = 1U << 30, .r = 8, .p = 1 },
		{ .n = UINT64_MAX, .r = 8, .p = 1 },
		{ .n = 1U << 16, .r = 4096, .p = 1 },
		{ .n = 1U << 16, .r = 8, .p = 1U << 30 },
	};
	static const struct og_sealed none[] = {
		{ .n = 0, .r = 8, .p = 1 },	   { .n = 3000, .r = 8, .p = 1 },
		{ .n = 2, .r = 8, .p = 1 },	   { .n = 1U << 16, .r = 0, .p = 1 },
		{ .n = 1U << 16, .r = 8, .p = 0 },
	};
	uint8_t box[32] = {}, open[32];

	for (size_t i = 0; i < sizeof(costly) / sizeof(costly[0]); i++)
		CHECK_EQ(og_sealed_open(&costly[i], "x", box, sizeof(box), open, NULL), -E2BIG);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CHECK_EQ(og_sealed_open(&none[i], "x", box, sizeof(box), open, NULL), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(what_is_signed_verifies_and_nothing_else_does),
	  TEST_ENTRY(der_of_signatures_has_one_form),
	  TEST_ENTRY(openssl_and_we_take_each_others_keys_and_signatures),
	  TEST_ENTRY(ed25519_rsa_and_certificates_verify),
	  TEST_ENTRY(other_curves_and_short_keys_are_refused),
	  TEST_ENTRY(a_sealed_secret_opens_with_its_password_alone),
	  TEST_ENTRY(a_file_that_asks_for_too_much_work_is_refused_at_once))
