/* SPDX-License-Identifier: Apache-2.0 */
/* onggi policy test, policy check. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/text.h"
#include "command.h"
#include "format/manifest.h"
#include "remote.h"
#include "trust/gate.h"

#define DEFAULT_POLICY "/etc/onggi/policy.yaml"

#define EXIT_ISOLATE 3
#define EXIT_REFUSE  4

struct values {
	const char *policy;
	const char *at;
	const char *platform;
	struct og_words insecure;
};

static const struct og_option test_options[] = {
	OG_OPTION(struct values, policy, "policy", 0, OG_OPTION_TEXT,
		  "FILE with the policy (default " DEFAULT_POLICY ")"),
	OG_OPTION(struct values, at, "at", 0, OG_OPTION_TEXT,
		  "MOMENT: push, pull or create (default)"),
	OG_OPTION(struct values, platform, "platform", 0, OG_OPTION_TEXT,
		  "OS/ARCHITECTURE of the image of an index (default: this machine's)"),
	TRUST_INSECURE(struct values),
};

static int read_moment(const char *word, enum og_admission_moment *ret_moment, struct og_err *err)
{
	*ret_moment = OG_ADMISSION_CREATE;
	if (word == NULL || og_streq(word, "create"))
		return 0;
	if (og_streq(word, "push"))
		*ret_moment = OG_ADMISSION_PUSH;
	else if (og_streq(word, "pull"))
		*ret_moment = OG_ADMISSION_PULL;
	else
		return og_fail_plain(err, TRUST_WRONG_USE, "--at: there are push, pull and create");
	return 0;
}

static void print_decision(const struct og_admission_decision *decision)
{
	for (size_t i = 0; i < decision->step_count; i++) {
		const struct og_admission_step *step = &decision->steps[i];

		(void)printf("rule '%s': %s: %s\n", step->rule,
			     step->applies ? og_admission_outcome_name(step->outcome) : "-",
			     step->text);
	}
	(void)printf("%s", og_admission_outcome_name(decision->outcome));
	(void)printf(decision->reasons[0] != '\0' ? ": %s\n" : "%s\n", decision->reasons);
}

static int run_test(const void *data, int argc, char **argv, struct og_err *err)
{
	static const int statuses[] = { EXIT_SUCCESS, EXIT_ISOLATE, EXIT_REFUSE };
	const struct values *values = data;
	auto_remote remote = {};
	og_auto_free char *native = og_strdupf("linux/%s", og_native_architecture());
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	og_cleanup(og_evidence_freep) struct og_evidence *evidence = NULL;
	og_auto_admission_decision decision = {};
	struct og_admission_question question = { .ref = &remote.ref, .now_s = time(NULL) };
	struct og_err lacking = {};
	int r = og_admission_open(values->policy != NULL ? values->policy : DEFAULT_POLICY, &gate,
				  err);

	(void)argc;
	if (r == 0 && native == NULL)
		r = og_fail(err, -ENOMEM, "no memory");
	if (r == 0)
		r = read_moment(values->at, &question.moment, err);
	if (r == 0)
		r = remote_open(&remote, argv[0], &values->insecure, OG_REMOTE_PULL, err);
	if (r < 0)
		return r;
	/* As the engine would: the image for this machine, with the index that names it. */
	if (remote_evidence(&remote, values->platform != NULL ? values->platform : native,
			    &evidence, &lacking) < 0)
		question.lacking = lacking.text;
	question.evidence = evidence;
	r = og_admission_judge(gate, &question, &decision, err);
	if (r < 0)
		return r;
	if (evidence != NULL)
		(void)printf("%s@%s\n", og_imageref_name(&remote.ref).text,
			     og_digest_format(&evidence->manifest).text);
	print_decision(&decision);
	return statuses[decision.outcome];
}

static int run_check(const void *data, int argc, char **argv, struct og_err *err)
{
	og_cleanup(og_admission_freep) struct og_admission *gate = NULL;
	const char *path = argc > 0 ? argv[0] : DEFAULT_POLICY;
	int r = og_admission_open(path, &gate, err);

	(void)data;
	if (r == 0 && og_admission_check_keys(gate, err) < 0)
		r = og_fail_in(err, -EINVAL, "'%s'", path);
	if (r == 0)
		(void)printf("%zu rules, %zu signers; the default is %s\n", gate->rule_count,
			     gate->signer_count, og_admission_outcome_name(gate->otherwise));
	return r;
}

const struct trust_command trust_policy_commands[] = {
	{ .name = "policy test",
	  .arguments = "IMAGE",
	  .summary = "What would the gate say of an image, and why?",
	  TRUST_OPTIONS(test_options, struct values),
	  .least = 1,
	  .most = 1,
	  .run = run_test },
	{ .name = "policy check",
	  .arguments = "[FILE]",
	  .summary = "Can a policy and its keys be read?",
	  .most = 1,
	  .run = run_check },
	{},
};
