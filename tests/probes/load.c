/* SPDX-License-Identifier: MIT */
/* load LIBRARY: can this program load it? */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW) : NULL;

	printf("loaded=%d\n", library != NULL);
	if (!library)
		printf("error=%s\n", dlerror());
	return 0;
}
