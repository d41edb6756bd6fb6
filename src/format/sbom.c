/* SPDX-License-Identifier: Apache-2.0 */
#include "format/sbom.h"

#include <errno.h>
#include <stdio.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/text.h"
#include "format/purl.h"

#define TEXT_MAX 1024

struct sbom {
	const struct og_sbom_ops *ops;
	void *data;
	size_t count;
	bool os_known;
};

/* What a document says of one package beside its URL. */
enum {
	SOURCE_NAME,
	SOURCE_VERSION,
	SOURCE_RELEASE,
	SOURCE_EPOCH,
	PATH,
	LICENSE,
	NOTES
};

struct note {
	const char *text[NOTES]; /* "" where missing */
};

static bool is_distribution(const struct og_purl *purl)
{
	return og_streq(purl->type, "deb") || og_streq(purl->type, "apk") ||
	       og_streq(purl->type, "rpm");
}

/* Namespaces are part of a language's name, and a distribution's vendor. */
static void join_name(const struct og_purl *purl, char name[TEXT_MAX])
{
	bool maven = og_streq(purl->type, "maven");

	if (purl->namespace[0] == '\0' || is_distribution(purl))
		(void)snprintf(name, TEXT_MAX, "%s", purl->name);
	else
		(void)snprintf(name, TEXT_MAX, "%s%s%s", purl->namespace, maven ? ":" : "/",
			       purl->name);
}

/* "debian-12" of deb/debian; the part before the last dash may be missing. */
static void tell_os(struct sbom *sbom, const struct og_purl *purl)
{
	char distro[128];
	const char *dash;

	if (sbom->os_known || !is_distribution(purl))
		return;
	og_purl_qualifier(purl, "distro", distro, sizeof(distro));
	dash = strrchr(distro, '-');
	if (purl->namespace[0] == '\0' || distro[0] == '\0')
		return;
	sbom->ops->os(sbom->data, purl->namespace, dash != NULL ? dash + 1 : distro);
	sbom->os_known = true;
}

/* "glibc" or "glibc@2.36-9", as syft writes it. */
static void read_upstream(const struct og_purl *purl, char upstream[TEXT_MAX],
			  struct og_package_entry *entry)
{
	char *at;

	og_purl_qualifier(purl, "upstream", upstream, TEXT_MAX);
	if (upstream[0] == '\0')
		return;
	/* Of RPM it is the source package's file. */
	if (og_ends_with(upstream, ".src.rpm")) {
		upstream[strlen(upstream) - 8] = '\0';
		at = strrchr(upstream, '-');
		if (at != NULL)
			*at = '\0';
		at = at != NULL ? strrchr(upstream, '-') : NULL;
		if (at != NULL)
			*at = '\0';
		entry->source_name = og_span_of(upstream);
		return;
	}
	at = strchr(upstream, '@');
	if (at != NULL)
		*at++ = '\0';
	entry->source_name = og_span_of(upstream);
	entry->source_version = og_span_of(at);
}

static void join_source(const struct note *note, char version[TEXT_MAX],
			struct og_package_entry *entry)
{
	if (note->text[SOURCE_NAME][0] == '\0')
		return;
	entry->source_name = og_span_of(note->text[SOURCE_NAME]);
	(void)snprintf(version, TEXT_MAX, "%s%s%s%s%s", note->text[SOURCE_EPOCH],
		       note->text[SOURCE_EPOCH][0] != '\0' ? ":" : "", note->text[SOURCE_VERSION],
		       note->text[SOURCE_RELEASE][0] != '\0' ? "-" : "",
		       note->text[SOURCE_RELEASE]);
	entry->source_version = og_span_of(version);
}

static int hand_out(struct sbom *sbom, const char *url, const struct note *note, struct og_err *err)
{
	og_auto_free struct og_purl *purl = malloc(sizeof(*purl));
	char name[TEXT_MAX], version[TEXT_MAX], arch[64], epoch[32], source[TEXT_MAX];
	struct og_package_entry entry = {};

	if (purl == NULL)
		return og_fail(err, -ENOMEM, "no memory");
	if (og_purl_parse(url, purl) < 0 || purl->version[0] == '\0')
		return 0;
	if (sbom->count++ == OG_PACKAGES_MAX)
		return og_fail_plain(err, -E2BIG, "over %d packages", OG_PACKAGES_MAX);
	tell_os(sbom, purl);
	join_name(purl, name);
	og_purl_qualifier(purl, "arch", arch, sizeof(arch));
	og_purl_qualifier(purl, "epoch", epoch, sizeof(epoch));
	(void)snprintf(version, sizeof(version), "%s%s%s", epoch, epoch[0] != '\0' ? ":" : "",
		       purl->version);
	entry = (struct og_package_entry){ .name = og_span_of(name),
					   .version = og_span_of(version),
					   .architecture = og_span_of(arch),
					   .license = og_span_of(note->text[LICENSE]) };
	if (note->text[SOURCE_NAME][0] != '\0')
		join_source(note, source, &entry);
	else
		read_upstream(purl, source, &entry);
	return sbom->ops->package(sbom->data, purl->type, &entry, note->text[PATH], err);
}

/* ---- CycloneDX ---- */

static const char *text_of(const struct og_json *object, const char *key)
{
	return og_json_string(og_json_get(object, key), "");
}

static const char *cyclonedx_license(const struct og_json *component)
{
	const struct og_json *first = og_json_at(og_json_get(component, "licenses"), 0);
	const struct og_json *license = og_json_get(first, "license");
	const char *text = text_of(first, "expression");

	if (text[0] == '\0')
		text = text_of(license, "id");
	return text[0] != '\0' ? text : text_of(license, "name");
}

static void read_properties(const struct og_json *properties, struct note *note)
{
	static const struct {
		const char *name;
		size_t note;
	} known[] = {
		{ "aquasecurity:trivy:SrcName", SOURCE_NAME },
		{ "aquasecurity:trivy:SrcVersion", SOURCE_VERSION },
		{ "aquasecurity:trivy:SrcRelease", SOURCE_RELEASE },
		{ "aquasecurity:trivy:SrcEpoch", SOURCE_EPOCH },
		{ "aquasecurity:trivy:FilePath", PATH },
		{ "onggi:source:name", SOURCE_NAME },
		{ "onggi:source:version", SOURCE_VERSION },
		{ "onggi:path", PATH },
		{ "syft:location:0:path", PATH },
	};

	for (size_t i = 0; i < og_json_count(properties); i++) {
		const struct og_json *property = og_json_at(properties, i);
		const char *name = text_of(property, "name");

		for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
			if (og_streq(name, known[k].name))
				note->text[known[k].note] = text_of(property, "value");
	}
}

/* Components in components are bounded by the depth of JSON. */
static int read_components(struct sbom *sbom, const struct og_json *components, struct og_err *err)
{
	int r = 0;

	for (size_t i = 0; i < og_json_count(components) && r == 0; i++) {
		const struct og_json *item = og_json_at(components, i);
		struct note note = { { "", "", "", "", "", cyclonedx_license(item) } };

		if (og_streq(text_of(item, "type"), "operating-system")) {
			sbom->ops->os(sbom->data, text_of(item, "name"), text_of(item, "version"));
			sbom->os_known = true;
		}
		read_properties(og_json_get(item, "properties"), &note);
		r = hand_out(sbom, text_of(item, "purl"), &note, err);
		if (r == 0)
			r = read_components(sbom, og_json_get(item, "components"), err);
	}
	return r;
}

/* ---- SPDX ---- */

/* "built package from: NAME VERSION", as Trivy writes it. */
static void read_source_info(const char *info, char buf[TEXT_MAX], struct note *note)
{
	static const char prefix[] = "built package from: ";
	char *blank;

	if (!og_starts_with(info, prefix))
		return;
	(void)snprintf(buf, TEXT_MAX, "%s", info + sizeof(prefix) - 1);
	blank = strchr(buf, ' ');
	if (blank == NULL)
		return;
	*blank = '\0';
	note->text[SOURCE_NAME] = buf;
	note->text[SOURCE_VERSION] = blank + 1;
}

static int read_spdx_package(struct sbom *sbom, const struct og_json *package, struct og_err *err)
{
	const struct og_json *refs = og_json_get(package, "externalRefs");
	const char *license = text_of(package, "licenseConcluded");
	struct note note = { { "", "", "", "", "", license } };
	char source[TEXT_MAX];

	if (license[0] == '\0' || og_streq(license, "NOASSERTION"))
		license = text_of(package, "licenseDeclared");
	note.text[LICENSE] =
		og_streq(license, "NOASSERTION") || og_streq(license, "NONE") ? "" : license;
	if (og_streq(text_of(package, "primaryPackagePurpose"), "OPERATING-SYSTEM") ||
	    og_starts_with(text_of(package, "SPDXID"), "SPDXRef-OperatingSystem")) {
		sbom->ops->os(sbom->data, text_of(package, "name"),
			      text_of(package, "versionInfo"));
		sbom->os_known = true;
	}
	read_source_info(text_of(package, "sourceInfo"), source, &note);
	for (size_t i = 0; i < og_json_count(refs); i++) {
		const struct og_json *ref = og_json_at(refs, i);

		if (og_streq(text_of(ref, "referenceType"), "purl"))
			return hand_out(sbom, text_of(ref, "referenceLocator"), &note, err);
	}
	return 0;
}

int og_sbom_read(const char *buf, size_t len, const struct og_sbom_ops *ops, void *data,
		 struct og_err *err)
{
	og_cleanup(og_json_freep) struct og_json *root = NULL;
	struct sbom sbom = { .ops = ops, .data = data };
	const struct og_json *packages;
	int r = og_json_parse(buf, len, &root, err);

	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	if (og_streq(text_of(root, "bomFormat"), "CycloneDX"))
		return read_components(&sbom, og_json_get(root, "components"), err);
	if (!og_starts_with(text_of(root, "spdxVersion"), "SPDX-2."))
		return og_fail_plain(err, -EBADMSG, "it is neither CycloneDX nor SPDX 2 in JSON");
	packages = og_json_get(root, "packages");
	for (size_t i = 0; i < og_json_count(packages) && r == 0; i++)
		r = read_spdx_package(&sbom, og_json_at(packages, i), err);
	return r;
}
