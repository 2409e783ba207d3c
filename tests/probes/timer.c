/* SPDX-License-Identifier: MIT */
/* The area in the threads that a SIGEV_THREAD timer starts. */
#include "area.h"

#include <semaphore.h>
#include <signal.h>
#include <time.h>

enum { N = 5 };

static struct crowd crowd;
static sem_t done;

static void expired(union sigval unused)
{
	struct seen s;

	(void)unused;
	look(&s);
	join_crowd(&crowd, &s);
	sem_post(&done);
}

int main(void)
{
	struct sigevent event = {.sigev_notify = SIGEV_THREAD};
	struct itimerspec once = {.it_value.tv_nsec = 1000000};
	timer_t timer;

	event.sigev_notify_function = expired;
	sem_init(&done, 0, 0);
	if (timer_create(CLOCK_MONOTONIC, &event, &timer))
		return 1;
	for (int i = 0; i < N; ++i) {
		timer_settime(timer, 0, &once, NULL);
		sem_wait(&done);
	}
	say_crowd("timer", &crowd);
	return 0;
}
