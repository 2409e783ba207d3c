# SPDX-License-Identifier: MIT
# "WORKLOAD THREADS NAME key=value..." into tables, JSON and a plot's data for
# each workload: medians of the rounds, and what of librseq's did not win.
{
	row = $1 " " $2
	if (!($1 in cols)) {
		works[++nworks] = $1
		cols[$1] = 0
	}
	if (!((row) in seen)) {
		seen[row] = 1
		threads[$1, ++nthreads[$1]] = $2
	}
	if (!(($1, $3) in has)) {
		has[$1, $3] = 1
		names[$1, ++cols[$1]] = $3
	}
	for (i = 4; i <= NF; ++i) {
		split($i, pair, "=")
		k = row " " $3 " " pair[1]
		list[k] = list[k] " " pair[2]
	}
}
function median(k,	v, n, i, j, t)
{
	n = split(list[k], v, " ")
	for (i = 2; i <= n; ++i)
		for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; --j) {
			t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
		}
	return n ? v[int((n + 1) / 2)] + 0 : ""
}
function line(w, key, format, mark,	t, i, k, best, v, cell)
{
	printf "%-8s", "threads"
	for (i = 1; i <= cols[w]; ++i)
		printf " %14s", names[w, i]
	print ""
	for (t = 1; t <= nthreads[w]; ++t) {
		best = ""
		for (i = 1; i <= cols[w]; ++i) {
			v = median(w " " threads[w, t] " " names[w, i] " " key)
			if (v != "" && (best == "" || v < best))
				best = v
		}
		printf "%-8s", threads[w, t]
		for (i = 1; i <= cols[w]; ++i) {
			k = w " " threads[w, t] " " names[w, i] " " key
			v = median(k)
			cell = v == "" ? "-" : sprintf(format, v)
			if (mark && v != "" && v == best)
				cell = "*" cell
			if (mark && names[w, i] == "librseq" && v > best)
				miss(w, t, "", v, "the best", best)
			k = median(w " " threads[w, t] " mutex-no-rseq " key)
			if (mark && names[w, i] == "no-rseq" && v > k)
				miss(w, t, " without rseq", v, "a mutex", k)
			printf " %14s", cell
		}
		print ""
	}
}
function miss(w, t, how, v, whose, better)
{
	missed = missed sprintf("\n  %s%s, %s threads: %.1f ns, %s %.1f", w,
		how, threads[w, t], v, whose, better)
}
function any(w, key,	t, i)
{
	for (t = 1; t <= nthreads[w]; ++t)
		for (i = 1; i <= cols[w]; ++i)
			if (list[w " " threads[w, t] " " names[w, i] " " key])
				return 1
	return 0
}
END {
	for (j = 1; j <= nworks; ++j) {
		w = works[j]
		if (any(w, "lost")) {
			printf "\n%s: records lost, of 1:\n", w
			line(w, "lost", "%.4f", 0)
			continue
		}
		printf "\n%s, nanoseconds of cpu time (* the fastest):\n", w
		line(w, "ns", "%.1f", 1)
		if (w ~ /^pool/) {
			printf "\n%s, most memory, kB:\n", w
			line(w, "rss", "%d", 0)
		}
	}
	print "\nwhere librseq's was not the fastest:" \
		(missed ? missed : " nowhere")

	printf "{" > json
	for (j = 1; j <= nworks; ++j) {
		w = works[j]
		printf "%s\n\"%s\": {", (j > 1 ? "," : ""), w > json
		for (t = 1; t <= nthreads[w]; ++t) {
			printf "%s\n  \"%s\": {", (t > 1 ? "," : ""),
				threads[w, t] > json
			sep = ""
			for (i = 1; i <= cols[w]; ++i) {
				k = w " " threads[w, t] " " names[w, i] " "
				printf "%s\"%s\": {", sep, names[w, i] > json
				inner = ""
				split("ns rss waits lost", key, " ")
				for (m = 1; m <= 4; ++m) {
					v = median(k key[m])
					if (v == "")
						continue
					printf "%s\"%s\": %s", inner, key[m],
						v > json
					inner = ", "
				}
				printf "}" > json
				sep = ", "
			}
			printf "}" > json
		}
		printf "}" > json
	}
	print "}" > json

	for (j = 1; j <= nworks; ++j) {
		w = works[j]
		table("ns", data "." w)
		if (w ~ /^pool/)
			table("rss", data "." w ".memory")
	}
}
function table(key, to,	t, i)
{
	printf "threads" > to
	for (i = 1; i <= cols[w]; ++i)
		printf " %s", names[w, i] > to
	print "" > to
	for (t = 1; t <= nthreads[w]; ++t) {
		printf "%s", threads[w, t] > to
		for (i = 1; i <= cols[w]; ++i)
			printf " %s", median(w " " threads[w, t] " " \
				names[w, i] " " key) > to
		print "" > to
	}
	close(to)
}
