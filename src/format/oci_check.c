/* SPDX-License-Identifier: Apache-2.0 */
/* What the specification asks of several members together. */
#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "format/oci_parts.h"

static const char *const no_strings[] = { NULL };

static void no_list(struct og_oci_strings *strings)
{
	if (strings->items == NULL)
		strings->items = (const char **)(uintptr_t)no_strings;
}

int og_oci_check_process(struct og_oci_process *process, struct og_err *err)
{
	no_list(&process->env);
	if (process->args.count == 0)
		return og_fail(err, -EINVAL, "process.args is empty: name the program to run");
	process->console_size.set = process->console_size.height != 0 ||
				    process->console_size.width != 0;
	return 0;
}

static int check_namespaces(const struct og_oci_linux *lin, struct og_err *err)
{
	bool seen[OG_OCI_NS_COUNT] = {};

	for (size_t i = 0; i < lin->namespaces.count; i++) {
		int type = lin->namespaces.items[i].type;

		if (seen[type])
			return og_fail(err, -EINVAL, "linux.namespaces[%zu] is there twice", i);
		seen[type] = true;
	}
	return 0;
}

int og_oci_check_resources(const struct og_oci_resources *resources, struct og_err *err)
{
	for (size_t i = 0; i < resources->devices.count; i++) {
		struct og_oci_device_rule *rule = &resources->devices.items[i];

		if (rule->type == 0)
			rule->type = 'a';
		if (rule->access != NULL && strspn(rule->access, "rwm") != strlen(rule->access))
			return og_fail(
				err, -EINVAL,
				"linux.resources.devices[%zu].access is '%.20s', not of r, w, m", i,
				rule->access);
	}
	return 0;
}

int og_oci_check_config(struct og_oci_config *config, struct og_err *err)
{
	int r;

	config->root.set = config->root.path != NULL;
	if (!og_starts_with(config->oci_version, "1."))
		return og_fail(err, -EINVAL, "ociVersion is '%.20s': only 1.x is understood",
			       config->oci_version);
	if (config->process.set) {
		r = og_oci_check_process(&config->process, err);
		if (r < 0)
			return r;
	}
	r = check_namespaces(&config->linux_, err);
	return r < 0 ? r : og_oci_check_resources(&config->linux_.resources, err);
}
