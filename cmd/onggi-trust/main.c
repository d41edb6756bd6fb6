/* SPDX-License-Identifier: Apache-2.0 */
/* onggi-trust(1): what is judged about images. `onggi` starts it with the words it was given. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "command.h"

/* One line a file of commands. */
static const struct trust_command *const tables[] = {
	trust_copy_commands,	trust_key_commands,  trust_policy_commands,
	trust_scan_db_commands, trust_scan_commands, trust_sign_commands,
	trust_verify_commands,	trust_vm_commands,   NULL,
};

/* The words of @name that @argv begins with, 0 when it begins otherwise. */
static int match(const char *name, int argc, char **argv)
{
	for (int used = 0; used < argc; used++) {
		size_t len = strcspn(name, " ");

		if (strlen(argv[used]) != len || strncmp(argv[used], name, len) != 0)
			return 0;
		if (name[len] == '\0')
			return used + 1;
		name += len + 1;
	}
	return 0;
}

static const struct trust_command *find_command(int argc, char **argv, int *ret_used)
{
	for (size_t i = 0; tables[i] != NULL; i++) {
		for (const struct trust_command *at = tables[i]; at->name != NULL; at++) {
			*ret_used = match(at->name, argc, argv);
			if (*ret_used > 0)
				return at;
		}
	}
	return NULL;
}

/* @only: the first word of those to be named; NULL: all. */
static int print_overview(FILE *out, const char *only)
{
	(void)fputs("usage: onggi COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", out);
	for (size_t i = 0; tables[i] != NULL; i++) {
		for (const struct trust_command *at = tables[i]; at->name != NULL; at++) {
			if (only == NULL || strncmp(at->name, only, strlen(only)) == 0)
				(void)fprintf(out, "  %-19s %s\n", at->name, at->summary);
		}
	}
	(void)fputs("\n'onggi COMMAND --help' says more; so does onggi-trust(1).\n", out);
	return out == stdout ? EXIT_SUCCESS : EXIT_USAGE;
}

static int print_help(const struct trust_command *command)
{
	(void)printf("usage: onggi %s %s%s\n\n%s\n", command->name,
		     command->option_count > 0 ? "[OPTIONS] " : "", command->arguments,
		     command->summary);
	if (command->option_count > 0)
		(void)fputs("\nOptions:\n", stdout);
	for (size_t i = 0; i < command->option_count; i++) {
		const struct og_option *option = &command->options[i];
		size_t word = option->kind == OG_OPTION_FLAG ? 0 : strcspn(option->help, " ");
		char left[64];

		(void)snprintf(left, sizeof(left), "  %c%c%c --%s %.*s",
			       option->letter != 0 ? '-' : ' ',
			       option->letter != 0 ? option->letter : ' ',
			       option->letter != 0 ? ',' : ' ', option->name, (int)word,
			       option->help);
		(void)printf("%-34s %s\n", left, option->help);
	}
	return EXIT_SUCCESS;
}

static int run_with(const struct trust_command *command, int argc, char **argv, void *values)
{
	og_auto_free char **words = calloc((size_t)argc + 1, sizeof(words[0]));
	struct og_err err = {};
	int count, r;

	if (words == NULL)
		return EXIT_USAGE;
	count = og_options_read_all(command->options, command->option_count, false, argc, argv,
				    values, words, &err);
	if (count >= 0 && count < command->least)
		count = og_fail_plain(&err, -EINVAL, "%s needs %s", command->name,
				      command->arguments);
	else if (count >= 0 && command->most >= 0 && count > command->most)
		count = og_fail_plain(&err, -EINVAL, "%s takes no '%s'", command->name,
				      words[command->most]);
	r = count < 0 ? TRUST_WRONG_USE : command->run(values, count, words, &err);
	if (r >= 0)
		return r;
	(void)fflush(stdout);
	if (r == TRUST_WRONG_USE) {
		(void)fprintf(stderr, "onggi: %s; see 'onggi %s --help'\n", err.text,
			      command->name);
		return EXIT_USAGE;
	}
	(void)fprintf(stderr, "onggi: %s\n", err.text[0] != '\0' ? err.text : strerror(-r));
	return command->failure > 0 ? command->failure : EXIT_FAILURE;
}

static bool asks_for_help(int argc, char **argv)
{
	for (int i = 0; i < argc && !og_streq(argv[i], "--"); i++) {
		if (og_streq(argv[i], "--help"))
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	og_auto_free void *values = NULL;
	const struct trust_command *command;
	int used = 0, status;

	(void)signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return print_overview(stderr, NULL);
	if (og_streq(argv[1], "--help"))
		return print_overview(stdout, NULL);
	if (og_streq(argv[1], "--version")) {
		(void)puts("onggi-trust version " OG_VERSION);
		return EXIT_SUCCESS;
	}
	command = find_command(argc - 1, argv + 1, &used);
	if (command == NULL)
		return print_overview(asks_for_help(argc - 1, argv + 1) ? stdout : stderr, argv[1]);
	if (asks_for_help(argc - 1 - used, argv + 1 + used))
		return print_help(command);
	values = calloc(1, command->values_size + 1);
	if (values == NULL)
		return EXIT_USAGE;
	status = run_with(command, argc - 1 - used, argv + 1 + used, values);
	og_options_done(command->options, command->option_count, values);
	if (fflush(stdout) != 0 && status == EXIT_SUCCESS)
		status = EXIT_FAILURE;
	return status;
}
