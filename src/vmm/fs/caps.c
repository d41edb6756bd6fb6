/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/fs/caps.h"

#include <sys/syscall.h>
#include <unistd.h>

void og_fs_caps_effective(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .permitted = (uint32_t)OG_FS_CAPS_WRITE, .effective = (uint32_t)caps },
	};

	(void)syscall(SYS_capset, &head, data);
}
