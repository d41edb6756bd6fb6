/* SPDX-License-Identifier: Apache-2.0 */
/* Whether VMs are emulated on this host, as the runtime says. */
#include <string.h>

#include "base/spawn.h"
#include "base/text.h"
#include "engine/internal.h"

#define FEATURES_MAX 65536U

/* The runtime's `features` document tells which hypervisor it would use, and why. */
char *og_find_emulation(struct og_engine *engine)
{
	const char *argv[] = { engine->runtime, "features", NULL };
	struct og_spawn spawn = { .path = engine->runtime, .argv = (char *const *)argv };
	og_cleanup(og_json_freep) struct og_json *features = NULL;
	og_auto_free char *output = NULL;
	const struct og_json *annotations;
	const char *hypervisor, *reason;

	if (og_spawn_wait(&spawn, FEATURES_MAX, &output, NULL) != 0 || output == NULL ||
	    og_json_parse(output, strlen(output), &features, NULL) < 0)
		return NULL;
	annotations = og_json_get(features, "annotations");
	hypervisor = og_json_string(og_json_get(annotations, "org.onggi.vm.hypervisor"), "");
	reason = og_json_string(og_json_get(annotations, "org.onggi.vm.reason"), "");
	if (!og_streq(hypervisor, "qemu"))
		return NULL;
	return og_strdupf("VMs are slow on this machine: QEMU serves them by %s", reason);
}
