/* SPDX-License-Identifier: Apache-2.0 */
/* onggi key generate, key public. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sealed.h"
#include "base/text.h"
#include "command.h"
#include "password.h"
#include "trust/keys.h"

static int run_generate(const void *values, int argc, char **argv, struct og_err *err)
{
	const char *prefix = argc > 0 ? argv[0] : "onggi";
	og_auto_free char *password = NULL;
	int r = password_read("the new key", true, &password, err);

	(void)values;
	if (r == 0)
		r = og_key_generate(prefix, password, err);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	if (r == 0)
		(void)printf("%s.key\n%s.pub\n", prefix, prefix);
	return r;
}

static int run_public(const void *values, int argc, char **argv, struct og_err *err)
{
	og_cleanup(og_sk_freep) struct og_sk *sk = NULL;
	og_cleanup(og_pk_freep) struct og_pk *pk = NULL;
	og_auto_free char *password = NULL, *text = NULL;
	int r = og_key_is_sealed(argv[0], err);

	(void)values;
	(void)argc;
	if (r > 0)
		r = password_read(argv[0], false, &password, err);
	if (r >= 0)
		r = og_key_load(argv[0], password, &sk, err);
	if (password != NULL)
		explicit_bzero(password, strlen(password));
	if (r == 0)
		r = og_sk_public(sk, &pk, err);
	if (r == 0)
		r = og_pk_write(pk, &text, err);
	if (r == 0)
		(void)fputs(text, stdout);
	return r;
}

const struct trust_command trust_key_commands[] = {
	{ .name = "key generate",
	  .arguments = "[PREFIX]",
	  .summary = "Make PREFIX.key, under a password, and PREFIX.pub (default onggi)",
	  .most = 1,
	  .run = run_generate },
	{ .name = "key public",
	  .arguments = "FILE",
	  .summary = "Print the public half of a private key",
	  .least = 1,
	  .most = 1,
	  .run = run_public },
	{},
};
