/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate's judgement: a policy (access/gate.h) and an image's evidence to an outcome and its reasons.
 *
 * Every rule that applies is judged; the strictest outcome holds. It fails closed: evidence that could
 * not be had, keys that cannot be read, a scan that nobody vouches for, all count as a demand that is not met.
 */
#pragma once

#include <stdint.h>

#include "access/gate.h"
#include "trust/evidence.h"

/* An attested scan may be this much ahead of our clock. */
#define OG_ADMISSION_CLOCK_SKEW_S 300

struct og_admission_question {
	const struct og_imageref *ref; /* what it is asked for as */
	enum og_admission_moment moment;
	int64_t now_s;
	const struct og_evidence *evidence; /* NULL: there is none, and ... */
	const char *lacking;		    /* ... this is why, for people */
};

/* One rule: what came of it. */
struct og_admission_step {
	const char *rule; /* borrowed from the policy */
	bool applies;
	enum og_admission_outcome outcome;
	char *text; /* owned; each demand and whether it is met, on one line */
};

struct og_admission_decision {
	enum og_admission_outcome outcome;
	struct og_admission_step *steps; /* owned; as many as the policy has rules */
	size_t step_count;
	char *reasons; /* owned; each rule that was not met, "; " between them; "" where all were */
};

void og_admission_decision_done(struct og_admission_decision *decision);
#define og_auto_admission_decision \
	og_cleanup(og_admission_decision_done) struct og_admission_decision

/*
 * For who wants to know before an image comes: can the key of every signer be read? Errors: those of the
 * first that cannot, with the signer's name.
 */
int og_admission_check_keys(const struct og_admission *gate, struct og_err *err);

/* Errors: -ENOMEM alone. The caller ends *@ret_decision. */
int og_admission_judge(const struct og_admission *gate,
		       const struct og_admission_question *question,
		       struct og_admission_decision *ret_decision, struct og_err *err);
