/* SPDX-License-Identifier: Apache-2.0 */
/*
 * og-forks MIB FORKS [again]: fills all of a guest's memory but its own few pages, forks it so
 * often, and says of each fork, in microseconds: the whole pause, stopping the vCPUs, taking the
 * state, copying page tables; and how long it took before, with the guest running, to get memory
 * ready. With "again" the guest goes on writing all of it, and each fork waits until it has.
 */
#include "../unit/vmm/forks.h"

int main(int argc, char **argv)
{
	unsigned forks = argc >= 3 ? (unsigned)atoi(argv[2]) : 0;
	bool again = argc == 4 && strcmp(argv[3], "again") == 0;
	struct child child = {};
	struct machine m;

	if (forks == 0 || argc > 3 + again) {
		fprintf(stderr, "usage: og-forks MIB FORKS [again]\n");
		return 2;
	}
	need_guest();
	describe_machine(&m, again ? "refill" : "fill", "out");
	m.config.memory_mib = (uint64_t)atoi(argv[1]);
	m.config.forkable = true;
	start_machine(&m);
	if (!again)
		hear_first(m.out_fd, (off_t)strlen("filled 1000\n..."));
	for (unsigned i = 0; i < forks; i++) {
		if (again)
			hear(m.out_fd, 2); /* one whole round at least */
		fork_into(&child, m.process.control_fd, "child", NULL, true);
		printf("%llu %llu %llu %llu %llu\n", (unsigned long long)child.answer.pause_us,
		       (unsigned long long)child.answer.stop_us,
		       (unsigned long long)child.answer.save_us,
		       (unsigned long long)child.answer.fork_us,
		       (unsigned long long)child.answer.before_us);
		end_child(&child);
	}
	end_machine(&m);
	return 0;
}
