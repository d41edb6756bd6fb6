/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate at a registry (docs/policy.md): images are judged when they are pushed and when they are
 * pulled, by what the registry itself holds for them. What is attached to images (signatures, attestations, SBOMs)
 * passes: it cannot run, and nobody could be let in without it. `isolate` passes, too: where an image
 * runs its engine judges again. An engine's own image is also judged by what the engine keeps for it, and
 * under the name that it has there.
 */
#pragma once

#include "base/err.h"
#include "registry/registry.h"

/* For the server's start, so that a mistake is not first seen by who pulls: can the policy be read, and the
 * keys that it names? Errors: of the first thing that cannot. */
int og_registry_gate_check(const char *policy, struct og_err *err);

/*
 * May the manifest of @event be pushed or pulled? @policy: its file, read anew each time. @host: under
 * which name clients know the registry, "registry.example.com:5000"; that is what policies and signatures
 * have in front of the repository's. Errors: -EPERM (refused, with every reason; or the policy cannot be
 * read), -ENOMEM.
 */
int og_registry_gate(const char *policy, const char *host, struct og_registry *registry,
		     const struct og_registry_event *event, struct og_err *err);
