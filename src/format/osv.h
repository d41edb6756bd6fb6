/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records in the Open Source Vulnerability format, schema 1.x (ossf.github.io/osv-schema): a tree of
 * base/json.h, read strictly where it decides (ids, packages, ranges), and passed over where it
 * does not. Ranges of commits (GIT) and ecosystems whose versions have no order here are left out.
 */
#pragma once

#include "base/json.h"
#include "format/vulnerability.h"

/*
 * Texts of *@ret_vuln are borrowed from @root; og_vuln_done() frees what is its own. A record with
 * nothing to match (withdrawn, or of other ecosystems) has no packages, or says so.
 *
 * Errors: -EINVAL (no record, or one against the schema), -E2BIG, -ENOMEM.
 */
int og_osv_read(const struct og_json *root, struct og_vuln *ret_vuln, struct og_err *err);
