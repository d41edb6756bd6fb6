/* SPDX-License-Identifier: Apache-2.0 */
#include "container/caps.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/weak.h"
#include "format/oci_names.h"

struct cap_data {
	struct __user_cap_data_struct half[2];
};

static int cap_get(struct cap_data *ret_data)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };

	return syscall(SYS_capget, &header, ret_data->half) < 0 ? -errno : 0;
}

static uint64_t permitted(const struct cap_data *data)
{
	return data->half[0].permitted | (uint64_t)data->half[1].permitted << 32;
}

static uint64_t set_of(const struct og_oci_strings *list, uint64_t ours)
{
	uint64_t set = 0;

	for (size_t i = 0; i < list->count; i++) {
		int number = og_cap_number(list->items[i]);

		if (number >= 0)
			set |= UINT64_C(1) << number;
	}
	return set & ours;
}

int og_caps_read(const struct og_oci_capabilities *capabilities, struct og_caps *ret_caps,
		 struct og_err *err)
{
	struct cap_data data = {};
	uint64_t ours;
	int r = cap_get(&data);

	if (r < 0)
		return og_fail(err, r, "read our own capabilities");
	ours = permitted(&data);
	*ret_caps = (struct og_caps){
		.bounding = set_of(&capabilities->bounding, ours),
		.permitted = set_of(&capabilities->permitted, ours),
		.inheritable = set_of(og_weak("A14") ? &capabilities->permitted
						     : &capabilities->inheritable,
				      ours),
	};
	ret_caps->effective = set_of(&capabilities->effective, ours) & ret_caps->permitted;
	/* The kernel gives ambient ones only where both others have them. */
	ret_caps->ambient = set_of(&capabilities->ambient, ours) & ret_caps->permitted &
			    ret_caps->inheritable;
	return 0;
}

static void note_unknown(const struct og_oci_strings *list, const char *set, struct og_notes *notes)
{
	for (size_t i = 0; i < list->count; i++) {
		if (og_cap_number(list->items[i]) < 0)
			og_note(notes,
				"process.capabilities.%s[%zu]: '%.40s' is not known, left out", set,
				i, list->items[i]);
	}
}

void og_caps_note(const struct og_oci_capabilities *capabilities, bool full, struct og_notes *notes)
{
	const struct {
		const char *name;
		const struct og_oci_strings *list;
	} sets[] = {
		{ "bounding", &capabilities->bounding },
		{ "effective", &capabilities->effective },
		{ "permitted", &capabilities->permitted },
		{ "inheritable", &capabilities->inheritable },
		{ "ambient", &capabilities->ambient },
	};
	struct cap_data data = {};
	uint64_t ours = UINT64_MAX;
	uint64_t asked = 0;

	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		note_unknown(sets[i].list, sets[i].name, notes);
		asked |= set_of(sets[i].list, UINT64_MAX);
	}
	if (!full && asked != 0 && cap_get(&data) == 0)
		ours = permitted(&data);
	for (int cap = 0; og_cap_name(cap) != NULL; cap++) {
		if ((asked & ~ours) >> cap & 1)
			og_note(notes, "process.capabilities: %s is not ours to give, left out",
				og_cap_name(cap));
	}
}

int og_caps_bound(uint64_t bounding, struct og_err *err)
{
	if (og_weak("A13"))
		return 0;
	for (unsigned int cap = 0; cap < 64; cap++) {
		if ((bounding >> cap & 1) != 0)
			continue;
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return errno == EINVAL ? 0
					       : og_fail(err, -errno, "drop capability %u", cap);
	}
	return 0;
}

int og_caps_apply(const struct og_caps *caps, uint64_t extra, struct og_err *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	uint64_t effective = caps->effective | extra;
	uint64_t permitted = caps->permitted | extra;
	struct cap_data data = { .half = {
					 { (uint32_t)effective, (uint32_t)permitted,
					   (uint32_t)caps->inheritable },
					 { (uint32_t)(effective >> 32), (uint32_t)(permitted >> 32),
					   (uint32_t)(caps->inheritable >> 32) },
				 } };

	if (og_weak("A13"))
		return 0;
	if (syscall(SYS_capset, &header, data.half) < 0)
		return og_fail(err, -errno, "set process.capabilities");
	for (int cap = 0; og_cap_name(cap) != NULL; cap++) {
		if ((caps->ambient >> cap & 1) == 0)
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0) < 0)
			return og_fail(err, -errno, "process.capabilities.ambient: %s",
				       og_cap_name(cap));
	}
	return 0;
}
