/* SPDX-License-Identifier: Apache-2.0 */
#include "trust/gate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "format/scan_summary.h"

_Static_assert((int)OG_SCAN_SEVERITIES == (int)OG_ADMISSION_SEVERITIES, "the same severities");

void og_admission_decision_done(struct og_admission_decision *decision)
{
	for (size_t i = 0; i < decision->step_count; i++)
		free(decision->steps[i].text);
	free(decision->steps);
	free(decision->reasons);
	*decision = (struct og_admission_decision){};
}

/* ---- what is demanded ---- */

static int read_keys(const struct og_admission_signer *signer, struct og_keys *keys,
		     struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && signer->keys[i] != NULL; i++) {
		if (og_starts_with(signer->keys[i], "-----BEGIN "))
			r = og_keys_add_text(keys, signer->keys[i], strlen(signer->keys[i]), err);
		else
			r = og_keys_add_file(keys, signer->keys[i], err);
	}
	return r;
}

int og_admission_check_keys(const struct og_admission *gate, struct og_err *err)
{
	for (size_t i = 0; i < gate->signer_count; i++) {
		og_auto_keys keys = {};
		int r = read_keys(&gate->signers[i], &keys, err);

		if (r < 0)
			return og_fail_in(err, r, "signer '%s'", gate->signers[i].name);
	}
	return 0;
}

/* Says in @text whether @signer has signed it. */
static bool judge_signer(const struct og_admission *gate,
			 const struct og_admission_question *question, const char *name,
			 struct og_text *text)
{
	const struct og_admission_signer *signer = og_admission_signer(gate, name);
	const struct og_evidence_item *item = NULL;
	og_auto_keys keys = {};
	struct og_err why = {};
	int r;

	if (question->evidence == NULL)
		r = og_fail_plain(&why, -ENOENT, "%s", question->lacking);
	else
		r = read_keys(signer, &keys, &why);
	if (r == 0)
		r = og_evidence_signed(question->evidence, &keys, &signer->identity, question->ref,
				       &item, &why);
	if (r < 0)
		og_text_addf(text, "not signed by %s: %s", name, why.text);
	else
		og_text_addf(text, "signed by %s (%s)", name, item->place);
	return r == 0;
}

/* The youngest scan. */
struct newest {
	int64_t now_s;
	bool found;
	struct og_scan_summary summary;
};

static int take_newest(void *data, const struct og_evidence_item *item,
		       const struct og_statement *statement)
{
	struct newest *newest = data;
	struct og_scan_summary summary;

	(void)item;
	if (og_scan_summary_read(statement->predicate, &summary, NULL) < 0 ||
	    summary.finished_s > newest->now_s + OG_ADMISSION_CLOCK_SKEW_S ||
	    (newest->found && newest->summary.finished_s >= summary.finished_s))
		return 0;
	newest->summary = summary;
	newest->found = true;
	return 0;
}

static int find_scan(const struct og_admission *gate, const struct og_admission_question *question,
		     const struct og_admission_scan *scan, struct newest *newest,
		     struct og_err *err)
{
	int r = 0;

	if (question->evidence == NULL)
		return og_fail_plain(err, -ENOENT, "%s", question->lacking);
	for (size_t i = 0; r >= 0 && scan->by[i] != NULL; i++) {
		og_auto_keys keys = {};

		r = read_keys(og_admission_signer(gate, scan->by[i]), &keys, err);
		if (r == 0)
			r = og_evidence_attestations(question->evidence, &keys, OG_PREDICATE_SCAN,
						     take_newest, newest, err);
	}
	if (r >= 0 && !newest->found)
		return og_fail_plain(err, -ENOENT, "there is no scan by whom it should be");
	return r < 0 ? r : 0;
}

/* "3 d" */
static void add_age(struct og_text *text, int64_t age_s)
{
	if (age_s >= 2 * 86400)
		og_text_addf(text, "%" PRId64 " days", age_s / 86400);
	else if (age_s >= 2 * 3600)
		og_text_addf(text, "%" PRId64 " hours", age_s / 3600);
	else
		og_text_addf(text, "%" PRId64 " minutes", age_s < 0 ? 0 : age_s / 60);
}

static bool judge_age(const char *what, int64_t age_s, int64_t max_s, struct og_text *text)
{
	if (max_s == OG_ADMISSION_ANY)
		return true;
	og_text_addf(text, ", %s is ", what);
	add_age(text, age_s);
	og_text_add(text, " old");
	if (age_s <= max_s)
		return true;
	og_text_add(text, ", over ");
	add_age(text, max_s);
	return false;
}

static bool judge_counts(const struct og_admission_scan *scan,
			 const struct og_scan_summary *summary, struct og_text *text)
{
	const uint64_t *counts = scan->fixable_only ? summary->fixable : summary->found;
	bool good = true;

	for (size_t i = 0; i < OG_ADMISSION_SEVERITIES; i++) {
		if (scan->most[i] == OG_ADMISSION_ANY)
			continue;
		og_text_addf(text, ", %" PRIu64 " %s%s", counts[i],
			     og_admission_severity_name((enum og_admission_severity)i),
			     scan->fixable_only ? " with a fix" : "");
		if (counts[i] > (uint64_t)scan->most[i]) {
			og_text_addf(text, ", over %" PRId64, scan->most[i]);
			good = false;
		}
	}
	return good;
}

static bool judge_scan(const struct og_admission *gate,
		       const struct og_admission_question *question,
		       const struct og_admission_scan *scan, struct og_text *text)
{
	struct newest newest = { .now_s = question->now_s };
	struct og_err why = {};
	int r = find_scan(gate, question, scan, &newest, &why);
	bool good;

	if (r < 0) {
		og_text_addf(text, "not scanned: %s", why.text);
		return false;
	}
	og_text_add(text, "scanned");
	good = judge_age("the scan", question->now_s - newest.summary.finished_s, scan->max_age_s,
			 text);
	good = judge_age("its database", question->now_s - newest.summary.database_s,
			 scan->max_database_age_s, text) &&
	       good;
	return judge_counts(scan, &newest.summary, text) && good;
}

/* ---- rules ---- */

static bool judge_demands(const struct og_admission *gate,
			  const struct og_admission_question *question,
			  const struct og_admission_rule *rule, struct og_text *text)
{
	bool good = true;

	for (size_t i = 0; rule->signed_by[i] != NULL; i++) {
		if (text->len > 0)
			og_text_add(text, ", ");
		good = judge_signer(gate, question, rule->signed_by[i], text) && good;
	}
	if (rule->has_scan) {
		if (text->len > 0)
			og_text_add(text, ", ");
		good = judge_scan(gate, question, &rule->scan, text) && good;
	}
	return good;
}

static int judge_rule(const struct og_admission *gate, const struct og_admission_question *question,
		      const struct og_admission_rule *rule, struct og_admission_step *step)
{
	og_auto_text text = {};

	step->rule = rule->name;
	step->applies =
		og_admission_applies(rule, og_imageref_name(question->ref).text, question->moment);
	step->outcome = OG_ADMISSION_ALLOW;
	if (!step->applies) {
		og_text_add(&text, "does not speak of it");
	} else if (rule->signed_by[0] == NULL && !rule->has_scan) {
		step->outcome = rule->outcome;
		og_text_addf(&text, "%s all of these", og_admission_outcome_name(rule->outcome));
	} else if (!judge_demands(gate, question, rule, &text)) {
		step->outcome = rule->outcome;
	}
	step->text = og_text_take(&text);
	return step->text == NULL ? -ENOMEM : 0;
}

int og_admission_judge(const struct og_admission *gate,
		       const struct og_admission_question *question,
		       struct og_admission_decision *ret_decision, struct og_err *err)
{
	og_auto_admission_decision decision = { .outcome = OG_ADMISSION_ALLOW };
	og_auto_text reasons = {};
	bool any = false;

	decision.steps = calloc(gate->rule_count + 1, sizeof(decision.steps[0]));
	if (decision.steps == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	for (size_t i = 0; i < gate->rule_count; i++) {
		struct og_admission_step *step = &decision.steps[decision.step_count++];

		if (judge_rule(gate, question, &gate->rules[i], step) < 0)
			return og_fail(err, -ENOMEM, "no memory");
		any = any || step->applies;
		if (step->outcome > decision.outcome)
			decision.outcome = step->outcome;
		if (step->outcome != OG_ADMISSION_ALLOW)
			og_text_addf(&reasons, "%srule '%s': %s", reasons.len > 0 ? "; " : "",
				     step->rule, step->text);
	}
	if (!any) {
		decision.outcome = gate->otherwise;
		if (gate->otherwise != OG_ADMISSION_ALLOW)
			og_text_addf(&reasons, "no rule speaks of it, and the default is %s",
				     og_admission_outcome_name(gate->otherwise));
	}
	decision.reasons = og_text_take(&reasons);
	if (decision.reasons == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	*ret_decision = decision;
	decision = (struct og_admission_decision){};
	return 0;
}
