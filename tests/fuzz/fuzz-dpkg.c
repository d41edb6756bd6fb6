/* SPDX-License-Identifier: Apache-2.0 */
#include "format/dpkg.h"

#include "format/os_release.h"
#include "packages.h"
#include "replay.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct og_os_release release;

	(void)og_dpkg_read_status((const char *)data, size, see_package, NULL, NULL);
	(void)og_dpkg_read_list((const char *)data, size, size % 2 == 0, see_file, NULL, NULL);
	og_os_release_read((const char *)data, size, &release);
	return 0;
}
