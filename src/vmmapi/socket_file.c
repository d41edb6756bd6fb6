/* SPDX-License-Identifier: Apache-2.0 */
#include "vmmapi/socket_file.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void og_socket_file_note(struct og_socket_file *file, const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return;
	memcpy(file->path, path, strlen(path) + 1);
	file->dev = st.st_dev;
	file->ino = st.st_ino;
}

void og_socket_file_remove(struct og_socket_file *file)
{
	struct stat st;

	if (file->path[0] != '\0' && lstat(file->path, &st) == 0 && st.st_dev == file->dev &&
	    st.st_ino == file->ino)
		(void)unlink(file->path);
	*file = (struct og_socket_file){};
}
