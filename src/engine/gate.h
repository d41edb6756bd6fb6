/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate at the engine: what vouches for an image is kept beside it when it is pulled
 * (DATA_ROOT/evidence/HEX.json, HEX the manifest's digest), and judged when a workload is made of it, so
 * that a create asks no network. The policy is read anew each time: a change of the file takes effect
 * at once. Where it cannot be read, nothing is created.
 */
#pragma once

#include "base/err.h"
#include "base/json.h"
#include "engine/engine.h"

/* The policy where no other file is named; when neither is there, there is no gate. */
#define OG_POLICY_YAML "/etc/onggi/policy.yaml"
#define OG_POLICY_JSON "/etc/onggi/policy.json"

/* At the start: reports a policy that cannot be read, or whose keys cannot. */
void og_engine_gate_check(struct og_engine *engine);

/*
 * After a pull: fetches and keeps what vouches for the image @id. Does nothing where there is no gate.
 * Where the registry does not answer, what was kept before stays, the engine's report says so, and a create
 * will.
 */
void og_engine_gate_pulled(struct og_engine *engine, const struct og_pull *pull, const char *id);

/*
 * May a workload be made of @image, which was asked for as @asked? *@ret_warning (NULL: it may, as it is)
 * is why it must be a VM; the caller's. Errors: -EPERM (refused, the text has every reason; or the policy
 * cannot be read).
 */
int og_engine_gate_admit(struct og_engine *engine, const char *asked, const struct og_image *image,
			 char **ret_warning, struct og_err *err);
