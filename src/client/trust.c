/* SPDX-License-Identifier: Apache-2.0 */
#include "client/trust.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/install.h"
#include "base/text.h"

struct word {
	const char *name;
	const char *summary; /* NULL: not in the list */
	const char *program; /* in bin/; NULL: onggi-trust */
	const char *second;  /* only with this word behind it; NULL: with any */
};

/* One line a command. */
static const struct word words[] = {
	{ "vm", "Send a VM's snapshot or disk to a registry: vm push", NULL, "push" },
	{ "vm", "Fetch one: vm pull", NULL, "pull" },
	{ "vm", NULL, NULL, "ls" },
	{ "vm", NULL, NULL, "rm" },
	{ "vm", "Boot an installed system from its disk: vm run", "onggi-vm" },
	{ "copy", "Copy from registry to registry", NULL },
	{ "attest", "Attest something of an image: an SBOM, a scan's result, its origin", NULL },
	{ "key", "Make keys to sign with", NULL },
	{ "policy", "Explain what the gate says of an image", NULL },
	{ "sbom", "Say what is in an image", NULL },
	{ "scan", "Say which known vulnerabilities are in an image", NULL },
	{ "sign", "Sign an image in its registry", NULL },
	{ "tree", "Show what is attached to an image", NULL },
	{ "verify", "Check an image's signatures", NULL },
	{ NULL, NULL, NULL },
};

static const struct word *find(const char *name, const char *second)
{
	for (const struct word *word = words; word->name != NULL; word++) {
		if (og_streq(word->name, name) &&
		    (word->second == NULL || (second != NULL && og_streq(word->second, second))))
			return word;
	}
	return NULL;
}

bool og_trust_has(const char *name)
{
	return find(name, NULL) != NULL;
}

void og_trust_print(FILE *out)
{
	for (const struct word *word = words; word->name != NULL; word++) {
		if (word->summary != NULL)
			(void)fprintf(out, "  %-10s %s\n", word->name, word->summary);
	}
}

/* @argv[0] is replaced by the program's name, so one more word in front is needed. */
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

int og_trust_exec(char **argv, const char *host, struct og_err *err)
{
	const struct word *word = find(argv[0], argv[1]);
	char relative[64] = "bin/onggi-trust";
	og_auto_free char **longer = with_name(argv, relative + strlen("bin/"));
	og_auto_free char *path = NULL;
	int r;

	if (word != NULL && word->program != NULL)
		(void)snprintf(relative, sizeof(relative), "bin/%s", word->program);
	r = og_install_path(relative, &path, err);

	if (r < 0)
		return r;
	if (longer == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (host != NULL)
		(void)setenv("ONGGI_HOST", host, 1);
	(void)execv(path, longer);
	return og_fail(err, -errno, "run '%s'", path);
}
