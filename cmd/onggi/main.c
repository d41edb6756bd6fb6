/* SPDX-License-Identifier: Apache-2.0 */
/* onggi(1): the command line. All of it is in src/client/. */
#include "client/command.h"

int main(int argc, char **argv)
{
	return og_client_main(argc, argv);
}
