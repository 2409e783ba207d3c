/* SPDX-License-Identifier: MIT */
/* What this thread's area says, and why: for people, or as JSON. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include <rseq/rseq.h>
#include "rseq-info.hh"

static const char *owner_name(rseq_owner owner)
{
	switch (owner) {
	case RSEQ_OWNER_LINE:
		return "line";
	case RSEQ_OWNER_LIBC:
		return "libc";
	case RSEQ_OWNER_NONE:
		break;
	}
	return "none";
}

static const char *mode_name(rseq_mode mode)
{
	switch (mode) {
	case RSEQ_MODE_OPTIMIZED:
		return "optimized";
	case RSEQ_MODE_LEGACY:
		return "legacy";
	case RSEQ_MODE_OFF:
		break;
	}
	return "off";
}

/* The same for someone who has not read the pages. */
static const char *owner_words(rseq_owner owner)
{
	switch (owner) {
	case RSEQ_OWNER_LINE:
		return "the libc's line";
	case RSEQ_OWNER_LIBC:
		return "the libc's area, found by __rseq_offset";
	case RSEQ_OWNER_NONE:
		break;
	}
	return "none: this libc has no rseq area";
}

static const char *mode_words(rseq_mode mode)
{
	switch (mode) {
	case RSEQ_MODE_OPTIMIZED:
		return "optimized: ids are written when they change";
	case RSEQ_MODE_LEGACY:
		return "legacy: ids are written whenever a thread is "
		       "scheduled";
	case RSEQ_MODE_OFF:
		break;
	}
	return "off";
}

static void print_text(const rseq_info &info)
{
	printf("owner                %s", owner_words(info.owner));
	if (info.version)
		printf(", version %u", info.version);
	printf("\noffset               %s%#tx from the thread pointer\n",
	       info.offset < 0 ? "-" : "",
	       info.offset < 0 ? -info.offset : info.offset);
	printf("registered           %u bytes\n", info.length);
	printf("mode                 %s\n", mode_words(info.mode));
	printf("feature size         %u (kernel: %u)\n", info.feature_size,
	       info.kernel_feature_size);
	printf("state                %s", rseq_strreason(info.reason));
	if (info.error)
		printf(": %s", strerror(info.error));
	printf("\ncpu                  %d\n", rseq_this_cpu().n);
	printf("cpu to start with    %u of %u\n", rseq_cpu_start(),
	       rseq_cpu_limit());
	printf("node                 %d\n", rseq_node_id());
	printf("mm_cid               %d\n", rseq_this_cid().n);
	printf("event                %u\n", rseq_event());
}

static void print_json(const rseq_info &info)
{
	printf("{\n"
	       "  \"owner\": \"%s\",\n"
	       "  \"version\": %u,\n"
	       "  \"offset\": %td,\n"
	       "  \"registered_length\": %u,\n"
	       "  \"mode\": \"%s\",\n"
	       "  \"feature_size\": %u,\n"
	       "  \"kernel_feature_size\": %u,\n"
	       "  \"registered\": %s,\n"
	       "  \"sections\": %s,\n"
	       "  \"reason\": \"%s\",\n"
	       "  \"errno\": %d,\n"
	       "  \"cpu\": %d,\n"
	       "  \"cpu_start\": %d,\n"
	       "  \"cpu_limit\": %u,\n"
	       "  \"node\": %d,\n"
	       "  \"mm_cid\": %d,\n"
	       "  \"event\": %u\n"
	       "}\n",
	       owner_name(info.owner), info.version, info.offset, info.length,
	       mode_name(info.mode), info.feature_size,
	       info.kernel_feature_size,
	       info.mode == RSEQ_MODE_OFF ? "false" : "true",
	       info.reason == RSEQ_ON ? "true" : "false",
	       rseq_strreason(info.reason), info.error, rseq_this_cpu().n,
	       rseq_cpu_start(), rseq_cpu_limit(), rseq_node_id(),
	       rseq_this_cid().n, rseq_event());
}

static int usage(FILE *to, int status)
{
	fputs("Usage: rseq-info [--json]\n"
	      "       rseq-info [--json] --stats PROGRAM [ARGUMENT...]\n"
	      "Say what this thread's rseq area holds, and why it is so; or\n"
	      "what became of the transactions of a program that is run.\n"
	      "\n"
	      "  --json     JSON instead of text\n"
	      "  --stats    run PROGRAM, then show its transactions\n"
	      "  --help     this text\n"
	      "  --version  the version of librseq\n"
	      "\n"
	      "Exit status: 0 shown, 1 it could not be, 2 wrong usage;\n"
	      "with --stats that of PROGRAM.\n", to);
	return status;
}

int main(int argc, char **argv)
{
	static const option options[] = {
		{ "json", no_argument, nullptr, 'j' },
		{ "stats", no_argument, nullptr, 's' },
		{ "help", no_argument, nullptr, 'h' },
		{ "version", no_argument, nullptr, 'v' },
		{},
	};
	bool json = false, stats = false;

	/* +: what follows PROGRAM is for it. */
	for (int c; (c = getopt_long(argc, argv, "+", options, nullptr)) != -1;)
		switch (c) {
		case 'j':
			json = true;
			break;
		case 's':
			stats = true;
			break;
		case 'h':
			usage(stdout, 0);
			return fflush(stdout) ? 1 : 0;
		case 'v':
			puts("rseq-info " PACKAGE_VERSION);
			return fflush(stdout) ? 1 : 0;
		default:
			return usage(stderr, 2);
		}
	if (stats && optind == argc) {
		fputs("rseq-info: --stats needs a program to run\n", stderr);
		return usage(stderr, 2);
	}
	if (!stats && optind < argc) {
		fprintf(stderr, "rseq-info: unexpected argument '%s'\n",
			argv[optind]);
		return usage(stderr, 2);
	}
	if (stats)
		return show_stats(argv + optind, json);

	rseq_info info;
	if (int err = rseq_query(&info, sizeof info)) {
		fprintf(stderr, "rseq-info: rseq_query: %s\n", strerror(-err));
		return 1;
	}
	(json ? print_json : print_text)(info);
	return fflush(stdout) ? 1 : 0;
}
