/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/command.h"
#include "client/programs.h"

struct global_options {
	const char *host;
	const char *config;
	bool version, help;
};

static const struct og_option global_options[] = {
	OG_OPTION(struct global_options, host, "host", 'H', OG_OPTION_TEXT,
		  "HOST of the daemon: unix:///PATH or tcp://ADDRESS:PORT"),
	OG_OPTION(struct global_options, config, "config", 0, OG_OPTION_TEXT,
		  "FOLDER of Docker's config.json with credentials"),
	OG_OPTION(struct global_options, version, "version", 'v', OG_OPTION_FLAG,
		  "print the version"),
	OG_OPTION(struct global_options, help, "help", 0, OG_OPTION_FLAG, "print this"),
};

#define GLOBAL_COUNT (sizeof(global_options) / sizeof(global_options[0]))

static const struct og_command *const tables[] = {
	og_run_commands,   og_lifecycle_commands, og_control_commands,
	og_stats_commands, og_list_commands,	  og_show_commands,
	og_image_commands, og_stream_commands,	  og_registry_commands,
};

static const struct og_command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct og_command *at = tables[i]; at->name != NULL; at++) {
			if (og_streq(at->name, name))
				return at;
		}
	}
	return NULL;
}

static void print_options(FILE *out, const struct og_option *options, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct og_option *option = &options[i];
		size_t word = option->kind == OG_OPTION_FLAG ? 0 : strcspn(option->help, " ");
		char left[64];
		char letter[8] = "    ";

		if (option->letter != 0)
			(void)snprintf(letter, sizeof(letter), "-%c, ", option->letter);
		(void)snprintf(left, sizeof(left), "  %s--%s %.*s", letter, option->name, (int)word,
			       option->help);
		(void)fprintf(out, "%-32s %s\n", left, option->help);
	}
}

static int print_overview(FILE *out)
{
	(void)fputs("usage: onggi [OPTIONS] COMMAND [ARGUMENTS]\n\n"
		    "One image, run as a container or as a virtual machine.\n\nOptions:\n",
		    out);
	print_options(out, global_options, GLOBAL_COUNT);
	(void)fputs("\nCommands:\n", out);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (const struct og_command *at = tables[i]; at->name != NULL; at++)
			(void)fprintf(out, "  %-10s %s\n", at->name, at->summary);
	}
	og_programs_print(out, NULL);
	(void)fputs("\n'onggi COMMAND --help' says more; so does onggi(1).\n", out);
	return out == stdout ? EXIT_SUCCESS : OG_EXIT_USAGE;
}

static int print_help(const struct og_command *command)
{
	(void)printf("usage: onggi %s %s%s\n\n%s\n", command->name,
		     command->option_count > 0 ? "[OPTIONS] " : "", command->arguments,
		     command->summary);
	if (command->option_count > 0)
		(void)fputs("\nOptions:\n", stdout);
	print_options(stdout, command->options, command->option_count);
	return EXIT_SUCCESS;
}

static int usage_error(const struct og_command *command, const struct og_err *err)
{
	(void)fprintf(stderr, "onggi: %.*s; see 'onggi %s --help'\n", (int)strcspn(err->text, "\n"),
		      err->text, command->name);
	return OG_EXIT_USAGE;
}

static bool asks_for_help(const struct og_command *command, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (og_streq(argv[i], "--help"))
			return true;
		if (og_streq(argv[i], "--") || (command->words_end_options && argv[i][0] != '-'))
			return false;
	}
	return false;
}

static int run_with(const struct og_command *command, struct og_session *session, int argc,
		    char **argv, void *values)
{
	og_auto_free char **words = calloc((size_t)argc + 1, sizeof(words[0]));
	struct og_err err = {};
	int count;
	int r;

	if (words == NULL)
		return OG_EXIT_USAGE;
	count = og_options_read_all(command->options, command->option_count,
				    command->words_end_options, argc, argv, values, words, &err);
	if (count >= 0 && count < command->least)
		count = og_fail_plain(&err, -EINVAL, "%s needs %s", command->name,
				      command->arguments);
	else if (count >= 0 && command->most >= 0 && count > command->most)
		count = og_fail_plain(&err, -EINVAL, "%s takes no '%s'", command->name,
				      words[command->most]);
	if (count < 0)
		return usage_error(command, &err);
	r = command->run(session, values, count, words, &err);
	if (r >= 0)
		return r;
	(void)fflush(stdout);
	(void)fprintf(stderr, "onggi: %s\n", err.text[0] != '\0' ? err.text : strerror(-r));
	return command->failure > 0 ? command->failure : EXIT_FAILURE;
}

static int run_command(const struct og_command *command, struct og_session *session, int argc,
		       char **argv)
{
	og_auto_free void *values = calloc(1, command->values_size + 1);
	int status;

	if (values == NULL)
		return OG_EXIT_USAGE;
	if (asks_for_help(command, argc, argv))
		return print_help(command);
	if (command->set_defaults != NULL)
		command->set_defaults(values);
	status = run_with(command, session, argc, argv, values);
	og_options_done(command->options, command->option_count, values);
	return status;
}

static int print_group(FILE *out, const char *first)
{
	(void)fprintf(out, "usage: onggi %s COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n", first);
	og_programs_print(out, first);
	(void)fprintf(out, "\n'onggi %s COMMAND --help' says more; so does onggi(1).\n", first);
	return out == stdout ? EXIT_SUCCESS : OG_EXIT_USAGE;
}

static int become_program(char **argv, const char *host)
{
	struct og_err err = {};

	if (og_programs_are_group(argv[0]) && (argv[1] == NULL || og_streq(argv[1], "--help")))
		return print_group(argv[1] != NULL ? stdout : stderr, argv[0]);
	(void)og_programs_exec(argv, host, &err);
	(void)fprintf(stderr, "onggi: %s\n", err.text);
	return OG_EXIT_USAGE;
}

int og_client_main(int argc, char **argv)
{
	struct global_options globals = {};
	const struct og_command *command;
	struct og_session session;
	struct og_err err = {};
	int used =
		og_options_read(global_options, GLOBAL_COUNT, argc - 1, argv + 1, &globals, &err);
	int at = used + 1;
	int status;

	(void)signal(SIGPIPE, SIG_IGN); /* a terminal in raw mode is to be restored */
	if (used < 0) {
		(void)fprintf(stderr, "onggi: %s; see 'onggi --help'\n", err.text);
		return OG_EXIT_USAGE;
	}
	if (globals.version) {
		(void)puts("onggi version " OG_VERSION);
		return EXIT_SUCCESS;
	}
	if (globals.help || at >= argc)
		return print_overview(globals.help ? stdout : stderr);
	if (globals.config != NULL)
		(void)setenv("DOCKER_CONFIG", globals.config, 1);
	command = find_command(argv[at]);
	if (command == NULL && og_programs_have(argv[at]))
		return become_program(argv + at, globals.host);
	if (command == NULL && og_streq(argv[at], "help"))
		return print_overview(stdout);
	if (command == NULL) {
		(void)fprintf(stderr, "onggi: there is no command '%s'; see 'onggi --help'\n",
			      argv[at]);
		return OG_EXIT_USAGE;
	}
	if (og_session_init(&session, globals.host, &err) < 0) {
		(void)fprintf(stderr, "onggi: %s\n", err.text);
		return OG_EXIT_USAGE;
	}
	status = run_command(command, &session, argc - at - 1, argv + at + 1);
	og_session_done(&session);
	return status;
}
