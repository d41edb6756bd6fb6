/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/caps.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int set(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = (uint32_t)permitted, .effective = (uint32_t)effective },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

int og_fs_caps_keep(uint64_t caps, struct og_err *err)
{
	int r;

	for (int cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if ((caps & 1ULL << cap) == 0)
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = set(caps, caps);
	return r < 0 ? og_fail(err, r, "drop capabilities") : 0;
}

void og_fs_caps_effective(uint64_t caps)
{
	(void)set(OG_FS_CAPS_WRITE, caps);
}
