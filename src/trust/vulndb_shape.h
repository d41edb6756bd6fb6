/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of the database of vulnerabilities, for those who read and those who write them. */
#pragma once

#define OG_VULNDB_VERSION 1
/*
 * affected is looked up by ecosystem and package, many times in a scan: it is clustered by them, and
 * what is needed to judge a version stands in it. The text of a record is read for hits alone.
 */
#define OG_VULNDB_SHAPE                                                                \
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;" \
	"CREATE TABLE source (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE,"      \
	" imported TEXT NOT NULL, newest TEXT NOT NULL, records INTEGER NOT NULL);"    \
	"CREATE TABLE vuln (id INTEGER PRIMARY KEY, source INTEGER NOT NULL,"          \
	" name TEXT NOT NULL, aliases TEXT NOT NULL, summary TEXT NOT NULL,"           \
	" vector TEXT NOT NULL, url TEXT NOT NULL, published TEXT NOT NULL,"           \
	" modified TEXT NOT NULL, severity INTEGER NOT NULL, score INTEGER NOT NULL,"  \
	" UNIQUE (source, name));"                                                     \
	"CREATE TABLE affected (ecosystem TEXT NOT NULL, package TEXT NOT NULL,"       \
	" vuln INTEGER NOT NULL, seq INTEGER NOT NULL, status INTEGER NOT NULL,"       \
	" severity INTEGER NOT NULL, ranges TEXT NOT NULL,"                            \
	" PRIMARY KEY (ecosystem, package, vuln, seq)) WITHOUT ROWID;"
