/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access/accounts.h"
#include "base/ask.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/text.h"
#include "registry/ops.h"

typedef int command_fn(struct og_accounts *accounts, const char *name,
		       const struct options *options, struct og_err *err);

/* ---- passwords ---- */

/* One line of standard input, without its end. */
static int read_line(char line[OG_PASSWORD_MAX + 2], struct og_err *err)
{
	if (fgets(line, OG_PASSWORD_MAX + 2, stdin) == NULL)
		return og_fail_plain(err, -EINVAL, "no password on standard input");
	line[strcspn(line, "\r\n")] = '\0';
	return 0;
}

static int ask(const char *prompt, char line[OG_PASSWORD_MAX + 2], struct og_err *err)
{
	og_auto_free char *typed = NULL;
	int r;

	if (isatty(STDIN_FILENO) == 0)
		return read_line(line, err);
	r = og_ask(STDIN_FILENO, prompt, true, &typed, err);
	if (r == 0 && strlen(typed) > OG_PASSWORD_MAX)
		r = og_fail_plain(err, -E2BIG, "a password of over %d bytes", (int)OG_PASSWORD_MAX);
	if (r == 0)
		memcpy(line, typed, strlen(typed) + 1);
	if (typed != NULL)
		explicit_bzero(typed, strlen(typed));
	return r;
}

/* From a terminal it is asked for twice, since nobody sees what they type. */
static int read_password(char line[OG_PASSWORD_MAX + 2], struct og_err *err)
{
	char again[OG_PASSWORD_MAX + 2];
	int r = ask("Password: ", line, err);

	if (r < 0 || isatty(STDIN_FILENO) == 0)
		return r;
	r = ask("Again: ", again, err);
	if (r == 0 && !og_streq(line, again))
		r = og_fail_plain(err, -EINVAL, "the two are different");
	explicit_bzero(again, sizeof(again));
	return r;
}

/* ---- commands ---- */

static int add(struct og_accounts *accounts, const char *name, const struct options *options,
	       struct og_err *err)
{
	char line[OG_PASSWORD_MAX + 2];
	int r = read_password(line, err);

	if (r == 0)
		r = og_accounts_add(accounts, name, line,
				    options->groups != NULL ? options->groups : "", err);
	explicit_bzero(line, sizeof(line));
	return r;
}

static int passwd(struct og_accounts *accounts, const char *name, const struct options *options,
		  struct og_err *err)
{
	char line[OG_PASSWORD_MAX + 2];
	int r = read_password(line, err);

	(void)options;
	if (r == 0)
		r = og_accounts_set_password(accounts, name, line, err);
	explicit_bzero(line, sizeof(line));
	return r;
}

static int set_groups(struct og_accounts *accounts, const char *name, const struct options *options,
		      struct og_err *err)
{
	if (options->groups == NULL)
		return og_fail_plain(err, -EINVAL, "--groups says which; \"\" for none");
	return og_accounts_set_groups(accounts, name, options->groups, err);
}

static int remove_account(struct og_accounts *accounts, const char *name,
			  const struct options *options, struct og_err *err)
{
	(void)options;
	return og_accounts_remove(accounts, name, err);
}

static int print(void *data, const struct og_account *account)
{
	const struct timespec created = { .tv_sec = account->created };
	char moment[OG_CLOCK_TEXT_BYTES];

	(void)data;
	og_clock_format(&created, moment);
	printf("%s\t%s\t%s\n", account->name, moment, account->groups);
	return 0;
}

static int list(struct og_accounts *accounts, const char *name, const struct options *options,
		struct og_err *err)
{
	(void)name;
	(void)options;
	return og_accounts_each(accounts, print, NULL, err);
}

int account(const char *root, const struct options *options, struct og_err *err)
{
	static const struct {
		const char *word;
		bool has_name;
		command_fn *fn;
	} commands[] = {
		{ "add", true, add },		{ "passwd", true, passwd },
		{ "groups", true, set_groups }, { "remove", true, remove_account },
		{ "list", false, list },
	};
	og_cleanup(og_accounts_freep) struct og_accounts *accounts = NULL;
	og_auto_fd state_fd = -EBADF;
	int r;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (options->word_count == 0 || !og_streq(options->words[0], commands[i].word))
			continue;
		if ((options->word_count > 1) != commands[i].has_name)
			break;
		r = og_streq(commands[i].word, "add") ? 0 : og_registry_check_root(root, err);
		if (r < 0)
			return r;
		state_fd = og_registry_state_folder(root, err);
		r = state_fd < 0 ? state_fd : og_accounts_open(state_fd, &accounts, err);
		return r < 0 ? r : commands[i].fn(accounts, options->words[1], options, err);
	}
	return og_fail_plain(err, -EINVAL,
			     "account add, passwd, groups or remove NAME, or account list; see "
			     "onggi-registry --help");
}
