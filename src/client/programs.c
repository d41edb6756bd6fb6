/* SPDX-License-Identifier: Apache-2.0 */
#include "client/programs.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/install.h"
#include "base/text.h"

struct row {
	const char *first, *second; /* the command's words; no @second: any may follow */
	const char *program;	    /* in bin/ */
	const char *summary;
};

/* One line a command. */
static const struct row rows[] = {
	{ "vm", "run", "onggi-vm", "Boot an installed system from its disk" },
	{ "vm", "push", "onggi-trust", "Send a VM's snapshot or disk to a registry" },
	{ "vm", "pull", "onggi-trust", "Fetch a VM's snapshot or disk from a registry" },
	{ "vm", "ls", "onggi-trust", "Show what a snapshot or disk in a registry consists of" },
	{ "vm", "rm", "onggi-trust", "Remove a snapshot or disk from a registry" },
	{ "scan", NULL, "onggi-trust", "Say which known vulnerabilities are in an image" },
	{ "sbom", NULL, "onggi-trust", "Say what is in an image" },
	{ "sign", NULL, "onggi-trust", "Sign an image in its registry" },
	{ "verify", NULL, "onggi-trust", "Check an image's signatures" },
	{ "attest", NULL, "onggi-trust",
	  "Attest something of an image: an SBOM, a scan's result, its origin" },
	{ "tree", NULL, "onggi-trust", "Show what is attached to an image" },
	{ "key", NULL, "onggi-trust", "Make keys to sign with" },
	{ "policy", NULL, "onggi-trust", "Explain what the gate says of an image" },
	{ "copy", NULL, "onggi-trust", "Copy from registry to registry" },
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

bool og_programs_have(const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (og_streq(rows[i].first, name))
			return true;
	}
	return false;
}

bool og_programs_are_group(const char *name)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (og_streq(rows[i].first, name))
			return rows[i].second != NULL;
	}
	return false;
}

void og_programs_print(FILE *out, const char *only)
{
	for (size_t i = 0; i < ROWS; i++) {
		char words[32];

		if (only != NULL && !og_streq(rows[i].first, only))
			continue;
		(void)snprintf(words, sizeof(words), "%s %s", rows[i].first,
			       rows[i].second != NULL ? rows[i].second : "");
		(void)fprintf(out, "  %-10s %s\n", words, rows[i].summary);
	}
}

static const struct row *find(const char *first, const char *second)
{
	for (size_t i = 0; i < ROWS; i++) {
		if (og_streq(rows[i].first, first) &&
		    (rows[i].second == NULL ||
		     (second != NULL && og_streq(rows[i].second, second))))
			return &rows[i];
	}
	return NULL;
}

/* @argv[0] becomes the program's name, so one more word in front is needed. */
static char **with_name(char **argv, char *name)
{
	size_t count = 0;
	char **longer;

	while (argv[count] != NULL)
		count++;
	longer = calloc(count + 2, sizeof(longer[0]));
	if (longer == NULL)
		return NULL;
	longer[0] = name;
	for (size_t i = 0; i < count; i++)
		longer[i + 1] = argv[i];
	return longer;
}

int og_programs_exec(char **argv, const char *host, struct og_err *err)
{
	const struct row *row = find(argv[0], argv[1]);
	og_auto_free char **longer = NULL;
	og_auto_free char *path = NULL;
	char relative[64];
	int r;

	if (row == NULL)
		return og_fail_plain(err, -EINVAL,
				     "there is no command '%s %s'; see 'onggi %s --help'", argv[0],
				     argv[1] != NULL ? argv[1] : "", argv[0]);
	(void)snprintf(relative, sizeof(relative), "bin/%s", row->program);
	r = og_install_path(relative, &path, err);
	if (r < 0)
		return r;
	longer = with_name(argv, relative + sizeof("bin/") - 1);
	if (longer == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (host != NULL)
		(void)setenv("ONGGI_HOST", host, 1);
	(void)execv(path, longer);
	return og_fail(err, -errno, "run '%s'", path);
}
