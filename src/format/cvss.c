/* SPDX-License-Identifier: Apache-2.0 */
#include "format/cvss.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "base/text.h"

#define METRICS_MAX 11

/* A metric of the base score: its name, and its values' letters with what each stands for. */
struct metric {
	const char *name;
	const char *letters;
	double values[4];
};

struct version {
	const char *prefix;
	struct metric metrics[METRICS_MAX];
	const char *others; /* names that do not count, each with blanks around it */
};

enum {
	V2_AV,
	V2_AC,
	V2_AU,
	V2_C,
	V2_I,
	V2_A
};

enum {
	V3_AV,
	V3_AC,
	V3_PR,
	V3_UI,
	V3_S,
	V3_C,
	V3_I,
	V3_A
};

enum {
	V4_AV,
	V4_AC,
	V4_AT,
	V4_PR,
	V4_UI,
	V4_VC,
	V4_VI,
	V4_VA,
	V4_SC,
	V4_SI,
	V4_SA
};

#define V3_METRICS                                                                             \
	{                                                                                      \
		{ "AV", "NALP", { 0.85, 0.62, 0.55, 0.2 } }, { "AC", "LH", { 0.77, 0.44 } },   \
			{ "PR", "NLH", { 0.85, 0.62, 0.27 } }, { "UI", "NR", { 0.85, 0.62 } }, \
			{ "S", "UC", { 0, 1 } }, { "C", "HLN", { 0.56, 0.22, 0 } },            \
			{ "I", "HLN", { 0.56, 0.22, 0 } }, { "A", "HLN", { 0.56, 0.22, 0 } },  \
	}
#define V3_OTHERS " E RL RC CR IR AR MAV MAC MPR MUI MS MC MI MA "

enum {
	CVSS_4,
	CVSS_31,
	CVSS_30,
	CVSS_2,
	CVSS_VERSIONS
};

/* Of version 4 the values are the steps from the worst one. */
static const struct version versions[CVSS_VERSIONS] = {
	{ "CVSS:4.0/",
	  { { "AV", "NALP", { 0, 1, 2, 3 } },
	    { "AC", "LH", { 0, 1 } },
	    { "AT", "NP", { 0, 1 } },
	    { "PR", "NLH", { 0, 1, 2 } },
	    { "UI", "NPA", { 0, 1, 2 } },
	    { "VC", "HLN", { 0, 1, 2 } },
	    { "VI", "HLN", { 0, 1, 2 } },
	    { "VA", "HLN", { 0, 1, 2 } },
	    { "SC", "HLN", { 0, 1, 2 } },
	    { "SI", "HLN", { 0, 1, 2 } },
	    { "SA", "HLN", { 0, 1, 2 } } },
	  " E CR IR AR MAV MAC MAT MPR MUI MVC MVI MVA MSC MSI MSA S AU R V RE U " },
	{ "CVSS:3.1/", V3_METRICS, V3_OTHERS },
	{ "CVSS:3.0/", V3_METRICS, V3_OTHERS },
	{ "",
	  { { "AV", "LAN", { 0.395, 0.646, 1 } },
	    { "AC", "HML", { 0.35, 0.61, 0.71 } },
	    { "Au", "MSN", { 0.45, 0.56, 0.704 } },
	    { "C", "NPC", { 0, 0.275, 0.66 } },
	    { "I", "NPC", { 0, 0.275, 0.66 } },
	    { "A", "NPC", { 0, 0.275, 0.66 } } },
	  " E RL RC CDP TD CR IR AR " },
};

static int read_metric(const struct version *version, const char *part, size_t len,
		       const double *chosen[METRICS_MAX])
{
	const char *colon = memchr(part, ':', len);
	size_t name_len = colon != NULL ? (size_t)(colon - part) : 0;
	char name[8];

	if (colon == NULL || name_len == 0 || name_len >= 4 || name_len + 1 >= len)
		return -EINVAL;
	name[0] = ' ';
	memcpy(name + 1, part, name_len);
	name[name_len + 1] = '\0';
	for (size_t i = 0; i < METRICS_MAX && version->metrics[i].name != NULL; i++) {
		const struct metric *metric = &version->metrics[i];
		const char *letter;

		if (!og_streq(metric->name, name + 1))
			continue;
		letter = len == name_len + 2 ? strchr(metric->letters, colon[1]) : NULL;
		if (letter == NULL || chosen[i] != NULL)
			return -EINVAL;
		chosen[i] = &metric->values[letter - metric->letters];
		return 0;
	}
	(void)strcat(name, " ");
	return strstr(version->others, name) != NULL ? 0 : -EINVAL;
}

/* The metrics' values in their order. */
static int read_vector(const struct version *version, const char *vector,
		       double ret_values[METRICS_MAX])
{
	const double *chosen[METRICS_MAX] = {};

	for (const char *at = vector + strlen(version->prefix);; at++) {
		size_t len = strcspn(at, "/");

		if (read_metric(version, at, len, chosen) < 0)
			return -EINVAL;
		at += len;
		if (*at == '\0')
			break;
	}
	for (size_t i = 0; i < METRICS_MAX && version->metrics[i].name != NULL; i++) {
		if (chosen[i] == NULL)
			return -EINVAL;
		ret_values[i] = *chosen[i];
	}
	return 0;
}

static int score_2(const double *v)
{
	double impact = 10.41 * (1 - (1 - v[V2_C]) * (1 - v[V2_I]) * (1 - v[V2_A]));
	double exploitability = 20 * v[V2_AV] * v[V2_AC] * v[V2_AU];
	double factor = impact > 0 ? 1.176 : 0;

	return (int)lround(((0.6 * impact) + (0.4 * exploitability) - 1.5) * factor * 10);
}

/* Specification 3.1, appendix A: up to the next tenth, without the noise of floating point. */
static int round_up(double score)
{
	long fine = lround(score * 100000);

	return (int)(fine % 10000 == 0 ? fine / 10000 : fine / 10000 + 1);
}

static int score_3(const double *v)
{
	bool changed = v[V3_S] > 0.5;
	double privileges = v[V3_PR], impact, exploitability, score;
	double base = 1 - (1 - v[V3_C]) * (1 - v[V3_I]) * (1 - v[V3_A]);

	if (changed && privileges < 0.8)
		privileges = privileges > 0.5 ? 0.68 : 0.5;
	impact = changed ? 7.52 * (base - 0.029) - 3.25 * pow(base - 0.02, 15) : 6.42 * base;
	if (impact <= 0)
		return 0;
	exploitability = 8.22 * v[V3_AV] * v[V3_AC] * privileges * v[V3_UI];
	score = (impact + exploitability) * (changed ? 1.08 : 1);
	return round_up(score < 10 ? score : 10);
}

/*
 * Version 4: a table gives the score of each class of vectors ("macro vector"), and within a class a
 * vector's score is between its class's and those of the next lower classes, by its distance from
 * the worst vector of the class (specification 8.2). For base metrics alone the class of exploit
 * maturity is the worst (0), and that of requirements (EQ6) follows from EQ3: so EQ3 and EQ6 are one
 * index here, "00", "01", "10", "11", "21", and EQ4 is 1 or 2, where 0 is for safety.
 */
enum {
	EQ36_00,
	EQ36_01,
	EQ36_10,
	EQ36_11,
	EQ36_21,
	EQ36_COUNT
};

/* Specification 8.3, in tenths: by EQ1 and EQ2, EQ3 with EQ6, EQ4 from 1. */
static const unsigned char macro_scores[3][2][EQ36_COUNT][2] = {
	{ { { 100, 93 }, { 96, 90 }, { 93, 88 }, { 92, 80 }, { 79, 69 } },
	  { { 95, 92 }, { 91, 81 }, { 92, 84 }, { 82, 70 }, { 71, 63 } } },
	{ { { 94, 87 }, { 89, 75 }, { 86, 72 }, { 76, 57 }, { 65, 53 } },
	  { { 90, 77 }, { 77, 66 }, { 74, 61 }, { 59, 52 }, { 58, 23 } } },
	{ { { 86, 70 }, { 74, 54 }, { 72, 53 }, { 57, 36 }, { 47, 24 } },
	  { { 73, 54 }, { 55, 43 }, { 61, 46 }, { 51, 18 }, { 24, 10 } } },
};

/* How many steps from its worst vector to the next class, specification 8.2. */
static const double steps_1[] = { 1, 4, 5 }, steps_2[] = { 1, 2 }, steps_4[] = { 5, 4 };
static const double steps_36[EQ36_COUNT] = { 7, 6, 8, 8, 10 };

/* The distance from the first of a class's worst vectors that is at least as bad in each metric. */
static double distance(const double *v, const double (*worst)[3], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (v[0] >= worst[i][0] && v[1] >= worst[i][1] && v[2] >= worst[i][2])
			return v[0] - worst[i][0] + v[1] - worst[i][1] + v[2] - worst[i][2];
	return 0;
}

static size_t class_1(const double *v)
{
	bool none = v[V4_PR] < 0.5 && v[V4_UI] < 0.5;

	if (v[V4_AV] < 0.5 && none)
		return 0;
	return v[V4_AV] < 2.5 && (v[V4_AV] < 0.5 || v[V4_PR] < 0.5 || v[V4_UI] < 0.5) ? 1 : 2;
}

static double distance_1(const double *v, size_t eq1)
{
	static const double worst[][3] = { { 0, 0, 0 }, { 1, 0, 0 }, { 0, 1, 0 },
					   { 0, 0, 1 }, { 3, 0, 0 }, { 1, 1, 1 } };
	static const size_t from[] = { 0, 1, 4 }, count[] = { 1, 3, 2 };
	const double own[3] = { v[V4_AV], v[V4_PR], v[V4_UI] };

	return distance(own, worst + from[eq1], count[eq1]);
}

static double distance_36(const double *v, size_t eq36)
{
	static const double worst_00[][3] = { { 0, 0, 0 } };
	static const double worst_10[][3] = { { 1, 0, 0 }, { 0, 1, 0 } };
	static const double worst_21[][3] = { { 1, 1, 1 } };

	if (eq36 == EQ36_00)
		return distance(v + V4_VC, worst_00, 1);
	return eq36 == EQ36_10 ? distance(v + V4_VC, worst_10, 2)
			       : distance(v + V4_VC, worst_21, 1);
}

/* What the way down to a lower class, of score @lower, takes off @score. */
static double share(double score, double lower, double steps, double distance)
{
	return (score - lower) * (distance / steps);
}

static int score_4(const double *v)
{
	size_t eq1 = class_1(v), eq2 = v[V4_AC] + v[V4_AT] > 0.5 ? 1 : 0, eq36, eq4;
	double off = 0, count = 1, score; /* the way down in exploit maturity: no distance */
	const unsigned char(*of_36)[2] = macro_scores[eq1][eq2];

	if (v[V4_VC] + v[V4_VI] + v[V4_VA] + v[V4_SC] + v[V4_SI] + v[V4_SA] > 11.5)
		return 0;
	if (v[V4_VC] < 0.5 && v[V4_VI] < 0.5)
		eq36 = EQ36_00;
	else
		eq36 = v[V4_VC] < 0.5 || v[V4_VI] < 0.5 || v[V4_VA] < 0.5 ? EQ36_10 : EQ36_21;
	eq4 = v[V4_SC] < 0.5 || v[V4_SI] < 0.5 || v[V4_SA] < 0.5 ? 0 : 1;
	score = of_36[eq36][eq4];
	if (eq1 < 2 && ++count > 0)
		off += share(score, macro_scores[eq1 + 1][eq2][eq36][eq4], steps_1[eq1],
			     distance_1(v, eq1));
	if (eq2 < 1 && ++count > 0)
		off += share(score, macro_scores[eq1][1][eq36][eq4], steps_2[eq2],
			     v[V4_AC] + v[V4_AT] - (double)eq2);
	if (eq36 != EQ36_21 && ++count > 0) {
		double lower = of_36[eq36 == EQ36_10 ? EQ36_11 : EQ36_01][eq4];

		if (eq36 == EQ36_00 && of_36[EQ36_10][eq4] > lower)
			lower = of_36[EQ36_10][eq4];
		off += share(score, lower, steps_36[eq36], distance_36(v, eq36));
	}
	if (eq4 < 1 && ++count > 0)
		off += share(score, of_36[eq36][1], steps_4[eq4],
			     v[V4_SC] + v[V4_SI] + v[V4_SA] - 3 * (double)eq4);
	score -= off / count;
	return (int)lround(score < 0 ? 0 : score + 1e-6);
}

static const struct version *version_of(const char *vector)
{
	size_t i = 0;

	while (!og_starts_with(vector, versions[i].prefix))
		i++;
	return &versions[i];
}

int og_cvss_score(const char *vector, int *ret_tenths)
{
	const struct version *version = version_of(vector);
	double values[METRICS_MAX];

	if (strnlen(vector, OG_CVSS_VECTOR_MAX + 1) > OG_CVSS_VECTOR_MAX ||
	    read_vector(version, vector, values) < 0)
		return -EINVAL;
	if (version == &versions[CVSS_4])
		*ret_tenths = score_4(values);
	else if (version == &versions[CVSS_2])
		*ret_tenths = score_2(values);
	else
		*ret_tenths = score_3(values);
	return 0;
}

enum og_severity og_cvss_severity(const char *vector, int tenths)
{
	bool version_2 = version_of(vector) == &versions[CVSS_2];

	if (tenths >= 90 && !version_2)
		return OG_SEVERITY_CRITICAL;
	if (tenths >= 70)
		return OG_SEVERITY_HIGH;
	if (tenths >= 40)
		return OG_SEVERITY_MEDIUM;
	return tenths > 0 || version_2 ? OG_SEVERITY_LOW : OG_SEVERITY_NEGLIGIBLE;
}
