/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

struct option {
	const char *name;
	const char *commands; /* those that have it; NULL: all */
	size_t offset;
	const char *value; /* what it is called in the help; NULL: a flag */
	const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option table[] = {
	{ "root", NULL, AT(root), "DIR", "where everything is kept; an engine's data root too" },
	{ "config", NULL, AT(config), "FILE", "configuration: onggi-registry.yaml(5)" },
	{ "addr", "serve", AT(addr), "HOST:PORT", "listen there (default :5000)" },
	{ "tls-cert", "serve", AT(tls_cert), "FILE", "serve TLS with this certificate (PEM)" },
	{ "tls-key", "serve", AT(tls_key), "FILE", "its key" },
	{ "tls-client-ca", "serve", AT(tls_client_ca), "FILE",
	  "clients must have a certificate signed by one of these" },
	{ "dry-run", "gc", AT(dry_run), NULL, "say what would be removed" },
	{ "groups", "account", AT(groups), "A,B", "the groups that the account is in" },
	{ "rate", "scrub", AT(rate), "BYTES", "read so many bytes a second at most" },
	{ "version", NULL, AT(version), NULL, "print the version and end" },
	{ "help", NULL, AT(help), NULL, "print this and end" },
};

static const struct {
	const char *name, *help;
} commands[] = {
	{ "serve", "serve the OCI distribution API" },
	{ "gc", "remove what nothing refers to; a server may go on meanwhile" },
	{ "scrub", "check every stored byte against its digest; likewise" },
	{ "account", "add, passwd, groups or remove NAME, or list: the registry's own accounts" },
};

#define COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

void options_help(void)
{
	printf("Usage: onggi-registry COMMAND [OPTION...]\n\n"
	       "Keeps images and artifacts, and serves them (OCI distribution-spec 1.1).\n\n");
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	printf("\n");
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		char left[48];

		(void)snprintf(left, sizeof(left), "--%s%s%s", table[i].name,
			       table[i].value == NULL ? "" : " ",
			       table[i].value == NULL ? "" : table[i].value);
		printf("  %-24s %s%s%s\n", left, table[i].help,
		       table[i].commands == NULL ? "" : "; of ",
		       table[i].commands == NULL ? "" : table[i].commands);
	}
}

/* "--name" or "--name=value"; *@ret_value is what stands behind '='. */
static const struct option *find(const char *word, const char **ret_value)
{
	size_t len = strcspn(word, "=");

	*ret_value = word[len] == '=' ? word + len + 1 : NULL;
	for (size_t i = 0; i < COUNT_OF(table); i++)
		if (og_starts_with(word, "--") && strlen(table[i].name) + 2 == len &&
		    strncmp(word + 2, table[i].name, len - 2) == 0)
			return &table[i];
	return NULL;
}

static int read_command(const char *word, struct options *options, struct og_err *err)
{
	if (options->command != NULL && og_streq(options->command, "account") &&
	    options->word_count < OPTIONS_WORDS_MAX) {
		options->words[options->word_count++] = word;
		return 0;
	}
	if (options->command != NULL)
		return og_fail_plain(err, -EINVAL, "what is '%s'? see onggi-registry --help", word);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		if (og_streq(word, commands[i].name))
			options->command = commands[i].name;
	return options->command != NULL
		       ? 0
		       : og_fail_plain(err, -EINVAL,
				       "there is no command '%s'; see onggi-registry --help", word);
}

static int check(const struct options *options, struct og_err *err)
{
	if (options->help || options->version)
		return 0;
	if (options->command == NULL)
		return og_fail_plain(err, -EINVAL,
				     "a command is missing; see onggi-registry --help");
	if ((options->tls_cert == NULL) != (options->tls_key == NULL))
		return og_fail_plain(err, -EINVAL, "--tls-cert and --tls-key go together");
	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const char *field = (const char *)options + table[i].offset;
		bool given = table[i].value == NULL
				     ? *(const bool *)(const void *)field
				     : *(const char *const *)(const void *)field != NULL;

		if (given && table[i].commands != NULL &&
		    !og_streq(table[i].commands, options->command))
			return og_fail_plain(err, -EINVAL, "--%s is an option of '%s'",
					     table[i].name, table[i].commands);
	}
	return 0;
}

int options_read(int argc, char **argv, struct options *ret_options, struct og_err *err)
{
	struct options options = {};
	int r = 0;

	for (int i = 1; i < argc && r == 0; i++) {
		const char *value = NULL;
		const struct option *option;
		char *field;

		if (argv[i][0] != '-') {
			r = read_command(argv[i], &options, err);
			continue;
		}
		option = find(argv[i], &value);
		if (option == NULL)
			return og_fail_plain(err, -EINVAL,
					     "unknown option '%s'; see onggi-registry --help",
					     argv[i]);
		field = (char *)&options + option->offset;
		if (option->value == NULL)
			*(bool *)(void *)field = true;
		else if (value == NULL && i + 1 == argc)
			return og_fail_plain(err, -EINVAL, "--%s needs a value", option->name);
		else
			*(const char **)(void *)field = value != NULL ? value : argv[++i];
	}
	if (r == 0)
		r = check(&options, err);
	if (r == 0)
		*ret_options = options;
	return r;
}
