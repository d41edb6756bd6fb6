/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/snapshot/snapshot.h"

#include "machine.h"

/* Runs @word until it has said something, and snapshots it into "state" and "memory". */
static void take(struct machine *m, const char *word, bool track)
{
	struct og_snapshot_answer answer;
	struct og_err err = {};
	og_auto_fd state = new_file("state"), memory = new_file("memory");

	need_guest();
	describe_machine(m, word, "out");
	give_disk(m, "disk");
	m->config.track_dirty_pages = track;
	start_machine(m);
	hear(m->out_fd, 5);
	tell(m, OG_COMMAND_PAUSE);
	if (save(m, state, memory, false, &answer, &err) < 0)
		fprintf(stderr, "%s\n", err.text);
	CHECK_EQ(err.code, 0);
	CHECK_EQ(answer.state_bytes, said(state));
	CHECK_EQ(said(memory), 32 << 20);
}

static void begin_clone(struct machine *m, const char *word, const char *out, const char *disk)
{
	describe_machine(m, word, out);
	give_disk(m, disk);
	begin_from(m, "state", "memory");
	start_machine(m);
}

TEST(a_restored_guest_goes_on_where_it_was)
{
	struct machine m, clone;

	take(&m, "pages", false);
	begin_clone(&clone, "pages", "out2", "disk");
	hear(clone.out_fd, 10);
	check_said(clone.out_fd, "broken", 1);
	end_machine(&clone);

	/* And the first one, too. */
	tell(&m, OG_COMMAND_RESUME);
	hear(m.out_fd, 10);
	check_said(m.out_fd, "broken", 0);
	end_machine(&m);
}

TEST(devices_go_on_where_they_were)
{
	struct machine m, clone;

	take(&m, "devices", false);
	end_machine(&m);
	for (unsigned i = 0; i < 2; i++) {
		og_auto_fd disk = open("disk", O_RDONLY | O_CLOEXEC), copy = new_file("copy");

		CHECK_OK(og_snapshot_copy(copy, disk, NULL));
		(void)unlink("out2");
		begin_clone(&clone, "devices", "out2", "copy");
		hear(clone.out_fd, 20);
		check_said(clone.out_fd, "broken", 1);
		check_said(clone.out_fd, "no entropy", 1);
		end_machine(&clone);
	}
}

TEST_MAIN(TEST_ENTRY(a_restored_guest_goes_on_where_it_was),
	  TEST_ENTRY(devices_go_on_where_they_were))
