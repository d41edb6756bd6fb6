/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Device rules put into the shape that a kernel's lists have: all is denied, or all is allowed,
 * and then there are exceptions, in any order. Whoever reads rules one after another, of which the
 * later counts, and whoever knows only lists, comes to the same result.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "format/oci_config.h"

#define OG_DEVICE_RULES_MAX 1024 /* the kernel goes through them one by one at each open */

#define OG_DEVICE_READ	1
#define OG_DEVICE_WRITE 2
#define OG_DEVICE_MKNOD 4
#define OG_DEVICE_ALL	7

struct og_device_rule {
	char type;		/* 'c' or 'b' */
	long long major, minor; /* -1: any */
	int access;		/* OG_DEVICE_ bits */
};

struct og_device_rules {
	bool allow;		      /* what is no exception */
	struct og_device_rule *items; /* owned; no two of one device */
	size_t count;
};

void og_device_rules_done(struct og_device_rules *rules);

/*
 * What @resources gives, and behind it the devices that every workload has.
 * Errors: -EINVAL (a rule takes back a part of what another one gives: no list can say that, and
 * the text names the rule), -E2BIG, -ENOMEM.
 */
int og_device_rules_new(const struct og_oci_resources *resources, struct og_device_rules *ret_rules,
			struct og_err *err);

/* Adds one exception, or more access to one that is there. Room must be for it. */
void og_device_rules_add(struct og_device_rules *rules, const struct og_device_rule *rule);

/* The exception of just that device, or NULL. */
struct og_device_rule *og_device_rules_find(const struct og_device_rules *rules,
					    const struct og_device_rule *rule);
