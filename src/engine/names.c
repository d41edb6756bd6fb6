/* SPDX-License-Identifier: Apache-2.0 */
/* Names for workloads that were given none. */
#include <sys/random.h>

#include "base/text.h"
#include "engine/internal.h"

static const char *const adjectives[] = {
	"amber",    "ample",  "azure",	 "brisk",   "calm",   "candid", "clear",  "clever",
	"cosy",	    "crisp",  "daring",	 "deft",    "dewy",   "eager",	"early",  "earthen",
	"fair",	    "fond",   "fresh",	 "frosty",  "gentle", "glad",	"golden", "grand",
	"hale",	    "handy",  "hardy",	 "honest",  "humble", "jolly",	"keen",	  "kind",
	"light",    "lively", "loyal",	 "lucid",   "mellow", "merry",	"mild",	  "mossy",
	"neat",	    "nimble", "noble",	 "patient", "placid", "plain",	"proud",  "quick",
	"quiet",    "ready",  "ripe",	 "rosy",    "round",  "salty",	"savory", "shady",
	"shiny",    "silent", "sincere", "snug",    "sober",  "solid",	"spry",	  "steady",
	"stout",    "sturdy", "sunny",	 "swift",   "tall",   "tangy",	"tender", "tidy",
	"tranquil", "trim",   "true",	 "vivid",   "warm",   "wise",	"witty",  "zesty",
};

/* Of kitchens, gardens and potteries. */
static const char *const nouns[] = {
	"acorn",  "almond", "anvil",   "apple",	  "apricot",  "barley",	   "basil",   "basket",
	"bean",	  "birch",  "bowl",    "bramble", "brook",    "cabbage",   "candle",  "carrot",
	"cedar",  "chest",  "chive",   "clay",	  "clover",   "crane",	   "crock",   "daikon",
	"ember",  "fennel", "fern",    "finch",	  "garlic",   "ginger",	   "ginkgo",  "glaze",
	"hazel",  "hearth", "heron",   "hive",	  "jar",      "jasmine",   "juniper", "kettle",
	"kiln",	  "ladle",  "lantern", "larch",	  "lentil",   "lily",	   "lotus",   "magpie",
	"maple",  "millet", "mint",    "mortar",  "mulberry", "nutmeg",	   "oak",     "onion",
	"orchid", "otter",  "peach",   "pear",	  "pepper",   "persimmon", "pine",    "pitcher",
	"plum",	  "potter", "quince",  "radish",  "reed",     "rice",	   "saffron", "sesame",
	"shovel", "sorrel", "spruce",  "stone",	  "thyme",    "turnip",	   "walnut",  "willow",
};

char *og_random_name(void)
{
	uint32_t random[2] = {};

	(void)!getrandom(random, sizeof(random), 0);
	return og_strdupf("%s_%s",
			  adjectives[random[0] % (sizeof(adjectives) / sizeof(adjectives[0]))],
			  nouns[random[1] % (sizeof(nouns) / sizeof(nouns[0]))]);
}

void og_random_id(char ret_id[ID_CHARS + 1])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t random[ID_CHARS / 2] = {};

	/* All digits would be taken for a number somewhere: Docker's rule, too. */
	do {
		(void)!getrandom(random, sizeof(random), 0);
	} while (random[0] >> 4 < 10 && random[1] >> 4 < 10 && random[2] >> 4 < 10 &&
		 (random[0] & 15) < 10 && (random[1] & 15) < 10 && (random[2] & 15) < 10);
	for (size_t i = 0; i < sizeof(random); i++) {
		ret_id[2 * i] = digits[random[i] >> 4];
		ret_id[2 * i + 1] = digits[random[i] & 15];
	}
	ret_id[ID_CHARS] = '\0';
}
