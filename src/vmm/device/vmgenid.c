/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/device/vmgenid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "vmm/device/event.h"
#include "vmm/x86/layout.h"

static int write_new(const struct og_vmgenid *genid, struct og_err *err)
{
	uint8_t generation[OG_VMGENID_BYTES];
	void *at = og_mem_at(genid->mem, OG_VMGENID_GPA, sizeof(generation));

	if (at == NULL)
		return og_fail(err, -ENOMEM, "no memory for the machine's generation");
	if (getrandom(generation, sizeof(generation), 0) != (ssize_t)sizeof(generation))
		return og_fail(err, -EIO, "no random bytes for the machine's generation");
	memcpy(at, generation, sizeof(generation));
	og_mem_mark(genid->mem, at, sizeof(generation));
	return 0;
}

int og_vmgenid_init(struct og_vmgenid *genid, const struct og_mem *mem, bool restored,
		    struct og_err *err)
{
	int r;

	*genid = (struct og_vmgenid){ .mem = mem, .interrupt_fd = og_event_new() };
	if (genid->interrupt_fd < 0)
		return og_fail(err, -errno, "make event descriptor of the machine's generation");
	/* Where memory is yet to come, a page of it would be taken for nothing. */
	r = restored ? 0 : write_new(genid, err);
	if (r < 0)
		og_vmgenid_done(genid);
	return r;
}

void og_vmgenid_done(struct og_vmgenid *genid)
{
	if (genid->mem != NULL)
		genid->interrupt_fd = og_close(genid->interrupt_fd);
	genid->mem = NULL;
}

int og_vmgenid_renew(struct og_vmgenid *genid, struct og_err *err)
{
	int r;

	if (genid->mem == NULL)
		return 0;
	r = write_new(genid, err);
	if (r == 0)
		og_event_signal(genid->interrupt_fd);
	return r;
}
