/* SPDX-License-Identifier: MIT */
#include "two_files.hpp"

#include <stdio.h>

extern char __start___rseq_cs_ptr_array[], __stop___rseq_cs_ptr_array[];
extern char __start___rseq_exit_point_array[], __stop___rseq_exit_point_array[];

int main()
{
	static word w;
	int r = count(&w) + count_if(&w.value, 1) + other_file(&w);

	printf("result=%d\nvalue=%d\nsections=%d\nexits=%d\n", r, (int)w.value,
	       (int)(__stop___rseq_cs_ptr_array -
		     __start___rseq_cs_ptr_array) / 8,
	       (int)(__stop___rseq_exit_point_array -
		     __start___rseq_exit_point_array) / 16);
	return 0;
}
