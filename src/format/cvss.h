/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Base scores of CVSS vectors (first.org/cvss): version 2 ("AV:N/AC:L/Au:N/C:P/I:P/A:P"), 3.0 and 3.1
 * ("CVSS:3.1/AV:N/..."), and 4.0. Metrics of time and surroundings are allowed and do not count.
 */
#pragma once

#include "format/vulnerability.h"

#define OG_CVSS_VECTOR_MAX 512U /* bytes; with every metric of 4.0 about 250 */

/* In tenths: 98 is 9.8. Errors: -EINVAL (unknown metrics or values, one twice, one missing). */
int og_cvss_score(const char *vector, int *ret_tenths);

/* The rating of a score; version 2 knows no "critical". */
enum og_severity og_cvss_severity(const char *vector, int tenths);
