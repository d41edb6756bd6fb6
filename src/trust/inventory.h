/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is inside an image, an archive, a root folder, a disk: its packages, and what should not be in
 * it. Plain data between those who read (inventory.c and its sources) and those who judge (matching,
 * reports). Nothing of what was read is ever run.
 *
 * All texts are owned by the inventory, never NULL, "" where unknown; they are valid UTF-8 on one line,
 * whatever was read. Packages and findings are in order (type, name, version; kind, path), so that two
 * scans of one thing say the same.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/err.h"

enum og_package_type {
	OG_PACKAGE_DEB,
	OG_PACKAGE_APK,
	OG_PACKAGE_RPM,
	OG_PACKAGE_NPM,
	OG_PACKAGE_PYPI,
	OG_PACKAGE_GO,
	OG_PACKAGE_CARGO,
	OG_PACKAGE_GEM,
	OG_PACKAGE_MAVEN,
	OG_PACKAGE_TYPES,
};

/* "deb" ..., as in a package URL (purl-spec): deb, apk, rpm, npm, pypi, golang, cargo, gem, maven. */
const char *og_package_type_name(enum og_package_type type);

/* Not in a layer: the thing scanned has none (a folder, an SBOM). */
#define OG_LAYER_NONE SIZE_MAX

struct og_package {
	enum og_package_type type;
	const char *name;    /* "libssl3", "@babel/core", "org.apache.logging.log4j:log4j-core" */
	const char *version; /* as its own kind writes it: "1:3.0.11-1~deb12u2" */
	const char *architecture; /* "amd64", "noarch" */
	const char *
		source_name; /* what advisories of distributions name; the name where it has none */
	const char *source_version; /* of the source package; the version where it has none */
	const char *
		path; /* where it says so: "var/lib/dpkg/status", "app/node_modules/x/package.json" */
	const char *license; /* as written there */
	size_t layer;	     /* the lowest layer in which it is as it is now; OG_LAYER_NONE */
	bool owned; /* of a language, and a distribution's package brought its files: not judged twice */
};

enum og_finding_kind {
	OG_FINDING_SECRET, /* a private key, a token; in a layer, also when a later one deletes it */
	OG_FINDING_SETUID,	   /* a set-uid or set-gid program (CIS Docker 4.8) */
	OG_FINDING_ROOT_USER,	   /* the image runs as root (CIS Docker 4.1) */
	OG_FINDING_ENV_SECRET,	   /* a credential in the environment (CIS Docker 4.10) */
	OG_FINDING_NO_HEALTHCHECK, /* CIS Docker 4.6 */
	OG_FINDING_ADD,		   /* ADD where COPY would do (CIS Docker 4.9) */
	OG_FINDING_UPDATE_ALONE,   /* an update instruction alone in its layer (CIS Docker 4.7) */
	OG_FINDING_KINDS,
};

/* "secret", "setuid" ... */
const char *og_finding_kind_name(enum og_finding_kind kind);

struct og_finding {
	enum og_finding_kind kind;
	const char *rule;   /* "private-key", "aws-access-key", "CIS-DI-0001" */
	const char *path;   /* or the variable's name */
	const char *detail; /* one line, the secret itself masked */
	size_t layer;	    /* OG_LAYER_NONE: of the configuration */
	bool deleted;	    /* a later layer hides it; it is in the image all the same */
};

struct og_inventory_layer {
	const char *digest;	/* of the blob, "sha256:HEX"; "" in what has none */
	const char *diff_id;	/* "sha256:HEX" */
	const char *created_by; /* the instruction of the configuration's history */
};

struct og_inventory {
	const char *target;	  /* what was asked for, for people */
	const char *unseen;	  /* what of it was not looked at, for people; "" nothing */
	const char *image_digest; /* of the manifest, "" for what has none */
	const char *image_id;	  /* of the configuration, "" for what has none */
	const char *os_id; /* os-release(5) ID: "debian", "alpine", "rhel"; "" where there is none */
	const char *os_version; /* VERSION_ID: "12", "3.18.4" */
	const char *os_name;	/* PRETTY_NAME */
	struct og_package *packages;
	size_t package_count;
	struct og_finding *findings;
	size_t finding_count;
	struct og_inventory_layer *layers; /* bottom to top */
	size_t layer_count;
	void *texts; /* private: what all texts are in */
};

/* Says what of the target was not looked at. Errors: -ENOMEM. */
int og_inventory_set_unseen(struct og_inventory *inventory, const char *text, struct og_err *err);

/* Accepts NULL. Always returns NULL. */
struct og_inventory *og_inventory_free(struct og_inventory *inventory);
OG_DEFINE_CLEANUP(struct og_inventory, og_inventory_free)
