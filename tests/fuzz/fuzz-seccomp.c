/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A config.json whose linux.seccomp is compiled; what comes out must be a program that the kernel
 * takes, and must end. The same bytes are also a program of a stranger's.
 */
#include <string.h>

#include "../unit/bpf.h"
#include "format/oci_config.h"
#include "format/seccomp_filter.h"
#include "replay.h"

static void run(const struct sock_filter *code, size_t len)
{
	static const int numbers[] = { 0, 1, 39, 102, 435, -1 };
	struct seccomp_data data = { .arch = 0xc000003e };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		data.nr = numbers[i];
		data.args[0] = i;
		(void)bpf_run(code, len, &data, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sock_filter code[OG_SECCOMP_FILTER_MAX];
	struct og_oci_config *config = NULL;
	size_t len;

	if (og_oci_config_parse((const char *)data, size, &config, NULL) == 0 &&
	    config->linux_.seccomp.set &&
	    og_seccomp_compile(&config->linux_.seccomp, code, &len, NULL) == 0) {
		if (!og_seccomp_filter_ok(code, len))
			abort();
		run(code, len);
	}
	og_oci_config_free(config);
	len = size / sizeof(code[0]);
	if (len > OG_SECCOMP_FILTER_MAX)
		return 0;
	memcpy(code, data, len * sizeof(code[0]));
	if (og_seccomp_filter_ok(code, len))
		run(code, len);
	return 0;
}
