/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/test.h"
#include "runtime/cgroup.h"

TEST(smallest_default_and_largest_shares_are_those_weights)
{
	CHECK_EQ(og_cgroup_weight(0), 1);
	CHECK_EQ(og_cgroup_weight(2), 1);
	CHECK_EQ(og_cgroup_weight(1024), 100);
	CHECK_EQ(og_cgroup_weight(262144), 10000);
	CHECK_EQ(og_cgroup_weight(UINT64_MAX), 10000);
}

TEST(every_weight_is_what_the_mathematical_library_says)
{
	for (uint64_t shares = OG_CPU_SHARES_MIN + 1; shares < OG_CPU_SHARES_MAX; shares++) {
		double bits = log2((double)shares);
		double weight = pow(10, (bits * bits + 125 * bits) / 612 - 7.0 / 34);

		CHECK_EQ(og_cgroup_weight(shares), (uint64_t)ceil(weight));
	}
}

TEST_MAIN(TEST_ENTRY(smallest_default_and_largest_shares_are_those_weights),
	  TEST_ENTRY(every_weight_is_what_the_mathematical_library_says))
