/* SPDX-License-Identifier: Apache-2.0 */
/* linux.seccomp's rules, sorted by what they are for: a list for each system call of each ABI. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format/seccomp_names.h"

/* A program has no room for more, even if calls share what they test. */
#define OG_SECCOMP_ENTRY_MAX 16384

/* The six arguments once each, and that which a multiplexed call is told by. */
#define OG_SECCOMP_CONDITION_MAX 7

struct og_seccomp_condition {
	enum og_seccomp_op op;
	unsigned int arg;
	uint64_t value, mask;
};

/* One rule's part in a list. */
struct og_seccomp_entry {
	uint32_t rule;	  /* of the configuration */
	uint32_t only;	  /* of the rule's conditions this one alone; UINT32_MAX: all */
	uint16_t next;	  /* index; 0: the last */
	uint8_t which;	  /* of a multiplexed call */
	bool multiplexed; /* likewise */
	bool always;	  /* it has no condition */
};

struct og_seccomp_rules {
	uint32_t default_action;
	bool wanted[OG_SECCOMP_ABIS];
	/* Of lists in which the more specific rules come later; 0: no rule. */
	uint16_t heads[OG_SECCOMP_ABIS][OG_SECCOMP_NUMBER_MAX + 1];

	struct og_seccomp_rule {
		uint32_t action;
		bool skipped;	     /* it does what is done anyway */
		bool repeats;	     /* two conditions on one argument: any of them */
		size_t first, count; /* of the conditions */
	} * rules;

	struct og_seccomp_condition *conditions;
	struct og_seccomp_entry *entries; /* from 1 */
	uint16_t entry_count, entry_room;
};

/* Errors: as og_seccomp_compile(). The caller frees *@ret_rules. */
int og_seccomp_rules_new(const struct og_oci_seccomp *config, struct og_seccomp_rules **ret_rules,
			 struct og_err *err);
struct og_seccomp_rules *og_seccomp_rules_free(struct og_seccomp_rules *rules);
OG_DEFINE_CLEANUP(struct og_seccomp_rules, og_seccomp_rules_free)

/* What has to hold for @entry, as an ABI of that width sees it: a count, by argument. */
size_t og_seccomp_conditions(const struct og_seccomp_rules *rules,
			     const struct og_seccomp_entry *entry, bool narrow,
			     struct og_seccomp_condition conditions[OG_SECCOMP_CONDITION_MAX]);
