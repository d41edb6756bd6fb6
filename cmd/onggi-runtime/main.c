/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtime: ties the life cycle (runtime/) to the isolations that were built in. */
#include "container/isolation.h"
#include "runtime/command_line.h"
#ifdef OG_WITH_VM
#include "vm/isolation.h"
#endif

int main(int argc, char **argv)
{
	static const struct og_isolation *const isolations[] = {
		&og_isolation_container,
#ifdef OG_WITH_VM
		&og_isolation_vm,
#endif
		NULL,
	};

	return og_runtime_main(argc, argv, isolations);
}
