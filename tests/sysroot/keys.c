/* SPDX-License-Identifier: MIT */
/* A key makes libgcc's unwinder take its locks. */
#include <pthread.h>
#include <stdio.h>
#include <unwind.h>

static _Unwind_Reason_Code count(struct _Unwind_Context *context, void *frames)
{
	(void)context;
	++*(int *)frames;
	return _URC_NO_REASON;
}

int main(void)
{
	pthread_key_t key;
	int frames = 0;

	if (pthread_key_create(&key, NULL))
		return 1;
	_Unwind_Backtrace(count, &frames);
	printf("frames=%d\n", frames);
	return frames == 0;
}
