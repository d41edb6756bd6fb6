/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of POST /containers/x/update (Docker Engine API 1.41): members of HostConfig that a
 * workload can be given after its creation. 0, "" and null change nothing, as Docker has it. What
 * cannot be changed is refused by name. No I/O.
 */
#pragma once

#include <stdbool.h>

#include "base/err.h"
#include "base/json.h"
#include "format/docker_create.h"

struct og_update {
	struct og_json *body;	  /* of create, with the changes in it */
	struct og_create *create; /* what was read from it, and borrows from it */
	bool limits;		  /* something besides RestartPolicy was asked for */
};

/*
 * Joins @asked, the update's body, to @body, that of the workload's creation, which stays as it is.
 * On success the caller calls og_update_done(). Errors: -EINVAL, -ERANGE, -EBUSY (not with what the
 * workload has), -ENOSYS.
 */
int og_update_read(const struct og_json *body, const struct og_json *asked,
		   struct og_update *ret_update, struct og_err *err);
void og_update_done(struct og_update *update);

/* Copies what an update may change. @to borrows texts from @from's body then. */
void og_update_apply(struct og_create *to, const struct og_create *from);
