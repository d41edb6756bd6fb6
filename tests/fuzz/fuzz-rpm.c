/* SPDX-License-Identifier: Apache-2.0 */
/* A header, or a file of them. */
#include "format/rpm.h"

#include "packages.h"
#include "replay.h"

static int read_blob(void *data, const uint8_t *buf, size_t len, struct og_err *err)
{
	(void)og_rpm_read_header(buf, len, see_package, see_file, data, err);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	(void)og_rpm_read_header(data, size, see_package, see_file, NULL, NULL);
	(void)og_rpm_read_ndb(data, size, read_blob, NULL, NULL);
	(void)og_rpm_read_bdb(data, size, read_blob, NULL, NULL);
	return 0;
}
