/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's policy: which images may come in, and how they run. One file, YAML or JSON, read by the
 * engine (create), by the registry (push, pull) and by `onggi policy test`. Here it is read; trust/gate.h
 * judges by it. docs/policy.md says what it means to people.
 *
 * Strict: an unknown member is refused, for it might have been a demand. Nothing in it is optional in a way
 * that opens the gate: an image that no rule speaks of meets `default`, which is refuse unless the file says
 * otherwise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "format/containers_policy.h"

#define OG_ADMISSION_BYTES_MAX	 (1U << 20)
#define OG_ADMISSION_RULES_MAX	 1000
#define OG_ADMISSION_SIGNERS_MAX 100
#define OG_ADMISSION_LIST_MAX	 100 /* patterns of a rule, keys of a signer */

/* In the order of strictness: of several the last one holds. */
enum og_admission_outcome {
	OG_ADMISSION_ALLOW,
	OG_ADMISSION_ISOLATE, /* run it, but in a VM */
	OG_ADMISSION_REFUSE,
};

const char *og_admission_outcome_name(enum og_admission_outcome outcome);

enum og_admission_moment {
	OG_ADMISSION_PUSH = 1,	 /* into a registry */
	OG_ADMISSION_PULL = 2,	 /* from a registry */
	OG_ADMISSION_CREATE = 4, /* of a workload */
};

enum og_admission_severity {
	OG_ADMISSION_CRITICAL,
	OG_ADMISSION_HIGH,
	OG_ADMISSION_MEDIUM,
	OG_ADMISSION_LOW,
	OG_ADMISSION_SEVERITIES,
};

/* "critical" ... "low" */
const char *og_admission_severity_name(enum og_admission_severity severity);

#define OG_ADMISSION_ANY (-1) /* no bound */

struct og_admission_signer {
	const char *name;
	const char **keys; /* owned list, NULL-terminated: paths of files, or PEM */
	struct og_signed_identity identity;
};

struct og_admission_scan {
	const char **by; /* owned list of signers' names: one must have attested it */
	int64_t max_age_s;
	int64_t max_database_age_s;
	int64_t most[OG_ADMISSION_SEVERITIES]; /* findings of this severity and no more; OG_ADMISSION_ANY */
	bool fixable_only;		       /* those without a fix do not count */
};

struct og_admission_rule {
	const char *name;    /* for people */
	const char **images; /* owned lists of patterns (access/permissions.h) of names without tag */
	const char **except;
	unsigned int at;	/* of enum og_admission_moment */
	const char **signed_by; /* owned list of signers' names: each must have signed */
	bool has_scan;
	struct og_admission_scan scan;
	enum og_admission_outcome
		outcome; /* where a demand is not met; without demands, of each image */
};

struct og_admission {
	enum og_admission_outcome otherwise;
	struct og_admission_signer *signers; /* owned */
	size_t signer_count;
	struct og_admission_rule *rules; /* owned */
	size_t rule_count;
	struct og_json *root; /* owned; what texts are borrowed from */
};

/*
 * Reads a policy. @json: it is JSON and not YAML. On success *@ret_gate is the caller's. Errors: -EINVAL
 * (says where), -E2BIG, -ENOMEM.
 */
int og_admission_parse(const char *buf, size_t len, bool json, struct og_admission **ret_gate,
		       struct og_err *err);

/* The same of the file @path; one that ends in .json is JSON. */
int og_admission_open(const char *path, struct og_admission **ret_gate, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_admission *og_admission_free(struct og_admission *gate);
OG_DEFINE_CLEANUP(struct og_admission, og_admission_free)

/* NULL: there is none. */
const struct og_admission_signer *og_admission_signer(const struct og_admission *gate,
						      const char *name);

/* Does the rule speak of the image @name ("docker.io/library/debian") at this moment? */
bool og_admission_applies(const struct og_admission_rule *rule, const char *name,
			  enum og_admission_moment moment);
