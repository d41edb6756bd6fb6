/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of two versions is the newer one, in the order of each kind of package. Versions are a
 * stranger's: every text has a place in the order, nothing is allocated, nothing is read twice in a way
 * that grows faster than the text. What is behind OG_VERSION_MAX bytes is not looked at.
 *
 *	debian	deb-version(7)
 *	rpm	rpm-version(7): [epoch:]version[-release], with ~ and ^
 *	apk	apk-package(5), as apk-tools 3 compares
 *	semver	semver.org 2.0; also npm, Go (with "v", "+incompatible", pseudo-versions), Cargo
 *	pep440	Python, PEP 440; what it does not know is older than all that it knows
 *	gem	RubyGems, Gem::Version
 *	maven	Maven's version order specification (ComparableVersion)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define OG_VERSION_MAX 1024U /* bytes; the longest in use are Go's pseudo-versions, about 80 */

enum og_version_order {
	OG_VERSION_DEBIAN,
	OG_VERSION_RPM,
	OG_VERSION_APK,
	OG_VERSION_SEMVER,
	OG_VERSION_PEP440,
	OG_VERSION_GEM,
	OG_VERSION_MAVEN,
	OG_VERSION_ORDERS,
};

/* Below 0, 0 or above 0. */
int og_version_compare(enum og_version_order order, const char *a, const char *b);

/*
 * The order of an OSV ecosystem (schema "affected[].package"), the part behind ':' aside: "Debian:12",
 * "Alpine:v3.18", "npm", "PyPI" ... Errors: -ENOENT (one that is not known).
 */
int og_version_order_of(const char *ecosystem, enum og_version_order *ret_order);
