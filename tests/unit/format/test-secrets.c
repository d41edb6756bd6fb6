/* SPDX-License-Identifier: Apache-2.0 */
#include "format/secrets.h"

#include "base/test.h"
#include "base/text.h"

static int note(void *data, const struct og_secret *secret, struct og_err *err)
{
	(void)err;
	og_text_addf(data, "%s %zu\n", secret->rule, secret->line);
	return 0;
}

static void check(const char *path, const char *text, const char *wanted)
{
	og_auto_text list = {};

	CHECK_OK(og_secrets_read(path, text, strlen(text), note, &list, NULL));
	if (strcmp(list.len > 0 ? list.buf : "", wanted) != 0) {
		fprintf(stderr, "%s: got\n%s", text, list.len > 0 ? list.buf : "");
		exit(EXIT_FAILURE);
	}
}

#define BASE64 "MIIEpAIBAAKCAQEAwJalrXUtnFEMIK7MDENGbPxRfiCYzq19d8hk3AwJalrXUtnFE\n"

TEST(private_keys_and_not_their_names)
{
	check("x", "\n-----BEGIN RSA PRIVATE KEY-----\n" BASE64 BASE64, "private-key 2\n");
	check("x", "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\n" BASE64 BASE64,
	      "private-key 1\n");
	check("x", "\"-----BEGIN PRIVATE KEY-----\\n" BASE64 BASE64, "private-key 1\n");
	check("x", "-----BEGIN PUBLIC KEY-----\n" BASE64 BASE64, "");
	check("x", "look for -----BEGIN RSA PRIVATE KEY----- at the top, and the other at the end",
	      "");
	check("x", "-----BEGIN RSA PRIVATE KEY-----", "");
	check("x", "-----BEGIN ", "");
}

TEST(tokens_by_their_form)
{
	check("x", "a=ghp_abcdefghijklmnopqrstuvwxyz0123456789", "github-token 1\n");
	check("x", "a=ghp_abcdefghijklmnopqrstuvwxyz", "");
	check("x", "xghp_abcdefghijklmnopqrstuvwxyz0123456789", "");
	check("x", "AKIAIOSFODNN7EXAMPLE", "");
	check("x", "\n\nAKIA2E0A8F3B244C9986.", "aws-access-key 3\n");
	check("x", "AKIA2E0A8F3B244C9986X", "");
	check("x", "glpat-abcdefghij0123456789 npm_abcdefghijklmnopqrstuvwxyz0123456789",
	      "gitlab-token 1\nnpm-token 1\n");
}

TEST(files_of_passwords)
{
	check("root/.netrc", "machine a\n  login b\n  password cdefgh\n", "netrc 3\n");
	check("root/.git-credentials", "https://me:secretsecret@example.com\n",
	      "git-credentials 1\n");
	check("root/.pypirc", "[pypi]\nusername: a\npassword: bcdefgh\n", "pypirc 3\n");
	check("root/.npmrc", "_auth=${X}\nregistry=https://x\n", "");
	check("root/.docker/config.json", "{\"auths\": {\"x\": {\"auth\" : \"dXNlcjpwYXNz\"}}}",
	      "docker-auth 1\n");
	check("root/.docker/config.json",
	      "{\"auths\": {\"x\": {\"auth\": \"\"}}, \"credsStore\": \"x\"}", "");
	check("root/other.json", "{\"auth\": \"dXNlcjpwYXNz\"}", "");
}

TEST(values_with_a_name_are_random_or_none)
{
	check("app/.env", "export DB_PASSWORD='kX9mQ2vLp7Wn4RtZ8s'\n", "named-secret 1\n");
	check("app/x.yml", "  api_key: kX9mQ2vLp7Wn4RtZ8s\n", "named-secret 1\n");
	check("app/.env",
	      "DB_PASSWORD=password\nDB_PASSWORD=${OTHER}\n# PASSWORD=kX9mQ2vLp7Wn4RtZ8s\n", "");
	check("app/.env", "PASSWORD_FILE=kX9mQ2vLp7Wn4RtZ8s\nNAME=kX9mQ2vLp7Wn4RtZ8s\n", "");
	check("app/x.c", "password = kX9mQ2vLp7Wn4RtZ8s\n", "");
	check("app/.env", "SECRET=aaaaaaaaaaaaaaaaaaaaaaaa1111\n", "");
}

TEST(what_is_no_text_has_none_and_no_more_than_enough_are_told)
{
	static const char binary[] = "\0AKIA2E0A8F3B244C9986";
	og_auto_text list = {}, many = {};
	size_t lines = 0;

	CHECK_OK(og_secrets_read("x", binary, sizeof(binary), note, &list, NULL));
	CHECK_EQ(list.len, 0);
	for (int i = 0; i < 100; i++)
		og_text_add(&many, "AKIA2E0A8F3B244C9986\n");
	CHECK_OK(og_secrets_read("x", many.buf, many.len, note, &list, NULL));
	for (size_t i = 0; i < list.len; i++)
		lines += list.buf[i] == '\n';
	CHECK_EQ(lines, OG_SECRETS_EACH_MAX);
}

TEST(files_of_people_are_candidates_and_those_of_packages_not)
{
	CHECK(og_secrets_is_candidate("root/.ssh/id_rsa"));
	CHECK(og_secrets_is_candidate("etc/ssl/private/x.key"));
	CHECK(og_secrets_is_candidate("usr/local/etc/x"));
	CHECK(og_secrets_is_candidate("usr/src/app/.env"));
	CHECK(!og_secrets_is_candidate("usr/share/doc/x/key.pem"));
	CHECK(!og_secrets_is_candidate("app/node_modules/x/test.pem"));
	CHECK(!og_secrets_is_candidate("usr/local/lib/python3/site-packages/x/key.pem"));
	CHECK(og_secrets_is_candidate(""));
	CHECK(og_secrets_is_candidate("usr/local/"));
	CHECK(og_secrets_is_candidate("tests"));
	CHECK(!og_secrets_is_candidate("usr/"));
	CHECK(!og_secrets_is_candidate("app/tests/"));
	CHECK(!og_secrets_is_candidate("srv/node_modules/"));
}

TEST_MAIN(TEST_ENTRY(private_keys_and_not_their_names), TEST_ENTRY(tokens_by_their_form),
	  TEST_ENTRY(files_of_passwords), TEST_ENTRY(values_with_a_name_are_random_or_none),
	  TEST_ENTRY(what_is_no_text_has_none_and_no_more_than_enough_are_told),
	  TEST_ENTRY(files_of_people_are_candidates_and_those_of_packages_not))
