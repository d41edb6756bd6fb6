/* SPDX-License-Identifier: Apache-2.0 */
#include "format/oci_names.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>

#include "base/test.h"

TEST(names_are_the_kernels_numbers)
{
	CHECK_EQ(og_cap_number("CAP_CHOWN"), CAP_CHOWN);
	CHECK_EQ(og_cap_number("CAP_SYS_ADMIN"), CAP_SYS_ADMIN);
	CHECK_EQ(og_cap_number("CAP_CHECKPOINT_RESTORE"), CAP_CHECKPOINT_RESTORE);
	CHECK_EQ(og_rlimit_number("RLIMIT_CPU"), RLIMIT_CPU);
	CHECK_EQ(og_rlimit_number("RLIMIT_NOFILE"), RLIMIT_NOFILE);
	CHECK_EQ(og_rlimit_number("RLIMIT_RTTIME"), RLIMIT_RTTIME);
}

TEST(other_names_are_refused)
{
	CHECK_EQ(og_cap_number("CHOWN"), -EINVAL);
	CHECK_EQ(og_cap_number("CAP_"), -EINVAL);
	CHECK_EQ(og_cap_number("cap_chown"), -EINVAL);
	CHECK_EQ(og_rlimit_number("RLIMIT_NOFILES"), -EINVAL);
	CHECK_EQ(og_rlimit_number(""), -EINVAL);
}

TEST_MAIN(TEST_ENTRY(names_are_the_kernels_numbers), TEST_ENTRY(other_names_are_refused))
