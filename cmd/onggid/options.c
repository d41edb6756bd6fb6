/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

enum kind {
	KIND_TEXT,
	KIND_LIST,
	KIND_FLAG,
	KIND_REFUSED, /* known, and not there: @help says why */
};

struct option {
	const char *name;
	char letter;
	enum kind kind;
	size_t offset;
	size_t count_offset; /* of a list */
	const char *value;
	const char *help;
};

#define AT(member) offsetof(struct options, member)

static const struct option table[] = {
	{ "host", 'H', KIND_LIST, AT(hosts), AT(host_count), "ADDRESS",
	  "listen on unix://PATH, tcp://127.0.0.1:PORT or fd:// (default unix://EXEC-ROOT/onggi.sock)" },
	{ "data-root", 'g', KIND_TEXT, AT(data_root), 0, "DIR",
	  "images, volumes and workloads (default /var/lib/onggi)" },
	{ "exec-root", 0, KIND_TEXT, AT(exec_root), 0, "DIR",
	  "what lives until the next boot (default /run/onggi)" },
	{ "group", 'G', KIND_TEXT, AT(group), 0, "GROUP", "who else may use the unix socket" },
	{ "insecure-registry", 0, KIND_LIST, AT(insecure), AT(insecure_count), "HOST[:PORT]",
	  "may use HTTP or a certificate that nobody signed" },
	{ "policy", 0, KIND_TEXT, AT(policy), 0, "FILE",
	  "which images may run, and how (default /etc/onggi/policy.yaml)" },
	{ "pidfile", 'p', KIND_TEXT, AT(pidfile), 0, "FILE", "write the process ID to FILE" },
	{ "log-level", 'l', KIND_TEXT, AT(log_level), 0, "LEVEL",
	  "debug, info, warn, error or fatal (default info)" },
	{ "debug", 'D', KIND_FLAG, AT(debug), 0, NULL, "the same as --log-level debug" },
	{ "version", 'v', KIND_FLAG, AT(version), 0, NULL, "print the version and end" },
	{ "help", 'h', KIND_FLAG, AT(help), 0, NULL, "print this and end" },
	{ "tls", 0, KIND_REFUSED, 0, 0, NULL, "TLS is not served yet" },
	{ "tlsverify", 0, KIND_REFUSED, 0, 0, NULL, "TLS is not served yet" },
	{ "tlscacert", 0, KIND_REFUSED, 0, 0, NULL, "TLS is not served yet" },
	{ "tlscert", 0, KIND_REFUSED, 0, 0, NULL, "TLS is not served yet" },
	{ "tlskey", 0, KIND_REFUSED, 0, 0, NULL, "TLS is not served yet" },
};

#define TABLE_COUNT (sizeof(table) / sizeof(table[0]))

void options_help(void)
{
	printf("Usage: onggid [OPTION...]\n\n"
	       "Serves containers and virtual machines over the Docker Engine API.\n\n");
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct option *option = &table[i];
		char left[64];

		if (option->kind == KIND_REFUSED)
			continue;
		(void)snprintf(left, sizeof(left), "--%s%s%s", option->name,
			       option->value == NULL ? "" : " ",
			       option->value == NULL ? "" : option->value);
		printf("  %c%c%c %-32s %s\n", option->letter == 0 ? ' ' : '-',
		       option->letter == 0 ? ' ' : option->letter, option->letter == 0 ? ' ' : ',',
		       left, option->help);
	}
}

/* "--name", "--name=value" or "-n"; *@ret_value is what stands behind '='. */
static const struct option *find(const char *word, const char **ret_value)
{
	size_t len = strcspn(word, "=");

	*ret_value = word[len] == '=' ? word + len + 1 : NULL;
	for (size_t i = 0; i < TABLE_COUNT; i++) {
		const struct option *option = &table[i];

		if (og_starts_with(word, "--") && strlen(option->name) + 2 == len &&
		    strncmp(word + 2, option->name, len - 2) == 0)
			return option;
		if (len == 2 && word[1] == option->letter && option->letter != 0)
			return option;
	}
	return NULL;
}

static int store(struct options *options, const struct option *option, const char *value,
		 struct og_err *err)
{
	char *field = (char *)options + option->offset;
	size_t *count;

	if (option->kind == KIND_TEXT) {
		*(const char **)(void *)field = value;
		return 0;
	}
	count = (size_t *)(void *)((char *)options + option->count_offset);
	if (*count == LIST_MAX)
		return og_fail_plain(err, -EINVAL, "--%s is given over %d times", option->name,
				     LIST_MAX);
	((const char **)(void *)field)[(*count)++] = value;
	return 0;
}

static int read_flag(struct options *options, const struct option *option, const char *value,
		     struct og_err *err)
{
	bool *field = (bool *)(void *)((char *)options + option->offset);

	if (value != NULL && !og_streq(value, "true") && !og_streq(value, "false"))
		return og_fail_plain(err, -EINVAL, "--%s must be true or false", option->name);
	*field = value == NULL || og_streq(value, "true");
	return 0;
}

static int check_level(const char *level, struct og_err *err)
{
	static const char *const levels[] = { "debug", "info", "warn", "error", "fatal" };

	for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
		if (og_streq(level, levels[i]))
			return 0;
	}
	return og_fail_plain(err, -EINVAL,
			     "--log-level: '%s' is none of debug, info, warn, error, fatal", level);
}

int options_read(int argc, char **argv, struct options *ret_options, struct og_err *err)
{
	struct options options = {
		.data_root = "/var/lib/onggi",
		.exec_root = "/run/onggi",
		.log_level = "info",
	};

	for (int i = 1; i < argc; i++) {
		const char *value = NULL;
		const struct option *option = argv[i][0] == '-' ? find(argv[i], &value) : NULL;
		int r = 0;

		if (option == NULL)
			return og_fail_plain(err, -EINVAL, "unknown option '%s'; see onggid --help",
					     argv[i]);
		if (option->kind == KIND_REFUSED)
			return og_fail_plain(err, -EINVAL, "--%s: %s; use a unix socket",
					     option->name, option->help);
		if (option->kind == KIND_FLAG)
			r = read_flag(&options, option, value, err);
		else if (value == NULL && ++i == argc)
			r = og_fail_plain(err, -EINVAL, "--%s needs a value", option->name);
		else
			r = store(&options, option, value == NULL ? argv[i] : value, err);
		if (r < 0)
			return r;
	}
	*ret_options = options;
	return check_level(options.log_level, err);
}
